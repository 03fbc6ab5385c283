"""The store: outcomes of stages, each under a key made from everything that could change it.

    stages/ab/KEY/   what a stage made, or what a training keeps beside it: whole or absent
    work/KEY/        what is being made, or was when its maker died
    work/KEY.lock    held by whoever makes, or removes, what is under the key
    hashes/          the content hashes of files, so that none is read twice
    gone/            what is being removed

An outcome is made in `work` and renamed into place with a list of its files, so that two runs that want the same one
take turns: the second finds it done. One whose files are no longer those of the list counts as absent.

What is removed is renamed away first. Two rules keep what a run at work needs. A run begins while it holds the lock of
the whole store, and from then on is seen to be at work, with all its keys; whoever removes holds the same lock until
everything is renamed. And a training notes what it keeps before it asks for it, so that whoever then holds the lock of
such a key can tell whether a training at work wants it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

FORMAT = 2  # a new number makes all earlier outcomes unknown
STORE = ".store"  # in a folder of runs
STATE = "state.json"  # in an outcome: what the stage has learnt from the train split
OUTCOME = "outcome.json"  # in an outcome: what it is
_FILES = "files.json"  # in an outcome: the sizes of its files
_KEPT = "kept.json"  # in an outcome: the keys of what was made for it while it was made
_BLOCK = 1 << 20


def digest(value: Any) -> str:
    """A key for any JSON value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


