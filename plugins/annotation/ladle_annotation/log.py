"""The log of all that was said about rows by hand: an SQLite file to which events are only ever added.

    event   number, task (the column that gets the labels), kind, row, annotator, at, value, confidence, seconds,
            undoes, shown, window, token

What a row's label is now follows from its events (`ladle_annotation.labels`). An event is on the disk when `add` is
over: the journal is the old one of SQLite (no file stays beside it), with every step synchronised.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from ladle.errors import Problem, StageError

Kind = Literal["label", "final", "skip", "flag", "note", "undo", "same"]
"""What was said: a label (null: it is taken back); the label on which others settle (likewise); nothing yet; whether
the row is worth a second look; a note; that the event `undoes` never was; that this row is the one that is also called
`value`."""

_FORMAT = 1
_MARK = 0x6C61646C  # in the head of the file: it is one of these
_SCHEMA = """
CREATE TABLE event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    task TEXT NOT NULL, kind TEXT NOT NULL, row TEXT NOT NULL, annotator TEXT NOT NULL, at TEXT NOT NULL,
    value TEXT, confidence REAL, seconds REAL, undoes INTEGER REFERENCES event, shown TEXT, window TEXT,
    token TEXT UNIQUE
)
"""


class Event(NamedTuple):
    """Something that was said about a row."""

    kind: Kind
    row: str
    annotator: str
    value: Any = None
    """Any JSON value."""
    at: str = ""
    """When, in ISO 8601 and UTC; now, if it is left out."""
    confidence: float | None = None
    """How sure the annotator is, from 0 to 1; None where nothing was said of it."""
    seconds: float | None = None
    """For how long the row had been looked at."""
    undoes: int | None = None
    """The number of the event that an undo takes back."""
    shown: str | None = None
    """A digest of what was shown of the row."""
    window: str | None = None
    """Which of the annotator's windows said it."""
    token: str | None = None
    """Made up by who sent it, so that the same event sent twice is added once."""
    number: int = 0
    """Its place in the log, from 1; 0 while it is not in there."""


_FIELDS = Event._fields[:-1]


class LogError(StageError):
    """The file cannot be read or written as a log."""


def now() -> str:
    """This moment, as events have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def check_file(path: Path) -> None:
    """Raises LogError if there is a file of this name which is no log."""
    if path.exists():
        with closing(Log(path, "", create=False)):
            pass


def events_in(path: Path, task: str) -> list[Event]:
    """The events of a task in a file; none if there is no such file."""
    if not path.exists():
        return []
    with closing(Log(path, task, create=False)) as log:
        return log.since(0)


class Log:
    """The events of one task in a file, which comes into being if it shall. Raises LogError.

    It can be used by several threads, if only by one at a time, while other processes use the same file.
    """

    def __init__(self, path: Path, task: str, create: bool = True) -> None:
        self.path = path
        self.task = task
        with self._telling():
            # not read-only: what a process that was killed has left half done can only be undone by one that may write
            where = f"file:{quote(str(path.absolute()))}?mode={'rwc' if create else 'rw'}"
            self._file = sqlite3.connect(where, uri=True, isolation_level=None, check_same_thread=False, timeout=30)
            self._file.execute("PRAGMA synchronous = EXTRA")  # FULL, and the folder
            if create:
                self._begin()
            mark, version = (self._file.execute(f"PRAGMA {name}").fetchone()[0] for name in _HEAD)
        if mark != _MARK or version > _FORMAT:
            why = "it is of a newer ladle-annotation" if mark == _MARK else "it is a database of something else"
            raise self._error(why)

    def _begin(self) -> None:
        """Make the table in a file that is empty."""
        with self.transaction():
            if not self._file.execute("SELECT 1 FROM sqlite_master").fetchone():
                self._file.execute(_SCHEMA)
                for name, value in zip(_HEAD, (_MARK, _FORMAT), strict=True):
                    self._file.execute(f"PRAGMA {name} = {value}")

    def close(self) -> None:
        self._file.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Within it nobody else adds anything, and what is added is there as a whole, or not at all."""
        with self._telling():
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._file.execute("COMMIT")
            except BaseException:
                self._file.execute("ROLLBACK")
                raise

    def add(self, event: Event) -> Event:
        """Add an event, within a transaction; it comes back as it is in the log."""
        event = event._replace(at=event.at or now())
        values = {**event._asdict(), "value": json.dumps(event.value, ensure_ascii=False)}
        names, places = ", ".join(_FIELDS), ", ".join(f":{name}" for name in _FIELDS)
        done = self._file.execute(
            f"INSERT INTO event (task, {names}) VALUES (:task, {places})", values | {"task": self.task}
        )
        return event._replace(number=int(done.lastrowid or 0))

    def since(self, number: int) -> list[Event]:
        """The events of this task after the one of this number."""
        with self._telling():
            found = self._file.execute(
                f"SELECT {', '.join(_FIELDS)}, number FROM event WHERE task = ? AND number > ? ORDER BY number",
                (self.task, number),
            ).fetchall()
        events = (Event(*values) for values in found)
        return [event._replace(value=json.loads(str(event.value))) for event in events]

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Errors of the database are told with the name of its file."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._error(str(error)) from error

    def _error(self, why: str) -> LogError:
        help = "name another file with `file`, or bring back the one that was there"
        return LogError(Problem("labels", f"{self.path} cannot be used as a file of labels: {why}", help))


_HEAD = ("application_id", "user_version")
