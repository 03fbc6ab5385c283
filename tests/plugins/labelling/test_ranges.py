from __future__ import annotations

import itertools
import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ladle import Columns, OptionError
from ladle_labelling.ranges import Ranges


def ranges(*given_ranges: dict, **options) -> Ranges:
    return Ranges.model_validate({"column": "n", "ranges": list(given_ranges), **options})


CHILD, GROWN, OLD = (
    {"label": "child", "below": 18},
    {"label": "grown", "at_least": 18, "at_most": 65},
    {"label": "old", "above": 65},
)


def test_a_number_gets_the_label_of_its_range_borders_included_as_told(label):
    numbers = [-1.0, 17.999, 18.0, 65.0, 65.001, None, math.nan, math.inf, -math.inf]
    found = label(ranges(OLD, CHILD, GROWN), n=numbers)
    assert found == ["child", "child", "grown", "grown", "old", None, None, "old", "child"]


def test_a_number_in_no_range_has_no_label(label):
    assert label(ranges({"label": "bad", "below": 0}, {"label": "good", "above": 0}), n=[-2, 0, 3]) == [
        "bad",
        None,
        "good",
    ]


@pytest.mark.parametrize("type_", [pa.int8(), pa.uint64(), pa.float32(), pa.bool_(), pa.decimal128(22, 2)])
def test_numbers_of_every_type_are_read(label, type_):
    labeler = ranges({"label": "low", "at_most": 0.5}, {"label": "high", "above": 0.5})
    assert label(labeler, n=pa.array([0, 1, None]).cast(type_)) == ["low", "high", None]


def test_a_column_without_any_number_gives_no_label(label):
    assert label(ranges(CHILD, OLD), n=pa.nulls(2)) == [None, None]
    assert label(ranges(CHILD, OLD), n=pa.array([], pa.int64())) == []


def test_labels_that_are_there_stay_unless_they_are_overwritten(label):
    columns = {"n": [1, 70], "age": ["mine", None]}
    assert label(ranges(CHILD, OLD, into="age"), **columns) == ["mine", "old"]
    assert label(ranges(CHILD, OLD, into="age", overwrite=True), **columns) == ["child", "old"]


@given(
    borders=st.lists(st.integers(-50, 50), min_size=1, max_size=6, unique=True).map(sorted),
    numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20),
)
def test_adjoining_ranges_leave_no_gap(borders, numbers):
    pieces = [{"label": "first", "below": borders[0]}]
    pieces += [{"label": f"from {low}", "at_least": low, "below": high} for low, high in itertools.pairwise(borders)]
    pieces += [{"label": "last", "at_least": borders[-1]}]
    found = ranges(*pieces).labels(pa.array(numbers, pa.float64())).to_pylist()
    for number, name in zip(numbers, found, strict=True):
        below = [border for border in borders if border <= number]
        expected = "first" if not below else "last" if below[-1] == borders[-1] else f"from {below[-1]}"
        assert name == expected


@pytest.mark.parametrize(
    ("given_ranges", "message", "help"),
    [
        ([{"label": "a"}], "range `a` has no limit", "add one or two of"),
        ([{"label": "a", "above": 1, "at_least": 2}], "range `a` has both `above` and `at_least`", "leave one of them"),
        ([{"label": "a", "above": 2, "below": 1}], "no number is in range `a` (above = 2, below = 1)", "exchange"),
        ([{"label": "a", "above": 1, "below": 1}], "no number is in range `a`", "exchange its limits"),
        (
            [CHILD, {"label": "b", "at_least": 17}],
            "ranges `child` (below = 18) and `b` (at_least = 17) overlap",
            "let one",
        ),
        ([{"label": "a", "at_most": 1}, {"label": "b", "at_least": 1}], "overlap", "let one end where the next starts"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(given_ranges, message, help):
    with pytest.raises(ValidationError) as caught:
        ranges(*given_ranges)
    error = caught.value.errors()[0]["ctx"]["error"]
    assert isinstance(error, OptionError)
    assert message in str(error)
    assert help in error.help


def test_a_range_of_one_number_is_one(label):
    assert label(ranges({"label": "one", "at_least": 1, "at_most": 1}), n=[0, 1, 2]) == [None, "one", None]


def test_the_column_has_to_hold_numbers():
    with pytest.raises(OptionError, match="column `n` holds text, expected number") as caught:
        ranges(CHILD).columns_after(Columns({"n": "text"}))
    assert caught.value.option == "column"


def test_in_a_recipe_every_row_stays(run_recipe):
    table = '[[data.rows.label]]\nuse = "ranges"\ncolumn = "n"\nranges = [{ label = "up", above = 0 }]\n'
    done = run_recipe("n\n1\n-1\n\n2\n", table)
    [stage] = [stage for stage in done.outcome["stages"] if stage["kind"] == "label"]
    assert (stage["rows_in"], stage["rows_out"], stage["rejects"]) == (3, 3, 0)
