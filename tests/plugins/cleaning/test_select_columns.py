"""Keeping some columns."""

from __future__ import annotations

import pytest

from ladle import Columns, OptionError
from ladle_cleaning.selection import Select


def test_columns_are_kept_in_the_order_given(rows, clean):
    done = clean(Select(keep=["b", "a"]), rows({"a": [1], "b": [2], "c": [3]}))
    assert list(done.kept["r0"].items()) == [("b", 2), ("a", 1)]
    assert done.columns.written == {"c"}


def test_columns_are_dropped(rows, clean):
    assert clean(Select(drop=["b"]), rows({"a": [1], "b": [2], "c": [3]})).kept == {"r0": {"a": 1, "c": 3}}


@pytest.mark.parametrize("option", ["keep", "drop"])
def test_a_column_that_is_not_there_is_refused(option):
    with pytest.raises(OptionError, match="no column `txt`") as caught:
        Select(**{option: ["txt"]}).columns_after(Columns({"text": "text"}))
    assert (caught.value.option, caught.value.help) == (option, "did you mean `text`?")


def test_columns_are_either_kept_or_dropped(refused):
    message = "a selection names the columns to keep or those to drop"
    assert str(refused(Select)) == str(refused(Select, keep=["a"], drop=["b"])) == message
