"""Running what an earlier run ran: with the same versions, data and options, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .differences import changes, reasons
from .errors import Problem, RecipeError
from .graph import Stage, stages_of
from .lock import lock_of
from .recipe import Recipe, load
from .runs import Run
from .store import Store


def load_locked(run: Run, store: Store) -> Recipe:
    """The recipe of a run, as it was read then. Raises RecipeError with everything that is not as it was."""
    lock = run.lock
    text = (run.folder / "recipe.toml").read_bytes().decode()
    recipe, _ = load(Path(lock["path"]), settings=lock["settings"], text=text)
    problems = [
        Problem("locked", f"not as it was in {run.name}: {what}", "run its recipe without --locked if that is meant")
        for what in _differences(run, recipe, stages_of(recipe, store))
    ]
    if problems:
        raise RecipeError(problems)
    return recipe


def _differences(run: Run, recipe: Recipe, stages: list[Stage]) -> Iterator[str]:
    was, now = run.lock, lock_of(recipe, stages)
    before = {entry["name"]: entry for entry in was["stages"]}
    versions = [
        str(change)
        for about in ("plugins", "libraries", "python")
        for change in changes(was[about], now[about], about if about == "python" else "")
    ]
    for entry in now["stages"]:
        if entry["key"] != before[entry["name"]]["key"]:
            why = reasons(before[entry["name"]], entry)
            yield from (f"{entry['name']}: {reason}" for reason in why if reason not in versions)
    yield from versions
