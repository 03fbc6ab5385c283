"""What a disk refuses, as a person reads it: what, where, and what to do."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import LadleError, Problem
from .store import STORE

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
_OTHER = (errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EIO)
_PART = 0  # beside these numbers: what a library says where the disk took only a part of a file, and not why

_TEXTS = {_PART: "a file could not be written to its end"}
_PART_WRITTEN = re.compile(r"\d+ requested and \d+ written|unexpected pos \d+ vs \d+|PytorchStreamWriter failed")
_NUMBER_OF_RUST = re.compile(r"\(os error (\d+)\)")
_PATH_OF_ARROW = re.compile(r"'([^']+)'\. Detail:")


def disk_problem(error: BaseException, folder: Path, doing: str = "", written: int = 0) -> Problem | None:
    """What to say of an error while something was done in `folder`; None if a disk has nothing to do with it.

    Libraries wrap what the system says in errors of their own, which are known here. `written` bytes had been written
    before the disk was full, and will have to be again.
    """
    number = _number(error)
    if number is None:
        return None
    path = _short(_path(error) or folder)
    what = _TEXTS.get(number) or os.strerror(number).lower()
    return Problem("disk", f"{f'{doing}: ' if doing else ''}{what}: {path}", _remedy(number, path, written))


@contextmanager
def telling_of_the_disk(folder: Path) -> Iterator[None]:
    """Within it an error that comes from the disk becomes a LadleError with its problem."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, LadleError) and (problem := disk_problem(error, folder)):
            raise LadleError(problem) from error
        raise


def size_text(size: float) -> str:
    """A number of bytes as a person reads it."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 99.95 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _number(error: BaseException) -> int | None:
    """The system's number of what the disk refused."""
    number = _own_number(error)
    if number in (*_FULL, *_FORBIDDEN, *_OTHER, _PART):
        return number
    # What failed while something else was tried may have done no harm; that a disk is full always does.
    inner = error.__cause__ or error.__context__
    number = _number(inner) if inner else None
    return number if number in (*_FULL, _PART) else None


def _own_number(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if match := _NUMBER_OF_RUST.search(str(error)):
        return int(match[1])
    return _PART if _PART_WRITTEN.search(str(error)) else None


def _path(error: BaseException) -> Path | None:
    name = getattr(error, "filename", None)
    if name is None and (match := _PATH_OF_ARROW.search(str(error))):
        name = match[1]
    return Path(os.fsdecode(name)) if isinstance(name, str | bytes) else None


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _remedy(number: int, path: Path, written: int) -> str:
    elsewhere = "choose another place (--runs for the folder of runs)"
    if number in (*_FULL, _PART):
        more = f"more than {size_text(written)}, as much as was written before" if written else "some"
        help = f"{_free(path)}: free {more} (`ladle store prune` removes what no run uses), or {elsewhere}"
        return f"{help}; then run again"
    if number in _FORBIDDEN:
        return f"let it be read and written, or {elsewhere}; then run again"
    if number in (errno.ENOTDIR, errno.EEXIST):
        return elsewhere
    if number == errno.ENOENT:
        ours = STORE in path.parts
        return "run again: what is gone is worked out again" if ours else "is it the right name, and still there?"
    return "the disk may be failing: look at the system's log, then run again"


def _free(path: Path) -> str:
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    return f"{size_text(shutil.disk_usage(there).free)} are free there"
