"""Giving columns other types."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import Columns, OptionError, Sample
from ladle_cleaning.conversion import Convert


def converted(values, type_: str, **options) -> list:
    """The values as another type, null where they are none of it."""
    values = values if isinstance(values, pa.Array) else pa.array(values)
    batch = pa.record_batch({"_id": [f"r{row}" for row in range(len(values))], "x": values})
    cleaner = Convert.model_validate({"types": {"x": type_}, "invalid": "null"} | options)
    return cleaner.clean_batch(batch).batch["x"].to_pylist()


@pytest.mark.parametrize(
    ("type_", "texts", "values"),
    [
        (
            "integer",
            ["3", " 3 ", "+3", "-3", "3.0", "3.", "007", "9223372036854775807", "0.0"],
            [3, 3, 3, -3, 3, 3, 7, 2**63 - 1, 0],
        ),
        ("integer", ["3.5", "", "x", "1_000", "9223372036854775808", "nan", "0x10", "٣", "- 3", "+", "."], [None] * 11),
        ("number", ["3", " 3.5\t", ".5", "-1e3", "+2.", "1E-2"], [3.0, 3.5, 0.5, -1000.0, 2.0, 0.01]),
        ("number", ["nan", "inf", "1e999", "", "1,5", "1 000", "e5", ".", "true", "1.2.3"], [None] * 10),
        ("boolean", ["true", "T", " Yes", "y", "ON", "1"], [True] * 6),
        ("boolean", ["False", "f", "no", "N", "off ", "0"], [False] * 6),
        ("boolean", ["", "2", "maybe", "1.0"], [None] * 4),
        ("time", ["2020-02-29", "2020-02-29T12:30", " 2020-02-29 12:30:00.25 "],
         [datetime(2020, 2, 29), datetime(2020, 2, 29, 12, 30), datetime(2020, 2, 29, 12, 30, 0, 250_000)]),
        ("time", ["2020-02-29T12:30:00Z", "2020-02-29T12:30:00+02:00"],
         [datetime(2020, 2, 29, 12, 30), datetime(2020, 2, 29, 10, 30)]),
        ("time", ["2021-02-29", "29.2.2020", "", "0001-01-01T00:00:00+02:00"], [None] * 4),
        ("text", ["a ", ""], ["a ", ""]),
    ],
)  # fmt: skip
def test_texts_are_read(type_, texts, values):
    assert converted([*texts, None], type_) == [*values, None]


@pytest.mark.parametrize(
    ("given_values", "type_", "values"),
    [
        ([1, 2], "number", [1.0, 2.0]),
        ([1.0, 2.5, float("nan"), float("inf"), 1e19, -0.0], "integer", [1, None, None, None, None, 0]),
        ([True, False], "integer", [1, 0]),
        ([True, False], "number", [1.0, 0.0]),
        ([0, 1, 2], "boolean", [False, True, None]),
        ([0.0, 1.0, 0.5], "boolean", [False, True, None]),
        ([1, -1], "text", ["1", "-1"]),
        ([0.1, 2.0], "text", ["0.1", "2.0"]),
        ([True], "text", ["true"]),
        ([datetime(2020, 1, 1)], "text", ["2020-01-01 00:00:00.000000"]),
        ([datetime(2020, 1, 1).date()], "time", [datetime(2020, 1, 1)]),
        (pa.array([2**64 - 1, 1], pa.uint64()), "integer", [None, 1]),
        ([Decimal("1.50"), Decimal("2.00")], "number", [1.5, 2.0]),
        ([Decimal("1.50"), Decimal("2.00")], "integer", [None, 2]),
        (pa.nulls(2), "integer", [None, None]),
        (["7", "x", "7"], "integer", [7, None, 7]),
        (pa.array(["7", "x"]).dictionary_encode(), "integer", [7, None]),
    ],
)
def test_other_values_are_cast_where_nothing_is_lost(given_values, type_, values):
    assert converted(given_values, type_) == values


def test_numbers_may_have_other_separators():
    german = {"decimal": ",", "thousands": "."}
    texts = ["1.234,5", "1.234.567", "1234,5", "1.23", "12.34,5", "-1.000"]
    assert converted(texts, "number", **german) == [1234.5, 1234567.0, 1234.5, None, None, -1000.0]
    assert converted(["1.234", "1.234,00", "1,5"], "integer", **german) == [1234, 1234, None]
    assert converted(["1'234.5", "1 234"], "number", thousands="'") == [1234.5, None]
    assert converted(["1,234"], "number", thousands=",") == [1234.0]


def test_times_may_have_a_format():
    texts = ["29.02.2020", " 1.3.2020", "2020-02-29", None]
    assert converted(texts, "time", time_format="%d.%m.%Y") == [datetime(2020, 2, 29), datetime(2020, 3, 1), None, None]


def test_rows_with_values_of_no_such_type_are_rejected(rows, clean):
    data = rows({"age": [" 37 ", "old", "12", None, "?"], "price": ["1.5", "free", "x" * 99, "2", "3"], "n": [1] * 5})
    done = clean(Convert.model_validate({"types": {"age": "integer", "price": "number"}, "markers": ["?"]}), data)
    assert dict(done.columns) == {"age": "integer", "price": "number", "n": "integer"}
    assert done.columns.written == {"age", "price"}
    assert list(done.kept.values()) == [
        {"age": 37, "price": 1.5, "n": 1},
        {"age": None, "price": 2.0, "n": 1},
        {"age": None, "price": 3.0, "n": 1},
    ]
    assert done.rejects["r1"].rule == "no-such-type"
    assert done.rejects["r1"].reason == '`age` is "old", which is no integer; `price` is "free", which is no number'
    assert done.rejects["r2"].reason == f'`price` is "{"x" * 59}…", which is no number'


def test_values_of_no_such_type_may_become_null(rows, clean):
    done = clean(
        Convert.model_validate({"types": {"age": "integer"}, "invalid": "null"}), rows({"age": ["1", "old", None]})
    )
    assert done.values("age") == [1, None, None]


def test_what_is_no_single_value_is_refused(rows):
    with pytest.raises(OptionError, match="column `v` holds vector, expected text or integer") as caught:
        Convert(types={"v": "number"}).columns_after(Columns({"v": "vector"}))
    assert caught.value.option == "types"
    with pytest.raises(OptionError, match="column `n` holds integer, expected text or time"):
        Convert(types={"n": "time"}).columns_after(Columns({"n": "integer"}))


@pytest.mark.parametrize(
    ("options", "message", "option"),
    [
        ({"decimal": ""}, '"" separates no numbers', "decimal"),
        ({"decimal": "5"}, '"5" separates no numbers', "decimal"),
        ({"thousands": "--"}, '"--" separates no numbers', "thousands"),
        ({"thousands": "."}, '"." cannot separate both decimals and thousands', "thousands"),
        ({"time_format": "%Y-%Q"}, "\"%Y-%Q\" is no format of times: 'Q' is a bad directive in format '%Y-%Q'", None),
    ],
)
def test_options_that_cannot_be_are_refused(refused, options, message, option):
    error = refused(Convert, types={"x": "number"}, **options)
    assert (str(error), error.option) == (message, option)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_integers_survive_the_way_through_text(numbers):
    assert converted(converted(numbers, "text"), "integer") == numbers


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_survive_the_way_through_text(numbers):
    assert converted(converted(numbers, "text"), "number") == numbers


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=6), st.text("0123456789.,+-eE_ naif", max_size=8)))
def test_what_is_read_as_a_number_python_reads_alike(text):
    (number,), (integer,) = converted([text], "number"), converted([text], "integer")
    if number is not None:
        assert number == float(text.strip())
    if integer is not None:
        assert integer == float(text.strip())
    if text.strip().isascii() and text.strip().isdigit():
        assert integer == int(text.strip())


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-03-01", datetime(2020, 3, 1)),
        ("13/4/2020", datetime(2020, 4, 13)),
        ("4.4.2020", datetime(2020, 4, 4)),
        ("2020/3/1 7:05", datetime(2020, 3, 1, 7, 5)),
        ("1 March 2020", datetime(2020, 3, 1)),
        (" 1st  of march, 2020 ", datetime(2020, 3, 1)),
        ("Mar. 1, 2020 5:30 pm", datetime(2020, 3, 1, 17, 30)),
        ("1-Sept-2020 at 12:00 a.m.", datetime(2020, 9, 1)),
        ("Sun, 01 Mar 2020 10:00:00 +0130", datetime(2020, 3, 1, 8, 30)),
        ("29.02.2020 23:59:59.25 UTC", datetime(2020, 2, 29, 23, 59, 59, 250_000)),
        ("20200301T0102", datetime(2020, 3, 1, 1, 2)),
        ("3/4/2020", None),  # two days
        ("3/4/20", None),  # and no century
        ("31 Feb 2020", None),
        ("29.02.2021", None),
        ("2020-3-1 24:00", None),
        ("1 March 2020 13:00 pm", None),
        ("March 2020", None),
        ("12:00", None),
        ("2020", None),
    ],
)
def test_times_may_be_written_as_people_write_them(text, moment):
    assert converted([text], "time", time_format="any") == [moment]


def test_the_recipe_says_whether_the_day_comes_first():
    texts = ["3/4/2020", "13/4/2020", "4/13/2020"]
    day_first = converted(texts, "time", time_format="any", day_first=True)
    assert day_first == [datetime(2020, 4, 3), datetime(2020, 4, 13), None]
    month_first = converted(texts, "time", time_format="any", day_first=False)
    assert month_first == [datetime(2020, 3, 4), None, datetime(2020, 4, 13)]


def test_what_formats_read_differently_is_no_time(rows, clean):
    data = rows({"born": ["13/04/2020", "04/13/2020", "03/04/2020", "04/04/2020", "2020-04-01", "soon"]})
    done = clean(Convert(types={"born": "time"}, time_format=["%d/%m/%Y", "%m/%d/%Y", "iso"]), data)
    assert [moment.day for moment in done.values("born")] == [13, 13, 4, 1]
    assert {id_: tuple(reject[:2]) for id_, reject in done.rejects.items()} == {
        "r2": ("ambiguous-time", '`born` is "03/04/2020", which could be 2020-03-04 or 2020-04-03'),
        "r5": ("no-such-type", '`born` is "soon", which is no time'),
    }


def test_the_first_rows_show_a_format_that_is_not_theirs():
    sample = Sample([{"born": "1/2/2020", "n": "5"}, {"born": "7/2/2020", "n": "?"}, {"born": None, "n": "?"}])
    cleaner = Convert(types={"born": "time", "n": "integer"}, markers=["?"], invalid="null")
    assert [(str(doubt), doubt.path) for doubt in cleaner.doubts(sample)] == [
        ('2 of the first 3 rows become null: `born` is "1/2/2020", which is no time', ("types", "born"))
    ]


TEXTS = st.one_of(
    st.text(max_size=6),
    st.text("0123456789.,+-eE_ naif\x1c\x85\u3000", max_size=8),
    st.sampled_from(["true", " T", "off", "1/2/2020", "2020-01-01", "1 May 2020 10:00 +0100", "1e400", "9" * 30]),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(TEXTS, min_size=1, max_size=5),
    st.sampled_from(["integer", "number", "boolean", "time"]),
    st.sampled_from([{}, {"decimal": ",", "thousands": "."}, {"time_format": "any"}, {"markers": ["1", "true"]}]),
)
def test_one_row_is_converted_like_many(texts, type_, options):
    cleaner = Convert.model_validate({"types": {"x": type_}, "invalid": "null"} | options)
    assert [cleaner.clean_row({"x": text})["x"] for text in texts] == converted(texts, type_, **options)


OTHERS = {
    "integer": st.integers(-(2**63), 2**63 - 1),
    "number": st.one_of(st.floats(), st.integers(-3, 3).map(float), st.just(2.0**63)),
    "boolean": st.booleans(),
}


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(sorted(OTHERS)), st.sampled_from(["integer", "number", "boolean"]))
def test_one_row_that_holds_no_text_is_converted_like_many(data, before, after):
    values = data.draw(st.lists(OTHERS[before], min_size=1, max_size=4))
    cleaner = Convert.model_validate({"types": {"x": after}, "invalid": "null"})
    assert repr([cleaner.clean_row({"x": value})["x"] for value in values]) == repr(converted(values, after))
