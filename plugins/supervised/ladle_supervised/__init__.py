"""Supervised trainers for ladle."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_trainers() -> dict[str, str]:
    return {
        "text-classification": "ladle_supervised.text:TextClassification",
        "tabular-classification": "ladle_supervised.tabular:TabularClassification",
        "tabular-regression": "ladle_supervised.tabular_regression:TabularRegression",
    }
