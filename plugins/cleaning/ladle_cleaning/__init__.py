"""Cleaners for ladle: duplicates, missing values, Unicode, types, columns, rows and samples."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_cleaners() -> dict[str, str]:
    return {
        "convert": "ladle_cleaning.conversion:Convert",
        "deduplicate": "ladle_cleaning.duplicates:Deduplicate",
        "filter": "ladle_cleaning.conditions:Filter",
        "fill-missing": "ladle_cleaning.gaps:FillMissing",
        "standardise": "ladle_cleaning.unicode:Standardise",
        "replace": "ladle_cleaning.replacing:Replace",
        "sample": "ladle_cleaning.sampling:Sample",
        "select": "ladle_cleaning.selection:Select",
    }
