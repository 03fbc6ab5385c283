"""Trainers for ladle that learn from texts alone."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_trainers() -> dict[str, str]:
    return {
        "causal-language-model": "ladle_unsupervised.causal:CausalLanguageModel",
        "masked-language-model": "ladle_unsupervised.masked:MaskedLanguageModel",
    }
