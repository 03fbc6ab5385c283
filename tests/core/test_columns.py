"""Columns know what was read and written, and what to say of those that are not there."""

from __future__ import annotations

import pytest

from ladle import Columns, OptionError


def test_derived_columns_share_one_log():
    given = Columns({"text": "text", "n": "integer"})
    given.need("n", "number")
    after = given.having("label", "text").without(["n"])
    assert dict(after) == {"text": "text", "label": "text"}
    assert (given.read, given.written) == ({"n"}, {"label", "n"})
    assert (after.fresh().read, after.fresh().written) == (set(), set())


@pytest.mark.parametrize(
    ("name", "types", "message", "help", "code"),
    [
        ("txt", (), "no column `txt` at this point", "did you mean `text`?", "missing-column"),
        ("zz", (), "no column `zz` at this point", "the columns here are: flag, n, text", "missing-column"),
        ("later", (), "no column `later` at this point", "made later", "missing-column"),
        ("text", ("number", "time"), "column `text` holds text, expected number or time", None, "column-type"),
        ("n", ("boolean",), "column `n` holds integer, expected boolean", None, "column-type"),
    ],
)
def test_a_column_that_is_needed_and_not_there(name, types, message, help, code):
    columns = Columns({"text": "text", "n": "integer", "flag": "boolean"}).fresh({"later": "made later"})
    with pytest.raises(OptionError) as caught:
        columns.need(name, *types, option="column")
    assert (str(caught.value), caught.value.option, caught.value.code) == (message, "column", code)
    assert help is None or caught.value.help == help


def test_whole_numbers_and_truth_values_do_for_numbers_and_anything_for_any():
    columns = Columns({"n": "integer", "flag": "boolean", "x": "any"})
    assert [columns.need(name, "number") for name in columns] == ["integer", "boolean", "any"]


def test_where_columns_are_not_known_none_is_missing():
    columns = Columns({}, known=False)
    assert columns.need("whatever", "text") == "any"
    assert columns.having("more", "text").without(["less"]).known is False
