"""Dropping rows by what one column holds."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from ladle import Columns, OptionError
from ladle_cleaning.conditions import Filter


def filtered(**options) -> Filter:
    return Filter.model_validate(options)


def reasons(done) -> dict[str, tuple[str, str]]:
    return {id_: (reject.rule, reject.reason) for id_, reject in done.rejects.items()}


def test_numbers_have_to_be_within_bounds(rows, clean):
    data = rows({"age": [17, 18, 65, 66, None], "score": [0.5, 1234567.5, math.nan, None, 0.25]})
    assert reasons(clean(filtered(column="age", min=18, max=65), data)) == {
        "r0": ("min", "`age` is 17, less than min = 18"),
        "r3": ("max", "`age` is 66, more than max = 65"),
        "r4": ("missing", "no value in `age`"),
    }
    assert reasons(clean(filtered(column="score", max=1.5), data)) == {
        "r1": ("max", "`score` is 1234567.5, more than max = 1.5"),
        "r2": ("missing", "no value in `score`"),
        "r3": ("missing", "no value in `score`"),
    }
    assert list(clean(filtered(column="score", min=0.3, max=1.5, missing="keep"), data).kept) == ["r0", "r2", "r3"]


def test_texts_and_lists_have_a_length(rows, clean):
    data = rows({"text": ["", "äöü", "four"], "words": [["a"], [], ["a", "b"]]})
    assert reasons(clean(filtered(column="text", min=1, max=3, length=True), data)) == {
        "r0": ("min", "the length of `text` is 0, less than min = 1"),
        "r2": ("max", "the length of `text` is 4, more than max = 3"),
    }
    assert list(clean(filtered(column="words", max=1, length=True), data).kept) == ["r0", "r1"]


def test_texts_have_to_match(rows, clean):
    done = clean(filtered(column="text", matches=r"(?i)\bgood\b"), rows({"text": ["Good!", "goods", None]}))
    assert reasons(done) == {
        "r1": ("matches", r'`text` is "goods", which "(?i)\bgood\b" does not match'),
        "r2": ("missing", "no value in `text`"),
    }


@pytest.mark.parametrize(
    ("values", "listed"),
    [(["en", "de", "fr"], ["en", "fr"]), ([1, 2, 3], [1, 3]), ([0.5, 1.0, 2.0], [0.5, 2])],
)
def test_values_are_among_those_listed_or_not(rows, clean, values, listed):
    data = rows({"x": values})
    assert list(clean(filtered(**{"column": "x", "is": listed}), data).rejects) == ["r1"]
    assert list(clean(filtered(column="x", is_not=listed), data).kept) == ["r1"]


def test_reasons_show_the_value(rows, clean):
    data = rows({"lang": ["en", "de"], "yes": [True, False]})
    done = clean(filtered(**{"column": "lang", "is": ["en"]}), data)
    assert done.rejects["r1"].reason == '`lang` is "de", which is not among the values that stay'
    done = clean(filtered(column="yes", is_not=[False]), data)
    assert done.rejects["r1"].reason == "`yes` is false, which is among the values that go"


def test_the_first_condition_that_fails_is_told(rows, clean):
    done = clean(filtered(column="text", length=True, min=2, matches="b"), rows({"text": ["a", "aa", "bb"]}))
    assert [reject.rule for reject in done.rejects.values()] == ["min", "matches"]


def test_a_column_without_any_value_fulfils_no_condition(rows):
    data = rows({"x": pa.nulls(2)})
    (done,) = filtered(column="x", min=1).work(data)
    assert list(done.rejects) == [0, 1]
    (done,) = filtered(column="x", min=1, missing="keep").work(data)
    assert not done.rejects


def test_nothing_is_written():
    given = Columns({"age": "integer", "text": "text"})
    filtered(column="age", min=1).columns_after(given)
    assert (given.read, given.written) == ({"age"}, set())


@pytest.mark.parametrize(
    ("options", "type_", "message"),
    [
        ({"min": 1}, "text", "column `x` holds text, expected number"),
        ({"min": 1, "length": True}, "integer", "column `x` holds integer, expected text or list or vector"),
        ({"matches": "a"}, "integer", "column `x` holds integer, expected text"),
        ({"is": ["1"]}, "integer", 'column `x` holds integer, which "1" is not'),
        ({"is_not": [1.5]}, "integer", "column `x` holds integer, which 1.5 is not"),
    ],
)
def test_conditions_have_to_fit_the_column(options, type_, message):
    with pytest.raises(OptionError) as caught:
        filtered(column="x", **options).columns_after(Columns({"x": type_}))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "a filter needs a condition"),
        ({"min": 3, "max": 1.5}, "no number is at least 3 and at most 1.5"),
        ({"matches": "a", "length": True}, "`length` says what `min` and `max` mean, and there is neither"),
        ({"matches": "("}, '"(" is no regular expression: missing ), unterminated subpattern at position 0'),
    ],
)
def test_conditions_that_cannot_be_are_refused(refused, options, message):
    assert str(refused(Filter, column="x", **options)) == message
