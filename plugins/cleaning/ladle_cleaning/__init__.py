"""Cleaners for ladle: duplicates, gaps, wrong values, types, texts, what is personal, and what tests leak."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_cleaners() -> dict[str, str]:
    return {
        "convert": "ladle_cleaning.conversion:Convert",
        "correct": "ladle_cleaning.correcting:Correct",
        "decontaminate": "ladle_cleaning.contamination:Decontaminate",
        "deduplicate": "ladle_cleaning.duplicates:Deduplicate",
        "fill-missing": "ladle_cleaning.gaps:FillMissing",
        "filter": "ladle_cleaning.conditions:Filter",
        "label-errors": "ladle_cleaning.label_errors:LabelErrors",
        "perplexity": "ladle_cleaning.perplexity:Perplexity",
        "quality": "ladle_cleaning.quality:Quality",
        "redact": "ladle_cleaning.redaction:Redact",
        "replace": "ladle_cleaning.replacing:Replace",
        "sample": "ladle_cleaning.sampling:Sample",
        "select": "ladle_cleaning.selection:Select",
        "standardise": "ladle_cleaning.standardising:Standardise",
    }
