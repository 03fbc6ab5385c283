"""What differs between JSON values, and between two runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.differences import Change, changes, compare

SCALARS = st.booleans() | st.integers() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": 1}, {"a": 2}, ["a changed: 1 -> 2"]),
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, ["a.b changed: x -> y"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a changed: [1, 2] -> [1]"]),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}, {"b": 3}]}, ["a.1.b changed: 2 -> 3"]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1}, {"b": 2}]}, ['a.1 is new: {"b": 2}']),
        ({"a": None}, {"a": True}, ["a is new: true"]),
        ({"a": 1}, {}, ["a is gone: 1"]),
        ({"a": 1}, {"a": {"b": 1}}, ['a changed: 1 -> {"b": 1}']),
    ],
)
def test_changes_read_as_sentences(before, after, told):
    assert [str(change) for change in changes(before, after)] == told


@given(VALUES, VALUES)
def test_what_is_told_is_all_that_differs(before: Any, after: Any):
    found = list(changes(before, after))
    assert bool(found) == (before != after)
    assert all(change.before != change.after for change in found)
    assert [(change.after, change.before) for change in changes(after, before)] == [
        (change.before, change.after) for change in found
    ] or sorted(change.name for change in changes(after, before)) == sorted(change.name for change in found)


TRAIN = '[data.r.split]\ntest = 0.5\n[[train]]\nuse = "guess"\ndata = "r"\nbatch_size = {size}\n'


def test_two_runs(work, folder):
    one = work(TRAIN.format(size=4)).run
    with (folder / "rows.jsonl").open("a") as file:
        file.write('{"text": "one more", "n": 7000}\n')
    other = work(TRAIN.format(size=8)).run
    found = compare(one, other)
    assert found["stages"] == []
    assert found["versions"] == []
    assert found["options"] == [Change("guess.batch_size", 4, 8)]
    by_name = {change.name: change for change in found["data"]}
    assert by_name["r.source.rows"][1:] == (40, 41)
    assert by_name["r.source.content"].before != by_name["r.source.content"].after
    assert all(change.name.startswith("guess.") for change in found["metrics"])


def test_a_run_is_no_different_from_itself(work):
    run = work(TRAIN.format(size=4)).run
    assert compare(run, run) == {about: [] for about in ("stages", "options", "versions", "data", "metrics")}


def test_the_command(ladle, work):
    work('[[data.r.clean]]\nuse = "drop"\nword = "ROW 1"\n')
    work('[[data.r.clean]]\nuse = "drop"\nword = "ROW 2"\n[[data.r.clean]]\nuse = "shout"\n')
    told = ladle("diff", "recipe-1", "recipe-2")
    assert told.code == 0
    assert told.out == (
        "recipe-1 -> recipe-2\n"
        "\nstages\n"
        "  r.clean.2                              (none) -> shout\n"
        "\noptions\n"
        "  r.clean.1.word                         ROW 1 -> ROW 2\n"
        "\nversions: the same\n"
        "\ndata: the same\n"
        "\nmetrics: the same\n"
    )
    assert ladle("diff", "recipe-1", "recipe-2", "--json").json["options"][0] == {
        "name": "r.clean.1.word",
        "before": "ROW 1",
        "after": "ROW 2",
    }
    assert "no run `recipe-3`" in ladle("diff", "recipe-1", "recipe-3").err
