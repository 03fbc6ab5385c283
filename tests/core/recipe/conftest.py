"""The warnings of a recipe, and a plugin whose components show their first rows."""

from __future__ import annotations

from typing import Any

import pytest

from ladle.recipe import load

LOOKS = """
import json
from itertools import islice
from typing import Annotated
from pydantic import Field
from ladle import (Cleaner, DataSource, FeatureExtractor, InputPath, Labeler, Makes, OptionError, Reads, Reject, Sample,
                   Technique, Trainer, Usual, hookimpl)


class Shown(DataSource):
    '''Rows of JSON lines, the first of which are shown.'''

    path: InputPath

    def peek(self):
        names = {str: "text", int: "integer", float: "number", bool: "boolean"}
        return {name: names.get(type(value), "any") for name, value in self.rows()[0].items()}

    def rows(self):
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def first_rows(self, count):
        return Sample(self.rows()[:count], len(self.rows()) <= count)


class Longer(Cleaner):
    '''Keep long texts.'''

    column: Annotated[str, Reads("text")] = "text"
    least: Annotated[int, Usual(1, 1000, why_high="few texts are so long")] = Field(default=1, alias="min")

    @property
    def is_light(self):
        return True

    def clean_row(self, row):
        size = len(row[self.column])
        return row if size >= self.least else Reject("min", f"it has {size} characters")


class Heavy(FeatureExtractor):
    '''Must not be tried.'''

    into: Annotated[str, Makes("integer")] = "n"

    def extract_row(self, row):
        raise AssertionError("tried")


class Halves(Labeler):
    '''Label a number by half.'''

    into: Annotated[str, Makes("text")] = "label"
    column: Annotated[str, Reads("number")] = "n"

    @property
    def is_light(self):
        return True

    def label_row(self, row):
        return row | {self.into: "low" if row[self.column] < 10 else "high"}


class Doubtful(Trainer):
    '''Tells what it sees.'''

    columns: Annotated[list[str], Reads()] = ["text"]
    target: str = "label"
    rates: Annotated[list[float], Usual(0.1, 10, "too little", "too much")] = []
    say: str = ""

    def columns_after(self, given):
        given.need(self.target, option="target")
        return super().columns_after(given)

    def doubts(self, sample):
        if self.say == "crash":
            raise ZeroDivisionError("by zero")
        if self.say == "raise":
            raise OptionError("this cannot be", option="say")
        if self.say == "rows":
            yield OptionError(f"{sample} have {sorted(sample.rows[0])}", option="say", help="look", code="seen")


class Choosy(Technique):
    '''Refuses a trainer, or fails at it.'''

    how: str

    def check_with(self, trainer):
        if self.how == "crash":
            raise ZeroDivisionError("by zero")
        if self.how == trainer.say:
            raise OptionError(f"it does not go with {trainer.say}", option="how", help="take another")


class Scale(Cleaner):
    '''Learn from rows.'''

    column: Annotated[str, Reads()] = "n"

    def fit(self, train):
        return {}

    def clean_row(self, row):
        return row


@hookimpl
def ladle_data_sources():
    return {"shown": Shown}

@hookimpl
def ladle_cleaners():
    return {"longer": Longer, "learn": Scale}

@hookimpl
def ladle_feature_extractors():
    return {"heavy": Heavy}

@hookimpl
def ladle_labelers():
    return {"halves": Halves}

@hookimpl
def ladle_trainers():
    return {"doubtful": Doubtful}

@hookimpl
def ladle_techniques():
    return {"choosy": Choosy}
"""


@pytest.fixture
def warnings(recipe, install):
    """The warnings of a right recipe, of whose data set `r` the first rows can be seen."""

    install("ladle-looks", LOOKS)

    def find(text: str, source: bool = True) -> list[Any]:
        start = '[data.r.source]\nuse = "shown"\npath = "rows.jsonl"\n' if source else ""
        return load(recipe(start + text, source=False))[1]

    return find


@pytest.fixture
def told(warnings):
    """The same as a person reads them, with a line end before them for the eye."""

    def render(text: str, source: bool = True) -> str:
        return "\n" + "".join(problem.render() + "\n" for problem in warnings(text, source))

    return render
