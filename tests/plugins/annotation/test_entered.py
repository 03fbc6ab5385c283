"""Rows that people enter: by the command, read by a recipe, and none of them lost."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ladle import Reject
from ladle.errors import StageError
from ladle.recipe import load
from ladle.runner import run
from ladle.runs import Runs
from ladle_annotation.entered import Entered, EntryError

COLUMNS = {"text": "text", "stars": "integer", "share": "number", "good": "boolean"}


@pytest.fixture
def entry(tmp_path):
    return Entered(path=tmp_path / "rows.jsonl", columns=COLUMNS)


def rows_of(entry):
    """Rows without who entered them and when, and the rules of the rejects."""
    rows, rules = [], []
    for item in entry.read():
        if isinstance(item, Reject):
            rules.append(item.rule)
        else:
            rows += [{name: row[name] for name in COLUMNS} for row in item.to_pylist()]
    return rows, rules


def test_what_is_entered_is_read_with_who_and_when(entry):
    entry.add({"text": "Zoë\n\u202e", "stars": 3, "share": 1, "good": True}, "ann")
    entry.add({"text": "second"}, "ben")
    (batch,) = entry.read()
    first, second = batch.to_pylist()
    assert {name: first[name] for name in COLUMNS} == {"text": "Zoë\n\u202e", "stars": 3, "share": 1.0, "good": True}
    assert (first["entered_by"], second["entered_by"]) == ("ann", "ben")
    assert isinstance(first["entered_at"], datetime)
    at = entry.path.read_bytes().index(b"\n") + 1
    assert second["_origin"] == {"file": str(entry.path), "line": 2, "offset": at}
    assert dict(entry.peek()) == COLUMNS | {"entered_by": "text", "entered_at": "time", "entered_id": "text"}
    assert entry.first_rows(1).rows[0]["text"] == "Zoë\n\u202e"


def test_a_row_keeps_its_id_when_somebody_mends_it(entry):
    entry.add({"text": "teh film"}, "ann")
    entry.add({"text": "teh film"}, "ann")

    def ids():
        (batch,) = entry.read()
        return batch["entered_id"].to_pylist()

    before = ids()
    entry.path.write_text(entry.path.read_text().replace("teh", "the") + '{"text": "typed"}\n')
    assert ids()[:2] == before
    assert len(set(ids())) == 3
    assert list(entry.identified_by()) == ["entered_id"]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "text": st.text(st.characters(exclude_categories=["Cs"])),
                "stars": st.integers(-(2**63), 2**63 - 1),
                "share": st.floats(allow_nan=False, allow_infinity=False),
                "good": st.booleans(),
            },
        ).filter(bool),
        min_size=1,
        max_size=5,
    )
)
def test_any_rows_come_back_as_they_were(tmp_path_factory, rows):
    entry = Entered(path=tmp_path_factory.mktemp("entered") / "rows.jsonl", columns=COLUMNS)
    for row in rows:
        entry.add(row, "ann")
    assert rows_of(entry) == ([{name: row.get(name) for name in COLUMNS} for row in rows], [])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"txt": "x"}, "there is no column `txt`; did you mean `text`?"),
        ({"stars": 2.5}, "stars: 2.5 is no integer"),
        ({"stars": True}, "stars: True is no integer"),
        ({"stars": 2**63}, "is no integer"),
        ({"share": float("inf")}, "share: inf is no number"),
        ({"text": 3}, "text: 3 is no text"),
        ({"text": "\ud800"}, "text: it holds half a character"),
        ({}, "there is nothing in it"),
        ({"text": None}, "there is nothing in it"),
    ],
)
def test_a_row_that_does_not_fit_is_not_entered(entry, values, message):
    with pytest.raises(EntryError) as caught:
        entry.add(values, "ann")
    assert message in str(caught.value)
    assert not entry.path.exists()


def test_lines_that_are_no_rows_go_to_the_rejects(entry):
    entry.add({"text": "first"}, "ann")
    with entry.path.open("ab") as file:
        file.write(b'{"text": "torn')  # a power cut
    entry.add({"text": "second"}, "ann")
    with entry.path.open("ab") as file:
        file.write(b'[]\n\n{"text": 3}\n{"other": 1}\n\xff\n{"text": "x", "entered_at": "soon"}\n')
        file.write(b'{"text": "x", "entered_by": 3}\n{}\n{"text": "by hand"}\n')
    rows, rules = rows_of(entry)
    assert [row["text"] for row in rows] == ["first", "second", "by hand"]
    assert rules == [
        "invalid-json",
        "not-an-object",
        "wrong-type",
        "unknown-key",
        "undecodable",
        "wrong-type",
        "wrong-type",
        "empty",
    ]


def test_several_processes_enter_rows_at_once(entry):
    code = """
