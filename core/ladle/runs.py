"""The folder of a run: recipe, lock, events, metrics, models and report; and finding one again."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import Problem, RecipeError, did_you_mean
from .graph import Stage
from .store import Store, read_json, write_json

if TYPE_CHECKING:
    from .recipe.model import Recipe

_LIBRARIES = ("torch", "transformers", "datasets", "accelerate", "pyarrow", "tokenizers", "safetensors", "numpy")


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
        return read_json(self.folder / "outcome.json")

    @property
    def lock(self) -> dict[str, Any]:
        """What exactly ran: resolved options, keys, versions, seed, hardware."""
        return read_json(self.folder / "lock.json")

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    @property
    def is_finished(self) -> bool:
        return (self.folder / "outcome.json").is_file() and self.outcome["status"] == "done"

    def save_outcome(self, outcome: dict[str, Any]) -> None:
        write_json(self.folder / "outcome.json", outcome)

    def model(self, stage: str) -> Path:
        """The folder of the model that a train stage made."""
        return self.folder / "models" / stage

    def learnt(self, stage: str) -> Path:
        """The folder with what a data stage has learnt from the train split."""
        return self.folder / "learnt" / stage


class Runs:
    """All runs in one folder, which also holds their store."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def store(self) -> Store:
        return Store(self.root / ".store")

    def __iter__(self) -> Iterator[Run]:
        """The runs, newest first."""
        folders = [path.parent for path in self.root.glob("*/lock.json")]
        return iter(sorted(map(Run, folders), key=lambda run: run.lock["started"], reverse=True))

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
        keys = [stage.key for stage in stages]
        text = recipe.text.encode()
        for run in self:
            lock = run.lock
            is_same = lock["recipe"] == recipe.name and [locked["key"] for locked in lock["stages"]] == keys
            if is_same and run.is_finished and (run.folder / "recipe.toml").read_bytes() == text:
                return run
        return None

    def begin(self, recipe: Recipe, stages: list[Stage]) -> Run:
        """A new folder for a run of a recipe, with the recipe as read and the lock."""
        self.root.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            folder = self.root / f"{recipe.name}-{number}"
            try:
                folder.mkdir()
                break
            except FileExistsError:
                number += 1
        (folder / "recipe.toml").write_bytes(recipe.text.encode())
        write_json(folder / "lock.json", _lock(recipe, stages))
        return Run(folder)


def _lock(recipe: Recipe, stages: list[Stage]) -> dict[str, Any]:
    used = {u.offer.plugin.name: u.offer.plugin.version for u in recipe.uses()}
    return {
        "recipe": recipe.name,
        "path": str(recipe.path),
        "started": time.time(),
        "seed": recipe.seed,
        "stages": [_locked(stage) for stage in stages],
        "plugins": dict(sorted(used.items())),
        "libraries": {name: version for name in _LIBRARIES if (version := _version(name))},
        "python": platform.python_version(),
        "machine": {"system": platform.platform(), "processors": os.cpu_count()},
    }


def _locked(stage: Stage) -> dict[str, Any]:
    """A stage as the lock keeps it: what it was told, what it was made from, what it did to columns."""
    locked: dict[str, Any] = {
        "name": stage.name,
        "kind": stage.kind,
        "use": stage.use,
        "key": stage.key,
        "inputs": [inner.name for inner in stage.inputs],
        "options": stage.component.model_dump(mode="json", by_alias=True),
    }
    if stage.used:
        after = stage.used.after
        locked |= {
            "package": stage.used.offer.plugin.name,
            "columns": dict(after) if after.known else None,
            "reads": sorted(after.read),
            "writes": sorted(after.written),
        }
    if stage.kind == "train":
        locked["techniques"] = [
            {"use": used.use, "options": used.component.model_dump(mode="json", by_alias=True)}
            for used in stage.techniques
        ]
    return locked


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def link(source: Path, target: Path) -> None:
    """Give a file of the store a place in a run: a hard link where the file system has them, else a copy."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def link_tree(source: Path, target: Path) -> None:
    """Give a folder of the store a place in a run."""
    shutil.copytree(source, target, copy_function=lambda a, b: link(Path(a), Path(b)), dirs_exist_ok=True)
