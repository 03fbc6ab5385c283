"""What the store holds, who uses it, and removing what nobody does.

A run uses the outcomes of the stages in its lock, and what was kept while one of them was made. Until it has
finished it also wants what was begun under these keys. A run whose folder is gone uses nothing.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from .runs import BEGINNING, Run, Runs
from .store import OUTCOME, Store, files_in, read_note


@dataclass(frozen=True)
class Held:
    """What the store holds under one key."""

    key: str
    state: str
    """`whole`; `unfinished`; or `damaged`: a file is gone, or not as long as it was."""
    stage: str
    """Its name in the recipe that it was made for; this, `kind` and `use` are empty where nothing tells them."""
    kind: str
    """The stage's; `kept` for what a source or a training keeps beside its outcome."""
    use: str
    rows: int | None
    size: int
    """Bytes in its files, each counted once however many names it has."""
    frees: int
    """Bytes in those files that have no name elsewhere, in the folder of a run."""
    last_used: float
    """Seconds since 1970."""
    runs: list[str]
    """The runs that use it; of what is unfinished, those that may go on with it."""


@dataclass(frozen=True)
class Pruned:
    """What was removed, or would be."""

    held: list[Held] = field(default_factory=list)
    leftovers: int = 0
    """Folders that a process left behind that died while it removed something, or began a run."""
    hash_notes: int = 0
    freed: int = 0
    """Bytes, notes aside."""


def held_by(runs: Runs) -> list[Held]:
    """Everything that the store of these runs holds, what was used last first."""
    return sorted(_held(runs.store, list(runs)), key=lambda held: held.last_used, reverse=True)


def prune(runs: Runs, *, older_than: float = 0.0, everything: bool = False, dry_run: bool = False) -> Pruned:
    """Remove what no run uses: outcomes, what was kept, unfinished work; and what is damaged, and notes out of date.

    Only what was last used `older_than` seconds ago goes. With `everything`, what runs use goes too, except what one
    at work needs; the models and reports in the folders of runs stay. A process that dies meanwhile leaves each outcome
    whole or absent.
    """
    store = runs.store
    if not store.root.is_dir():
        return Pruned()
    with store.still():
        at_work = [run for run in runs if _is_at_work(run)]
        latest = time.time() - older_than
        kept = {run.name for run in (at_work if everything else runs)}
        unused = [h for h in _held(store, list(runs)) if not kept.intersection(h.runs) and h.last_used <= latest]
        leftovers = [*store.gone(), *runs.root.glob(f"{BEGINNING}*")]
        left = sum(_measure(folder)[1] for folder in leftovers)
        notes = store.stale_hash_notes()
        if not dry_run:
            unused = [held for held in unused if _put_away(held, store, at_work)]
            for folder in runs.root.glob(f"{BEGINNING}*"):
                store.put_away(folder)
            for note in notes:
                note.unlink(missing_ok=True)
            if not at_work:
                store.forget_locks()
    if not dry_run:
        for folder in store.gone():
            shutil.rmtree(folder, ignore_errors=True)
    return Pruned(unused, len(leftovers), len(notes), left + sum(held.frees for held in unused))


def _is_at_work(run: Run) -> bool:
    """Whether a process works on a run; within `Store.still`, when none can take it up."""
    if not run.claim():
        return True
    run.release()
    return False


def _held(store: Store, runs: list[Run]) -> list[Held]:
    using, wanting = _users(store, runs), _users(store, [run for run in runs if not run.is_finished])
    stages = {stage["key"]: stage for run in runs for stage in run.lock["stages"]}
    found = []
    for key in store.made():
        is_whole = store.holds(key)
        users = using.get(key, []) if is_whole else []
        found.append(_about(key, "whole" if is_whole else "damaged", store.folder(key), users, stages.get(key)))
    for key in store.begun():
        found.append(_about(key, "unfinished", store.work / key, wanting.get(key, []), stages.get(key)))
    return found


def _users(store: Store, runs: Iterable[Run]) -> dict[str, list[str]]:
    """The names of the runs that use what is under each key."""
    users: dict[str, list[str]] = {}
    for run in runs:
        for key in _keys(run, store):
            users.setdefault(key, []).append(run.name)
    return users


def _keys(run: Run, store: Store) -> set[str]:
    """The keys of a run's stages, and of what was kept for them."""
    stages = {stage["key"] for stage in run.lock["stages"]}
    return stages.union(*map(store.kept_for, stages))


def _about(key: str, state: str, folder: Path, users: list[str], locked: dict[str, Any] | None) -> Held:
    told = read_note(folder / OUTCOME) or {}
    named = {"stage": locked["name"], "kind": locked["kind"], "use": locked["use"]} if locked else {}
    about = {name: told.get(name) or named.get(name, "") for name in ("stage", "kind", "use")}
    size, frees, last_used = _measure(folder)
    return Held(key, state, **about, rows=told.get("rows_out"), size=size, frees=frees, last_used=last_used, runs=users)


def _measure(folder: Path) -> tuple[int, int, float]:
    """The bytes in a folder's files, those in files without a name elsewhere, and when the last one was touched."""
    files = [stat for _, stat in files_in(folder)]
    names = Counter((stat.st_dev, stat.st_ino) for stat in files)
    once = {(stat.st_dev, stat.st_ino): stat for stat in files}
    frees = sum(stat.st_size for file, stat in once.items() if stat.st_nlink <= names[file])
    last = max((stat.st_mtime for stat in files), default=folder.stat().st_mtime)
    return sum(stat.st_size for stat in once.values()), frees, last


class _BusyError(Exception):
    """Somebody else holds a key's lock."""


def _put_away(held: Held, store: Store, at_work: list[Run]) -> bool:
    """Rename what is held out of the way, unless it is being made, or a run at work has come to want it meanwhile."""

    def give_up() -> NoReturn:
        raise _BusyError

    with suppress(_BusyError, FileNotFoundError), store.locked(held.key, give_up):
        if not any(held.key in _keys(run, store) for run in at_work):
            store.put_away(store.work / held.key if held.state == "unfinished" else store.folder(held.key))
            return True
    return False
