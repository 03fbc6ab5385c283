"""Cleaners that read other data sets of the recipe beside their own."""

from __future__ import annotations

import json

import pytest

from ladle.errors import RecipeError
from ladle.graph import stages_of
from ladle.recipe import load
from ladle.store import Store
from ladle.tracing import trace

EXCEPT = """
from typing import Annotated
from ladle import Cleaner, Reject, hookimpl
from ladle.options import DataReference

class Except(Cleaner):
    "Drop rows whose text another data set has."

    than: Annotated[list[str], DataReference()]

    def check_beside(self, data):
        for columns in data.values():
            columns.need("text", "text", option="than")

    def clean_data(self, data):
        self._others = {row["text"] for rows in self.beside.values() for row in rows}
        return super().clean_data(data)

    def clean_row(self, row):
        return Reject("known", "another has it") if row["text"] in self._others else row

    _others: set = set()

@hookimpl
def ladle_cleaners():
    return {"except": Except}
"""

TABLES = """
[[data.r.clean]]
use = "except"
than = ["tests", "more"]

[data.tests.source]
use = "lines"
path = "tests.jsonl"

[[data.tests.clean]]
use = "drop"
word = "7"

[data.more.source]
use = "lines"
path = "more.jsonl"
"""


@pytest.fixture
def tables(folder, install):
    install("ladle-except", EXCEPT)
    (folder / "tests.jsonl").write_text("".join(json.dumps({"text": f"row {n}", "n": 0}) + "\n" for n in range(5, 9)))
    (folder / "more.jsonl").write_text('{"text": "row 30", "n": 0}\n{"text": "row 99", "n": 0}\n')
    return TABLES


def test_the_other_data_sets_are_there_as_they_are_in_the_end(tables, work):
    done = work(tables)
    kept = {row["n"] for row in done.rows("r.clean.1")}
    assert kept == set(range(40)) - {5, 6, 8, 30}
    assert {row["reason"] for row in done.table("r.clean.1", "rejects")} == {"another has it"}


def test_they_are_worked_out_before_and_are_part_of_the_key(tables, recipe, folder):
    def keys():
        found = stages_of(load(recipe(tables))[0], Store(folder / "store"))
        return {stage.name: stage.key for stage in found}

    before = keys()
    assert list(before).index("tests.clean.1") < list(before).index("r.clean.1")
    (folder / "more.jsonl").write_text('{"text": "row 31", "n": 0}\n')
    after = keys()
    assert {name for name in before if before[name] != after[name]} == {"more.source", "r.clean.1"}


def test_rows_of_the_others_do_not_pass(tables, work):
    done = work(tables)
    [other] = [row["_id"] for row in done.rows("more.source") if row["text"] == "row 30"]
    assert [step.stage for step in trace(done.run, other).steps] == ["more.source"]
    [dropped] = [row["_id"] for row in done.rows("r.source") if row["text"] == "row 30"]
    assert [step.stage for step in trace(done.run, dropped).steps] == ["r.source", "r.clean.1"]


def test_what_is_wrong_with_the_others_is_told(tables, recipe, folder):
    def problem(text):
        with pytest.raises(RecipeError) as caught:
            load(recipe(text))
        [found] = caught.value.problems
        return found

    unknown = problem(tables.replace('"more"]', '"moer"]'))
    assert (unknown.message, unknown.help) == ("no data set `moer`", "did you mean `more`?")
    circle = problem(tables.replace('"more"]', '"r"]'))
    assert circle.message == "data sets start from each other in a circle: `r` -> `r`"
    (folder / "more.jsonl").write_text('{"words": "row 30"}\n')
    lacking = problem(tables)
    assert (lacking.message, lacking.span.text) == ("no column `text` at this point", 'than = ["tests", "more"]')
