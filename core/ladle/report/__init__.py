"""Reports of a run, of several side by side, of an ablation: HTML pages that need nothing beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..store import in_place_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..ablation import Ablation
    from ..runs import Run
    from ..store import Store


def write_report(run: Run, store: Store) -> None:
    """Write `run.report`."""
    from .gather import gather

    _write("report", run.report, **gather(run, store))


def write_ablation(ablation: Ablation, page: Path) -> None:
    """Write what an ablation found."""
    from .gather import gather_ablation

    _write("ablation", page, **gather_ablation(ablation))


def write_comparison(runs: Sequence[Run], store: Store, page: Path) -> None:
    """Write what several runs found, side by side."""
    from .gather import gather_comparison

    _write("comparison", page, **gather_comparison(runs, store))


def _write(template: str, page: Path, **told: object) -> None:
    from .page import render

    with in_place_of(page) as beside:
        beside.write_text(render(template, **told), encoding="utf-8")
