"""The report of a run: one HTML page that needs nothing beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..store import in_place_of

if TYPE_CHECKING:
    from ..runs import Run
    from ..store import Store


def write_report(run: Run, store: Store) -> None:
    """Write `run.report`."""
    from .page import render

    with in_place_of(run.report) as beside:
        beside.write_text(render(run, store), encoding="utf-8")
