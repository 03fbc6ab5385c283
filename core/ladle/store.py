"""The store: outcomes of stages, each under a key made from everything that could change it.

An outcome is a folder. It is made beside and renamed into place, so that it is whole or absent, and two runs
that want the same one take turns: the second finds it done.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

FORMAT = 2  # a new number makes all earlier outcomes unknown
STATE = "state.json"  # in an outcome: what the stage has learnt from the train split
_BLOCK = 1 << 20


def digest(value: Any) -> str:
    """A key for any JSON value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file that is whole or absent."""
    _write_whole(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write_whole(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


class Store:
    """Outcomes by key, in a folder that any number of recipes may share."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: str) -> Path:
        """Where the outcome of `key` is, or will be."""
        return self.root / "stages" / key[:2] / key

    def holds(self, key: str) -> bool:
        return self.folder(key).is_dir()

    def has_begun(self, key: str) -> bool:
        """Whether an earlier attempt at the outcome of `key` has left something to go on from."""
        return (self.root / "work" / key).is_dir()

    def outcome(self, key: str) -> dict[str, Any]:
        """What a stage did: rows in and out, rejects, seconds, details."""
        outcome: dict[str, Any] = read_json(self.folder(key) / "outcome.json")
        return outcome

    @contextmanager
    def making(
        self, key: str, keep_unfinished: bool = False, is_stale: Callable[[], bool] = lambda: False
    ) -> Iterator[Path | None]:
        """A folder to make the outcome of `key` in; None if it is there already, and not stale.

        With `keep_unfinished`, what an earlier attempt left is still in the folder: checkpoints, for example.
        """
        work = self.root / "work" / key
        work.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(work.with_suffix(".lock")):
            if self.holds(key) and not is_stale():
                yield None
                return
            if not keep_unfinished:
                shutil.rmtree(work, ignore_errors=True)
            work.mkdir(exist_ok=True)
            yield work
            final = self.folder(key)
            final.parent.mkdir(parents=True, exist_ok=True)
            if final.exists():  # a stale one goes away whole, too
                gone = work.with_suffix(".stale")
                shutil.rmtree(gone, ignore_errors=True)
                os.replace(final, gone)
                shutil.rmtree(gone)
            os.replace(work, final)

    def hash_files(self, paths: Iterable[Path]) -> list[str]:
        """The content hashes of files, and of all files in folders: names and times play no part in them."""
        hashes = []
        for path in paths:
            files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
            hashes += [self._hash_file(file) for file in files]
        return hashes

    def _hash_file(self, path: Path) -> str:
        """A file's content hash, read again only when its size or time of change differ from last time's."""
        stat = path.stat()
        known = digest([str(path.absolute()), stat.st_size, stat.st_mtime_ns, stat.st_ino])
        note = self.root / "hashes" / known[:2] / known
        if note.is_file():
            return note.read_text()
        content = hashlib.blake2b(digest_size=20)
        with path.open("rb") as file:
            for block in iter(functools.partial(file.read, _BLOCK), b""):
                content.update(block)
        note.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(note, content.hexdigest())
        return content.hexdigest()
