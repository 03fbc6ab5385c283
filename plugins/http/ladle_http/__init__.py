"""Rows from JSON APIs: page by page, with patience, and going on where it stopped."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_data_sources() -> dict[str, str]:
    return {"http": "ladle_http.source:Http"}
