"""Dropping duplicates."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import Columns, OptionError
from ladle_cleaning.duplicates import Deduplicate


def deduplicate(**options) -> Deduplicate:
    return Deduplicate.model_validate(options)


def test_rows_equal_in_all_columns_are_duplicates(rows, clean):
    done = clean(deduplicate(), rows({"text": ["a", "b", "a", "a"], "stars": [1, 1, 2, 1]}))
    assert list(done.kept) == ["r0", "r1", "r2"]
    reject = done.rejects["r3"]
    assert (reject.rule, reject.stays) == ("duplicate", "r0")
    assert reject.reason == "the same in every column as row r0"


def test_only_named_columns_are_compared(rows, clean):
    done = clean(deduplicate(columns=["text"]), rows({"text": ["a", "b", "a"], "stars": [1, 2, 3]}))
    assert list(done.kept) == ["r0", "r1"]
    assert done.rejects["r2"].reason == "the same `text` as row r0"


def test_the_last_row_may_stay(rows, clean):
    done = clean(deduplicate(keep="last"), rows({"text": ["a", "b", "a", "c", "a"]}))
    assert list(done.kept) == ["r1", "r3", "r4"]
    assert {id_: reject.stays for id_, reject in done.rejects.items()} == {"r0": "r4", "r2": "r4"}


def test_case_and_space_count_unless_told_otherwise(rows, clean):
    data = rows({"text": ["Good  day", "good day", "Good day ", "ΣΑΣ", "σας", "GOOD\u00a0DAY"]})
    assert len(clean(deduplicate(), data).kept) == 6
    assert list(clean(deduplicate(ignore_case=True), data).kept) == ["r0", "r1", "r2", "r3", "r5"]
    assert list(clean(deduplicate(ignore_space=True), data).kept) == ["r0", "r1", "r3", "r4", "r5"]
    assert list(clean(deduplicate(ignore_case=True, ignore_space=True), data).kept) == ["r0", "r3"]


def test_missing_values_are_equal_and_no_empty_texts(rows, clean):
    done = clean(deduplicate(), rows({"text": [None, "", None, ""]}, {"text": "text"}))
    assert list(done.kept) == ["r0", "r1"]


def test_columns_of_every_kind_are_compared(rows, clean):
    data = rows(
        {
            "vector": pa.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], None], pa.list_(pa.float32())),
            "words": [["a", "b"], ["ab"], ["a", "b"], []],
            "parts": [{"a": 1}, {"a": 1}, {"a": 1}, None],
            "raw": [b"x", b"x", b"x", b""],
            "nothing": pa.nulls(4),
        }
    )
    assert list(clean(deduplicate(), data).rejects) == ["r2"]


def test_no_rows_have_no_duplicates(rows, clean):
    assert not clean(deduplicate(), rows({"text": []}, {"text": "text"})).kept


def test_columns_are_read_and_nothing_is_written():
    given = Columns({"text": "text", "stars": "integer"})
    assert dict(deduplicate().columns_after(given)) == dict(given)
    assert (given.read, given.written) == ({"text", "stars"}, set())
    named = given.fresh()
    deduplicate(columns=["text"]).columns_after(named)
    assert named.read == {"text"}


def test_a_missing_column_is_found_by_the_check():
    with pytest.raises(OptionError, match="no column `txet`") as caught:
        deduplicate(columns=["txet"]).columns_after(Columns({"text": "text"}))
    assert (caught.value.option, caught.value.help) == ("columns", "did you mean `text`?")


VALUES = st.one_of(st.none(), st.sampled_from(["", "a", "A", "b", " a", "a  b", "a b"]))
NUMBERS = st.one_of(st.none(), st.integers(-1, 1))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(VALUES, VALUES, NUMBERS), min_size=1, max_size=20),
    st.sampled_from(["first", "last"]),
    st.sampled_from([[], ["one"], ["one", "two"], ["two", "number"]]),
    st.booleans(),
    st.booleans(),
)
def test_it_does_what_plain_python_does(rows, clean, table, keep, columns, ignore_case, ignore_space):
    def comparable(value):
        if isinstance(value, str):
            value = value.lower() if ignore_case else value
            value = " ".join(value.split()) if ignore_space else value
        return value

    names = ["one", "two", "number"]
    compared = [names.index(name) for name in columns or names]
    order = range(len(table)) if keep == "first" else range(len(table) - 1, -1, -1)
    stays: dict[tuple, int] = {}
    expected = {}
    for row in order:
        key = tuple(comparable(table[row][at]) for at in compared)
        if stays.setdefault(key, row) != row:
            expected[f"r{row}"] = f"r{stays[key]}"

    data = rows(
        dict(zip(names, zip(*table, strict=True), strict=True)), {"one": "text", "two": "text", "number": "integer"}
    )
    cleaner = deduplicate(keep=keep, columns=columns, ignore_case=ignore_case, ignore_space=ignore_space)
    assert {id_: reject.stays for id_, reject in clean(cleaner, data).rejects.items()} == expected


def test_many_different_rows_are_no_duplicates(rows, clean):
    count = 50_000
    data = rows({"text": [f"text {row}" for row in range(count)], "number": list(range(count))}, per_batch=4096)
    assert not clean(deduplicate(), data).rejects
