"""Columns of Arrow types that are not ladle's own, as Parquet files bring them."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from ladle import OptionError
from ladle_cleaning.conditions import Filter
from ladle_cleaning.duplicates import Deduplicate
from ladle_cleaning.gaps import FillMissing
from ladle_cleaning.standardising import Standardise

PRICES = pa.array([Decimal("1.50"), None, Decimal("2.50"), Decimal("2.50")], pa.decimal128(6, 2))
DAYS = pa.array([date(2020, 1, 1), None, date(2020, 1, 2), date(2020, 1, 2)])
HUGE = pa.array([2**64 - 1, None, 2**64 - 2, 2**64 - 2], pa.uint64())
HALF = pa.array([1.0, None, 2.0, 2.0], pa.float16())
MOMENTS = pa.array([datetime(2020, 1, n, tzinfo=UTC) if n else None for n in (1, 0, 2, 2)], pa.timestamp("ns", "UTC"))
NUMBERED = pa.array([7, None, 9, 9]).dictionary_encode()
NAMED = pa.array(["a", None, "b", "b"]).dictionary_encode()
LARGE = pa.array(["a", None, "b", "b"], pa.large_string())


def missing(strategy: str, **options) -> FillMissing:
    return FillMissing.model_validate({"strategy": strategy, "columns": ["x"]} | options)


@pytest.mark.parametrize("column", [PRICES, DAYS, HUGE, HALF, MOMENTS, NUMBERED, NAMED, LARGE], ids=lambda c: c.type)
def test_columns_of_every_type_can_be_filled_and_compared(rows, clean, column):
    values = column.to_pylist()
    data = rows({"x": column}, per_batch=2)
    assert clean(missing("most-frequent"), data).values("x") == [values[0], values[2], values[2], values[2]]
    assert clean(missing("drop"), data).values("x") == [values[0], values[2], values[2]]
    assert clean(Deduplicate(), data).values("x") == values[:3]


@pytest.mark.parametrize(
    ("column", "median"), [(PRICES, Decimal("2.50")), (HUGE, 2**64 - 2), (HALF, 2.0), (NUMBERED, 9)], ids=str
)
def test_numbers_of_every_type_have_a_median(rows, clean, column, median):
    assert clean(missing("median"), rows({"x": column})).values("x")[1] == median


@pytest.mark.parametrize(
    ("column", "value", "filled"),
    [
        (PRICES, 7, Decimal(7)),
        (PRICES, 0.25, Decimal("0.25")),
        (HUGE, 2**63, 2**63),
        (NUMBERED, 8, 8),
        (NAMED, "c", "c"),
        (LARGE, "c", "c"),
        (DAYS, date(2021, 1, 1), date(2021, 1, 1)),
        (MOMENTS, date(2021, 1, 1), datetime(2021, 1, 1, tzinfo=UTC)),
    ],
    ids=str,
)
def test_a_constant_takes_the_type_of_the_column(rows, clean, column, value, filled):
    done = clean(missing("constant", value=value), rows({"x": column})).values("x")
    assert done[1] == filled
    assert done[2:] == column.to_pylist()[2:]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (pa.array([1, None], pa.int8()), 300, "column `x` holds int8, which has no place for 300"),
        (pa.array([1, None]), 2**64, "column `x` holds int64, which has no place for 18446744073709551616"),
        (PRICES, 0.125, "column `x` holds decimal128(6, 2), which has no place for 0.125"),
    ],
    ids=str,
)
def test_a_constant_that_the_column_has_no_place_for_is_refused(rows, clean, column, value, message):
    with pytest.raises(OptionError) as caught:
        clean(missing("constant", value=value), rows({"x": column}))
    assert (str(caught.value), caught.value.option) == (message, "value")


@pytest.mark.parametrize(
    ("column", "listed", "kept"),
    [
        (PRICES, [2.5, 9.99, 0.125], [Decimal("2.50")] * 2),
        (pa.array([1, 44], pa.int8()), [1, 300], [1]),  # 300 in 8 bits would be 44
        (pa.array([1, 2]), [2**64, 2], [2]),
        (pa.array([0.1, 0.2], pa.float32()), [0.1], [pytest.approx(0.1)]),
        (NAMED, ["a"], ["a"]),
        (LARGE, ["a", "c"], ["a"]),
        (NUMBERED, [7], [7]),
    ],
    ids=str,
)
def test_values_that_stay_may_be_of_another_width(rows, clean, column, listed, kept):
    assert clean(Filter.model_validate({"column": "x", "is": listed}), rows({"x": column})).values("x") == kept


def test_texts_behind_numbers_are_texts(rows, clean):
    data = rows({"x": pa.array(["Good  day", "good day", "?"]).dictionary_encode()}, per_batch=2)
    assert clean(Deduplicate(ignore_case=True, ignore_space=True), data).values("x") == ["Good  day", "?"]
    assert clean(missing("drop", markers=["?"]), data).values("x") == ["Good  day", "good day"]
    assert clean(Standardise(lower=True), data).values("x") == ["good day", "good day", "?"]
    assert list(clean(Filter(column="x", length=True, min=2), data).rejects) == ["r2"]


def test_infinity_is_a_number(rows, clean):
    data = rows({"x": [math.inf, -math.inf, 1.0, None]})
    assert clean(missing("median"), data).values("x") == [math.inf, -math.inf, 1.0, 1.0]
    assert list(clean(Filter(column="x", max=5), data).kept) == ["r1", "r2"]


def test_the_median_of_large_whole_numbers_is_exact(rows, clean):
    assert clean(missing("median"), rows({"x": [2**63 - 1, 2**63 - 3, None]})).values("x")[2] == 2**63 - 3
