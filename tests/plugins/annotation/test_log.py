"""The log: what is said is kept, in any order of labels, undoing and passing over, by several people and processes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle_annotation.labels import Labels
from ladle_annotation.log import Event, Log, LogError, events_in

ROWS, PEOPLE = ("a", "b", "c"), ("ann", "ben")


def steps() -> st.SearchStrategy[list[tuple[str, str, str, Any]]]:
    values = {
        "label": st.sampled_from(["good", "bad", None]),
        "final": st.sampled_from(["good", "bad", None]),
        "skip": st.none(),
        "flag": st.booleans(),
        "note": st.sampled_from(["", "odd"]),
        "undo": st.none(),
        "same": st.sampled_from(ROWS),
    }
    kinds = st.sampled_from([*values, "label", "label", "undo"])
    step = kinds.flatmap(
        lambda kind: st.tuples(st.just(kind), st.sampled_from(ROWS), st.sampled_from(PEOPLE), values[kind])
    )
    return st.lists(step, max_size=25)


class Simple:
    """The same, as simple as can be: all that was said is gone through again, whenever anything is asked."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, str, Any]] = []
        self.groups = [{row} for row in ROWS]

    def do(self, kind: str, row: str, who: str, value: Any) -> None:
        if kind == "same":
            joined = self.group(row) | self.group(value)
            self.groups = [joined, *(group for group in self.groups if not group & joined)]
        elif kind == "undo":
            own = [at for at, (*_, other, _) in enumerate(self.said) if other == who]
            if own:
                del self.said[own[-1]]
        else:
            self.said.append((kind, row, who, value))

    def group(self, row: str) -> set[str]:
        return next(group for group in self.groups if row in group)

    def state(self, row: str) -> dict[str, Any]:
        said = [(kind, who, value) for kind, other, who, value in self.said if other in self.group(row)]

        def last(kind: str, who: str | None) -> Any:
            return next((v for k, w, v in reversed(said) if k == kind and who in (None, w)), None)

        def is_skipped(who: str) -> bool:
            return next((k for k, w, _ in reversed(said) if w == who and k in ("label", "skip")), "") == "skip"

        return {
            "answers": {who: last("label", who) for who in PEOPLE if last("label", who) is not None},
            "final": last("final", None),
            "skipped": {who for who in PEOPLE if is_skipped(who)},
            "flagged": {who for who in PEOPLE if last("flag", who)},
            "notes": {who: last("note", who) for who in PEOPLE if last("note", who)},
        }


def as_state(labels: Labels, row: str) -> dict[str, Any]:
    found = labels[row]
    return {
        "answers": {who: event.value for who, event in found.answers.items()},
        "final": found.final and found.final.value,
        "skipped": found.skipped,
        "flagged": found.flagged,
        "notes": found.notes,
    }


@settings(deadline=None, max_examples=80)
@given(steps())
def test_what_holds_is_what_was_said_and_not_undone(done):
    simple, labels = Simple(), Labels()
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder) / "labels.sqlite", "task")
        log._file.execute("PRAGMA synchronous = OFF")  # what is tried here is not the disk
        for kind, row, who, value in done:
            undone = labels.last_of(who) if kind == "undo" else None
            if kind == "undo" and undone is None:
                continue
            with log.transaction():
                added = log.add(Event(kind, row, who, value, undoes=undone and undone.number))
            labels.add(added)
            simple.do(kind, row, who, value)
            assert [as_state(labels, name) for name in ROWS] == [simple.state(name) for name in ROWS]
        log.close()
        again = Labels(events_in(Path(folder) / "labels.sqlite", "task"))
    assert [as_state(again, name) for name in ROWS] == [simple.state(name) for name in ROWS]


def test_events_come_back_as_they_were(tmp_path):
    path = tmp_path / "labels.sqlite"
    value = [{"start": 0, "end": 3, "label": "PER", "text": "Zoë\u202e"}]
    event = Event("label", "r1", "Ann B.", value, "2026-01-02T03:04:05Z", 0.5, 1.5, None, "d", "w", "t")
    log = Log(path, "tags")
    with log.transaction():
        assert log.add(event).number == 1
    log.close()
    assert events_in(path, "tags") == [event._replace(number=1)]
    assert events_in(path, "other task") == []
    assert events_in(tmp_path / "none.sqlite", "tags") == []


def test_what_is_added_within_a_transaction_that_fails_was_never_said(tmp_path):
    log = Log(tmp_path / "labels.sqlite", "task")

    def fail() -> None:
        with log.transaction():
            log.add(Event("label", "r1", "ann", "good"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert log.since(0) == []
    log.close()


def test_no_file_stays_beside_the_labels(tmp_path):
    log = Log(tmp_path / "labels.sqlite", "task")
    with log.transaction():
        log.add(Event("label", "r1", "ann", "good"))
    assert [path.name for path in tmp_path.iterdir()] == ["labels.sqlite"]
    assert log._file.execute("PRAGMA synchronous").fetchone() == (3,)  # EXTRA: FULL, and the folder
    log.close()


def test_a_file_that_is_something_else_is_left_alone(tmp_path):
    text, database, empty = (tmp_path / name for name in ("text", "database", "empty"))
    text.write_text("label,row\n" * 50)
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE event (number)")
    connection.close()
    empty.touch()
    for path, why in ((text, "not a database"), (database, "a database of something else")):
        before = path.read_bytes()
        for create in (True, False):
            with pytest.raises(LogError, match=why):
                Log(path, "task", create)
        assert path.read_bytes() == before
    Log(empty, "task").close()
    assert events_in(empty, "task") == []


def test_a_file_of_a_newer_version_is_told(tmp_path):
    path = tmp_path / "labels.sqlite"
    Log(path, "task").close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(LogError, match=r"labels.sqlite cannot be used .*: it is of a newer ladle-annotation"):
        events_in(path, "task")


def test_several_processes_add_to_one_file(tmp_path):
    path = tmp_path / "labels.sqlite"
    code = """
import sys
from pathlib import Path
from ladle_annotation.log import Event, Log
log = Log(Path(sys.argv[1]), "task")
for number in range(20):
    with log.transaction():
        log.add(Event("label", f"r{number}", sys.argv[2], number))
"""
    running = [subprocess.Popen([sys.executable, "-c", code, str(path), who]) for who in ("ann", "ben", "eve")]
    assert [process.wait() for process in running] == [0, 0, 0]
    events = events_in(path, "task")
    assert [event.number for event in events] == list(range(1, 61))
    for who in ("ann", "ben", "eve"):
        assert [event.value for event in events if event.annotator == who] == list(range(20))
