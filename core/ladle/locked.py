"""Holding a recipe to the lock of an earlier run: the same versions, data and options, or no run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .differences import changes, reasons
from .errors import Problem, RecipeError
from .graph import Stage
from .runs import Run, lock_of

if TYPE_CHECKING:
    from .recipe.model import Recipe


def hold_to(run: Run, recipe: Recipe, stages: list[Stage]) -> None:
    """Raises RecipeError with everything that is not as it was in `run`."""
    problems = [
        Problem("locked", f"not as it was in {run.name}: {what}", "run it without --locked if that is meant")
        for what in _differences(run, recipe, stages)
    ]
    if problems:
        raise RecipeError(problems)


def _differences(run: Run, recipe: Recipe, stages: list[Stage]) -> Iterator[str]:
    was, now = run.lock, lock_of(recipe, stages)
    before = {entry["name"]: entry for entry in was["stages"]}
    for entry in now["stages"]:
        if entry["key"] != before[entry["name"]]["key"]:
            yield from (f"{entry['name']}: {why}" for why in reasons(before[entry["name"]], entry))
    for about in ("plugins", "libraries", "python"):
        yield from map(str, changes(was[about], now[about], about if about == "python" else ""))
