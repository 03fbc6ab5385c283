"""The folder of a run: recipe, lock, events, metrics, models and report; and finding one again."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from .errors import Problem, RecipeError, did_you_mean
from .graph import Stage
from .lock import lock_of
from .store import STORE, Store, files_in, in_place_of, read_json, read_note, write_json

if TYPE_CHECKING:
    from .recipe.model import Recipe

BEGINNING = ".new-"  # before the name of a run's folder until that is whole
_OUTCOME = "outcome.json"


@dataclass(frozen=True)
class Run:
    """One execution of a recipe."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def outcome(self) -> dict[str, Any]:
        """What `ladle show --json` prints: status, stages, metrics."""
        return read_json(self.folder / _OUTCOME)

    @property
    def lock(self) -> dict[str, Any]:
        """What exactly ran: resolved options, keys, versions, seed, hardware."""
        return read_json(self.folder / "lock.json")

    @functools.cached_property
    def _busy(self) -> FileLock:
        return FileLock(self.folder / ".busy")

    def claim(self) -> bool:
        """Begin to work on this run; False if another process does. It ends with `release`, or with the process."""
        try:
            self._busy.acquire(blocking=False)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        self._busy.release()

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    @property
    def is_finished(self) -> bool:
        """Whether every stage is done, and the report written."""
        outcome = read_note(self.folder / _OUTCOME)
        return outcome is not None and outcome["status"] == "done" and self.report.is_file()

    def ended(self) -> Run:
        """This run, if it has ended. Raises RecipeError if it has not."""
        if not (self.folder / _OUTCOME).is_file():
            problem = Problem("unfinished", f"the run {self.name} has not ended", "run its recipe again to go on")
            raise RecipeError(problem)
        return self

    def learn_columns(self, stage: str, flow: dict[str, Any]) -> None:
        """Note in the lock what columns a stage has, if only its rows could tell."""
        lock = self.lock
        entry = next(entry for entry in lock["stages"] if entry["name"] == stage)
        if "columns" in entry and entry["columns"] is None:
            entry |= flow
            write_json(self.folder / "lock.json", lock)

    def save_outcome(self, outcome: dict[str, Any]) -> None:
        write_json(self.folder / _OUTCOME, outcome)

    def model(self, stage: str) -> Path:
        """The folder of the model that a train stage made."""
        return self.folder / "models" / stage

    def aside(self, stage: str) -> Path:
        """The folder of what is worth looking into where a stage has failed."""
        return self.folder / "failed" / stage

    def learnt(self, stage: str) -> Path:
        """The folder with what a data stage has learnt from the train split."""
        return self.folder / "learnt" / stage


class Runs:
    """All runs in one folder, which also holds their store."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def store(self) -> Store:
        return Store(self.root / STORE)

    def __iter__(self) -> Iterator[Run]:
        """The runs, newest first; a folder whose lock is damaged, or vanishes meanwhile, is no run."""
        begun = [(lock["started"], path.parent) for path in self.root.glob("*/lock.json") if (lock := read_note(path))]
        return (Run(folder) for _, folder in sorted(begun, reverse=True))

    def find(self, name: str) -> Run:
        """The run of this name or folder, or the newest of the recipe of this name. Raises RecipeError."""
        for folder in (self.root / name, Path(name)):
            if (folder / "lock.json").is_file():
                return Run(folder)
        runs = list(self)
        for run in runs:
            if run.lock["recipe"] == name:
                return run
        help = did_you_mean(name, [run.name for run in runs], "the runs here are") if runs else "there is none yet"
        raise RecipeError(Problem("no-run", f"no run `{name}` in {self.root}", help))

    def same(self, recipe: Recipe, stages: list[Stage]) -> Run | None:
        """The newest finished run of a recipe of this name and text with the same stages, if there is one."""
        return next((run for run in self if self._is_of(run, recipe, stages) and run.is_finished), None)

    def _is_of(self, run: Run, recipe: Recipe, stages: list[Stage]) -> bool:
        """Whether a run is of a recipe of this name and text, with the same settings and stages."""
        lock = run.lock
        return (
            lock["recipe"] == recipe.name
            and [entry["key"] for entry in lock["stages"]] == [stage.key for stage in stages]
            and lock["settings"] == list(recipe.settings)
            and (run.folder / "recipe.toml").read_bytes() == recipe.text.encode()
        )

    @contextmanager
    def at_work(self, recipe: Recipe, stages: list[Stage]) -> Iterator[Run]:
        """A run to work on: the newest of the same stages that was left unfinished, or else a new one.

        While it is worked on, its folder holds a lock, so that no other process takes it up, or removes what it needs.
        """
        with self.store.still():
            for run in self:
                if self._is_of(run, recipe, stages) and not run.is_finished and run.claim():
                    break
            else:
                run = self._begin(recipe, stages)
                run.claim()
        try:
            (run.folder / _OUTCOME).unlink(missing_ok=True)
            yield run
        finally:
            run.release()

    def _begin(self, recipe: Recipe, stages: list[Stage]) -> Run:
        """A new folder for a run of a recipe, with the recipe as read and the lock; no other run begins meanwhile."""
        places = (self.root / f"{recipe.name}-{number}" for number in itertools.count(1))
        folder = next(place for place in places if not place.exists())
        beside = folder.with_name(f"{BEGINNING}{folder.name}")  # moved into place when it is whole
        shutil.rmtree(beside, ignore_errors=True)
        try:
            beside.mkdir()
            (beside / "recipe.toml").write_bytes(recipe.text.encode())
            write_json(beside / "lock.json", lock_of(recipe, stages))
            beside.rename(folder)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        return Run(folder)


def link(source: Path, target: Path) -> None:
    """Give a file of the store a place in a run: a hard link where the file system has them, else a copy."""
    with in_place_of(target) as beside:
        try:
            os.link(source, beside)
        except OSError:
            shutil.copy2(source, beside)


def link_tree(source: Path, target: Path) -> None:
    """Give a folder of the store a place in a run."""
    for name, _ in files_in(source):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        link(source / name, target / name)
