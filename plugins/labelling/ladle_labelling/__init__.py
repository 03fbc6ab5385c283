"""Labelers for ladle that follow rules: keywords and patterns in a text, ranges of a number."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_labelers() -> dict[str, str]:
    return {
        "keywords": "ladle_labelling.keywords:Keywords",
        "ranges": "ladle_labelling.ranges:Ranges",
    }