@contextmanager
def in_place_of(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it becomes `path` in the end, or is removed if anything fails."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        with suppress(OSError):
            beside.unlink()


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file that is whole or absent."""
    with in_place_of(path) as beside:
        beside.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_note(path: Path) -> Any:
    """What a JSON file says; None if it is not there, or damaged."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return None


class Store:
    """Outcomes by key, in a folder that any number of recipes may share."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._making: list[Path] = []
        """Where outcomes are being made, each for the sake of the one before."""

    @property
    def work(self) -> Path:
        return self.root / "work"

    def folder(self, key: str) -> Path:
        """Where the outcome of `key` is, or will be."""
        return self.root / "stages" / key[:2] / key

    def holds(self, key: str) -> bool:
        """Whether the outcome of `key` is there, with every file as large as it was made."""
        folder = self.folder(key)
        files = read_note(folder / _FILES)
        try:
            return files is not None and all((folder / name).stat().st_size == size for name, size in files.items())
        except OSError:
            return False

    def has_begun(self, key: str) -> bool:
        """Whether an earlier attempt at the outcome of `key` has left something to go on from."""
        return (self.work / key).is_dir()

    def outcome(self, key: str) -> dict[str, Any]:
        """What a stage did: rows in and out, rejects, seconds, details."""
        outcome: dict[str, Any] = read_json(self.folder(key) / OUTCOME)
        return outcome

    def note_use(self, key: str) -> None:
        """Note that the outcome of `key` is used now; a store that may only be read is used without a note."""
        with suppress(OSError):
            os.utime(self.folder(key) / _FILES)

    def kept_for(self, key: str) -> set[str]:
        """The keys of what was made for the outcome of `key`, be that made or under way."""
        return {kept for folder in (self.folder(key), self.work / key) for kept in read_note(folder / _KEPT) or ()}

    @contextmanager
    def making(
        self,
        key: str,
        keep_unfinished: bool = False,
        is_stale: Callable[[], bool] = lambda: False,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Iterator[Path | None]:
        """A folder to make the outcome of `key` in; None if it is there already, and not stale.

        With `keep_unfinished`, what an earlier attempt left is still in the folder: checkpoints, for example.
        `on_wait` is called if another process is making it, before this one waits for its end.
        """
        work = self.work / key
        if self._making:
            self._note_kept(self._making[-1], key)
        with self.locked(key, on_wait):
            if self.holds(key) and not is_stale():
                yield None
                return
            if not keep_unfinished:
                _clear(work)
            work.mkdir(exist_ok=True)
            self._making.append(work)
            try:
                yield work
                write_json(work / _FILES, {name: stat.st_size for name, stat in files_in(work) if name != _FILES})
                final = self.folder(key)
                final.parent.mkdir(parents=True, exist_ok=True)
                if final.exists():  # stale, or damaged
                    shutil.rmtree(self.put_away(final), ignore_errors=True)
                os.replace(work, final)
            except BaseException:
                if not keep_unfinished:
                    _clear(work)
                raise
            finally:
                self._making.pop()

    def _note_kept(self, folder: Path, key: str) -> None:
        kept = read_note(folder / _KEPT) or []
        if key not in kept:
            write_json(folder / _KEPT, [*kept, key])

    @contextmanager
    def locked(self, key: str, on_wait: Callable[[], None]) -> Iterator[None]:
        """The lock of a key, which ends with the process that holds it. `on_wait` is called if it has to be waited for.

        What `on_wait` raises ends the waiting.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.work / f"{key}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            on_wait()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def still(self) -> Iterator[None]:
        """The lock of the whole store: within it no run begins, and nothing is removed but by who holds it."""
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / ".lock"):
            yield

    def made(self) -> list[str]:
        """The keys of all outcomes, damaged ones included."""
        folders = (self.root / "stages").glob("*/*")
        return sorted(folder.name for folder in folders if folder == self.folder(folder.name) and folder.is_dir())

    def begun(self) -> list[str]:
        """The keys of all that was begun and not finished."""
        return sorted(folder.name for folder in self.work.glob("*") if folder.is_dir())

    def put_away(self, path: Path) -> Path:
        """Rename a folder or file out of sight, whole, so that it can be removed; where it is then."""
        place = self.root / "gone" / f"{path.name}-{secrets.token_hex(4)}"
        place.parent.mkdir(exist_ok=True)
        os.replace(path, place)
        return place

    def gone(self) -> list[Path]:
        """What was put away and is still to be removed."""
        return list((self.root / "gone").glob("*"))

    def forget_locks(self) -> None:
        """Remove the locks of all keys; only within `still`, and while no run is at work."""
        for lock in self.work.glob("*.lock"):
            lock.unlink(missing_ok=True)

    def hash_files(self, paths: Iterable[Path]) -> list[str]:
        """The content hashes of files, and of all files in folders: names and times play no part in them."""
        hashes = []
        for path in paths:
            files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
            hashes += [self._hash_file(file) for file in files]
        return hashes

    def _hash_file(self, path: Path) -> str:
        """A file's content hash, read again only when its size or time of change differ from last time's."""
        note = self._hash_note(path)
        if known := read_note(note):
            return str(known["content"])
        content = hashlib.blake2b(digest_size=20)
        with path.open("rb") as file:
            for block in iter(functools.partial(file.read, _BLOCK), b""):
                content.update(block)
        with suppress(OSError):  # without the note it is only read again
            note.parent.mkdir(parents=True, exist_ok=True)
            write_json(note, {"path": str(path.absolute()), "content": content.hexdigest()})
        return content.hexdigest()

    def _hash_note(self, path: Path) -> Path:
        """Where the content hash of a file is noted as long as it is the same file."""
        stat = path.stat()
        known = digest([str(path.absolute()), stat.st_size, stat.st_mtime_ns, stat.st_ino])
        return self.root / "hashes" / known[:2] / f"{known}.json"

    def stale_hash_notes(self) -> list[Path]:
        """The notes about files that have changed, or are gone."""
        return [note for note in (self.root / "hashes").glob("*/*") if not self._is_right(note)]

    def _is_right(self, note: Path) -> bool:
        try:
            return self._hash_note(Path(read_json(note)["path"])) == note
        except (OSError, ValueError, TypeError):
            return False


def _clear(folder: Path) -> None:
    """Remove what was made in a folder, but not the note of what was kept for it, which is still there."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _KEPT:
                path.unlink()
        folder.rmdir()


def files_in(folder: Path) -> list[tuple[str, os.stat_result]]:
    """All files below a folder, by their path in it; what vanishes meanwhile is left out."""
    found = []
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):
            if path.is_file():
                found.append((path.relative_to(folder).as_posix(), path.stat()))
    return found
