"""Labelling in a terminal: keys in a real one, lines where there is none."""

from __future__ import annotations

import os
import select
import subprocess
import sys

import pytest

from ladle_annotation.labels import Labels
from ladle_annotation.log import events_in

ROWS = [{"text": "one"}, {"text": "two \x1b]0;owned\x07\u202e"}, {"text": "three"}]


def labels_of(project):
    labels = Labels(events_in(project.labels, "sentiment"))
    return [event.value for row in labels for event in labels[row].answers.values()]


@pytest.mark.skipif(os.name != "posix", reason="needs the terminals of POSIX")
def test_keys_label_at_once_in_a_real_terminal(project):
    import pty

    made = project(ROWS, 'labels = ["negative", "positive"]\norder = "given"\ninstructions = "Be fair."')
    own, theirs = pty.openpty()
    command = [sys.executable, "-c", "from ladle.cli import main; main()", "label", "reviews.toml", "--terminal"]
    process = subprocess.Popen(command, cwd=made.folder, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    seen = b""

    def wait(text: bytes) -> None:
        nonlocal seen
        while text not in seen:
            assert select.select([own], [], [], 30)[0], seen
            seen += os.read(own, 4096)

    wait(b"row 1")
    assert b"Be fair." in seen
    for key, answer in (
        (b"2", b"row 2"),
        (b"\x7f", b"undone"),
        (b"1", b"  negative"),
        (b"u", b"not sure"),
        (b"2", b"row 3"),
        (b"s", b"skipped"),
        (b"\x1b", b"2 of 3 rows have a label"),
    ):
        os.write(own, key)
        wait(answer)
    assert process.wait(20) == 0
    os.close(own)
    assert b"\x1b]0;owned" not in seen
    assert b"\\x1b]0;owned\\x07\\u202e" in seen
    events = events_in(made.labels, "sentiment")
    assert [(event.kind, event.value) for event in events] == [
        ("label", "positive"),
        ("undo", None),
        ("label", "negative"),
        ("label", "positive"),
        ("skip", None),
    ]
    assert events[3].confidence == 0.5
    assert labels_of(made) == ["negative", "positive"]


@pytest.mark.parametrize(
    ("options", "typed", "labels"),
    [
        ('labels = ["a", "b", "c"]\nmultiple = true', "12\n\n3x1\n", [["a", "b"], [], ["a", "c"]]),
        ("number = { from = 0, to = 5 }", "3?0", [3, 0]),
        ("number = { from = 0, to = 100 }", "x\n101\n42\n:skip\n:end\n", [42]),
        ("text = true", "a fine film\n\n:note\nodd\nsecond\n:undo\nother\n:end\n", ["a fine film", "other"]),
    ],
)
def test_all_but_spans_can_be_asked_for_in_lines(project, options, typed, labels):
    made = project(ROWS, f'{options}\norder = "given"')
    done = made.ladle("label", "reviews.toml", "--terminal", "--annotator", "ann", stdin=typed)
    assert done.returncode == 0, done.stderr
    assert labels_of(made) == labels
    assert f"{len(labels)} of 3 rows have a label" in done.stdout


def test_what_is_no_answer_is_told(project):
    made = project(ROWS, 'number = { from = 0, to = 100 }\norder = "given"')
    said = made.ladle("label", "reviews.toml", "--terminal", stdin="many\n101\n:undo\n:end\n").stdout
    assert "'many' is no number" in said
    assert "101.0 is no number from 0 to 100" in said
    assert "there is nothing to undo in this window" in said


def test_of_a_pair_the_first_key_is_for_what_stands_first(project):
    rows = [{"one": f"left {number}", "two": f"right {number}"} for number in range(8)]
    made = project(rows, 'pair = ["one", "two"]\norder = "given"')
    done = made.ladle("label", "reviews.toml", "--terminal", "--annotator", "ann", stdin="1" * 8)
    lines = done.stdout.splitlines()
    first = [lines[at + 1].partition(":")[0] for at, line in enumerate(lines) if "needed] row" in line]
    assert labels_of(made) == first
    assert set(first) == {"one", "two"}


def test_spans_need_the_page(project):
    done = project(ROWS, 'spans = ["PER"]').ladle("label", "reviews.toml", "--terminal", stdin="")
    assert done.returncode == 2
    assert "spans can only be marked on the page" in done.stderr
