"""Filling in missing values, and dropping rows that lack one."""

from __future__ import annotations

import math
from datetime import datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import Columns, OptionError
from ladle_cleaning.gaps import FillMissing


def missing(**options) -> FillMissing:
    return FillMissing.model_validate(options)


def test_rows_with_gaps_are_dropped_and_the_gaps_named(rows, clean):
    data = rows({"age": [1, None, None, 4], "city": ["Rome", "Oslo", None, " ? "], "note": [None] * 4})
    done = clean(missing(strategy="drop", columns=["age", "city"], markers=["?"]), data)
    assert list(done.kept) == ["r0"]
    assert {id_: reject.reason for id_, reject in done.rejects.items()} == {
        "r1": "no value in `age`",
        "r2": "no value in `age`, `city`",
        "r3": "no value in `city`",
    }
    assert {reject.rule for reject in done.rejects.values()} == {"missing"}


def test_dropping_looks_at_all_columns_and_changes_none():
    given_columns = Columns({"age": "integer", "vector": "vector"})
    cleaner = missing(strategy="drop")
    cleaner.columns_after(given_columns)
    assert (given_columns.read, given_columns.written) == ({"age", "vector"}, set())
    assert not cleaner.learns


def test_what_is_not_a_number_is_missing(rows, clean):
    done = clean(missing(strategy="median", columns=["x"]), rows({"x": [1.0, math.nan, None, 3.0]}))
    assert done.values("x") == [1.0, 2.0, 2.0, 3.0]


def test_the_median_is_that_of_the_train_split(rows, clean):
    data = rows({"x": [1.0, 2.0, None, 900.0, None]}, splits=["train", "train", "train", "test", "test"])
    assert clean(missing(strategy="median", columns=["x"]), data).values("x") == [1.0, 2.0, 1.5, 900.0, 1.5]


def test_whole_numbers_stay_whole(rows, clean):
    data = rows({"x": [1, 2, 3, 9, None], "yes": [True, True, True, False, None], "text": ["a", None, "", "b", "c"]})
    done = clean(missing(strategy="median"), data)
    assert done.values("x") == [1, 2, 3, 9, 2]
    assert done.values("yes")[-1] is None  # without `columns`, a median is for numbers alone
    assert done.values("text")[1] is None
    assert clean(missing(strategy="median", columns=["yes"]), data).values("yes")[-1] is True


def test_the_most_frequent_value_fills_columns_of_every_kind(rows, clean):
    early, late = datetime(2020, 1, 1), datetime(2021, 1, 1, 12, 30, 0, 5)
    data = rows(
        {
            "city": ["Rome", "Oslo", "Oslo", "Rome", "?", None],
            "age": [3, 3, 1, 2, None, None],
            "share": [0.1, 0.1, None, 0.5, 0.25, 0.25],
            "yes": [False, None, False, True, None, None],
            "when": [early, late, None, late, None, None],
            "vector": [[1.0], None, None, None, None, None],
        },
        {"vector": "vector"},
    )
    done = clean(missing(strategy="most-frequent", markers=["?"]), data)
    assert done.values("city") == ["Rome", "Oslo", "Oslo", "Rome", "Rome", "Rome"]  # of two equals the first
    assert done.values("age") == [3, 3, 1, 2, 3, 3]
    assert done.values("share") == [0.1, 0.1, 0.1, 0.5, 0.25, 0.25]
    assert done.values("yes") == [False, False, False, True, False, False]
    assert done.values("when") == [early, late, late, late, late, late]
    assert done.values("vector")[1] is None


@pytest.mark.parametrize(
    ("value", "values", "type_", "filled"),
    [
        ("none", ["a", None], "text", "none"),
        (0, [1, None], "integer", 0),
        (0, [1.5, None], "number", 0.0),
        (False, [True, None], "boolean", False),
        (datetime(2020, 1, 1), [datetime(2021, 1, 1), None], "time", datetime(2020, 1, 1)),
        (datetime(2020, 1, 1).date(), [datetime(2021, 1, 1), None], "time", datetime(2020, 1, 1)),
    ],
)
def test_a_constant_fills_columns_of_its_type(rows, clean, value, values, type_, filled):
    data = rows({"x": values, "vector": [None, [1.0]]}, {"x": type_, "vector": "vector"})
    assert clean(missing(strategy="constant", value=value), data).values("x") == [values[0], filled]


def test_a_column_without_any_value_takes_the_type_of_the_constant(rows):
    cleaner = missing(strategy="constant", value="none", columns=["x"])
    (batch,) = cleaner.work(rows({"x": pa.nulls(2)}))
    assert batch["x"].to_pylist() == ["none", "none"]


def test_columns_that_training_did_not_see_are_left_alone(rows):
    data = rows({"age": [None, 2], "height": [None, 3.5]})
    (batch,) = missing(strategy="median").with_state({"age": 7}).work(data)
    assert batch.to_pydict() == {"_id": ["r0", "r1"], "age": [7, 2], "height": [None, 3.5]}


def test_a_column_without_a_value_to_learn_from_is_an_error(rows):
    data = rows({"x": [None, 1.0]}, splits=["train", "test"])
    with pytest.raises(OptionError, match="column `x` has no value in the train split, so it has no median value"):
        missing(strategy="median").fit(data.of_split("train"))


def test_the_median_refuses_other_columns_than_numbers():
    with pytest.raises(OptionError, match="column `city` holds text, expected integer or number") as caught:
        missing(strategy="median", columns=["city"]).columns_after(Columns({"city": "text"}))
    assert caught.value.option == "columns"


@pytest.mark.parametrize(
    ("value", "type_", "shown"),
    [
        (3, "text", "3"),
        ("x" * 80, "integer", '"' + "x" * 59 + '…"'),
        (2.5, "integer", "2.5"),
        (True, "number", "true"),
        ("2020-01-01", "time", '"2020-01-01"'),
    ],
)
def test_a_constant_of_another_type_is_refused(value, type_, shown):
    with pytest.raises(OptionError) as caught:
        missing(strategy="constant", value=value, columns=["x"]).columns_after(Columns({"x": type_}))
    assert str(caught.value) == f"column `x` holds {type_}, which {shown} is not"
    assert caught.value.option == "value"


def test_a_value_belongs_to_the_constant_alone(refused):
    assert str(refused(FillMissing, strategy="constant")) == 'strategy "constant" needs a `value`'
    error = refused(FillMissing, strategy="median", value=3)
    assert (str(error), error.option) == ('strategy "median" takes no `value`', "value")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1).filter(any))
def test_the_median_is_the_middle_of_the_sorted_values(rows, values):
    present = sorted(value for value in values if value is not None)
    learnt = missing(strategy="median").fit(rows({"x": values}, {"x": "integer"}))
    assert learnt == {"x": present[(len(present) - 1) // 2]}