import sys
from pathlib import Path
from ladle_annotation.entered import Entered
entry = Entered(path=Path(sys.argv[1]), columns={"text": "text"})
for number in range(30):
    entry.add({"text": f"{sys.argv[2]} {number} " + "x" * 5000}, sys.argv[2])
"""
    command = [sys.executable, "-c", code, str(entry.path)]
    assert [p.wait() for p in [subprocess.Popen([*command, who]) for who in ("ann", "ben")]] == [0, 0]
    rows, rules = rows_of(entry)
    assert (len(rows), rules) == (60, [])


@pytest.mark.parametrize("columns", [{}, {"_id": "text"}, {"entered_by": "text"}, {" ": "text"}, {"text": "list"}])
def test_columns_that_cannot_be_are_told(columns):
    with pytest.raises(ValidationError):
        Entered(columns=columns)


RECIPE = """
[data.reviews.source]
use = "entered"
columns = { text = "text", stars = "integer", good = "boolean" }

[[data.reviews.write]]
use = "jsonl"
path = "out.jsonl"
"""


@pytest.fixture
def recipe(project):
    made = project([])
    made.recipe.write_text(RECIPE)
    return made


def test_a_recipe_reads_what_the_command_enters(recipe, monkeypatch):
    assert recipe.ladle("check", "reviews.toml").returncode == 0
    nothing = recipe.ladle("run", "reviews.toml")
    assert nothing.returncode == 1
    assert "nobody has entered a row yet" in nothing.stderr
    assert "ladle data add RECIPE text=… stars=… good=…" in nothing.stderr
    done = recipe.ladle("data", "add", "reviews.toml", "text=a = b", "stars=4", "good=yes", "--annotator", "ann")
    assert done.stdout == f"1 row entered into {recipe.folder / 'reviews.entered.jsonl'}\n"
    assert recipe.ladle("run", "reviews.toml").returncode == 0
    row = json.loads((recipe.folder / "out.jsonl").read_text())
    assert (row["text"], row["stars"], row["good"], row["entered_by"]) == ("a = b", 4, True, "ann")

    monkeypatch.chdir(recipe.folder)
    runs = Runs(Path("runs"))
    recipe.ladle("data", "add", "reviews.toml", "text=a = b", "stars=4", "good=yes", "--annotator", "ann")
    again = run(load(Path("reviews.toml"))[0], runs)
    assert again.outcome["stages"][0]["rows_out"] == 2  # alike, but entered at other times: two rows


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stars=many"], "error: stars: 'many' is no integer"),
        (["txt=x"], "there is no column `txt`; did you mean `text`?"),
        (["text"], "`text` is no COLUMN=VALUE"),
        (["text=x", "--data", "review"], "no data set `review` has rows that are entered"),
        ([], "give the row as COLUMN=VALUE"),
    ],
)
def test_what_cannot_be_entered_is_told(recipe, arguments, message):
    done = recipe.ladle("data", "add", "reviews.toml", *arguments, stdin="")
    assert done.returncode == 2
    assert message in done.stderr


def test_a_recipe_without_such_a_source_is_told(project):
    done = project([{"text": "x"}]).ladle("data", "add", "reviews.toml", "text=x")
    assert done.returncode == 2
    assert "no data set of the recipe has rows that are entered" in done.stderr
    assert 'use = "entered"' in done.stderr


def test_rows_go_into_a_plain_file_too_with_the_types_that_it_has(project):
    made = project([{"text": "x", "stars": 1, "share": 1}, {"share": 0.5}])
    assert made.ladle("data", "add", "rows.jsonl", "text=5", "stars=5", "share=2", "new=1").returncode == 0
    row = json.loads((made.folder / "rows.jsonl").read_text().splitlines()[-1])
    assert {name: row[name] for name in ("text", "stars", "share", "new")} == {
        "text": "5",
        "stars": 5,
        "share": 2.0,
        "new": "1",
    }
    assert "stars: 'x' is no integer" in made.ladle("data", "add", "rows.jsonl", "stars=x").stderr
    assert made.ladle("data", "add", "fresh.jsonl", "text=hello").returncode == 0


def test_a_source_without_a_row_that_can_be_read_stops_the_run(recipe, monkeypatch):
    monkeypatch.chdir(recipe.folder)
    Path("reviews.entered.jsonl").write_text("[]\n")
    with pytest.raises(StageError, match="no row is left"):
        run(load(Path("reviews.toml"))[0], Runs(Path("runs")))
