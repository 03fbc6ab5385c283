"""Writing something else where a pattern is found."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle_cleaning.replacing import Replace


def test_matches_are_replaced_wherever_they_stand(rows, clean):
    texts = ["In the beginning God{a note} created{another}", "nothing here", None, "{}"]
    done = clean(Replace(columns=["text"], pattern=r"\{[^}]*\}"), rows({"text": texts, "n": [1, 2, 3, 4]}))
    assert [row["text"] for row in done.kept.values()] == ["In the beginning God created", "nothing here", None, ""]
    assert [row["n"] for row in done.kept.values()] == [1, 2, 3, 4]


def test_groups_may_come_back(rows, clean):
    replace = Replace(columns=["a", "b"], pattern=r"(\d+)-(?P<unit>\w+)", by=r"\g<unit> \1")
    done = clean(replace, rows({"a": ["10-km run"], "b": ["5-kg"]}))
    assert done.kept == {"r0": {"a": "km 10 run", "b": "kg 5"}}


@pytest.mark.parametrize(
    ("options", "option", "message"),
    [
        (
            {"pattern": "(a"},
            "pattern",
            "this is no regular expression: missing ), unterminated subpattern at position 0",
        ),
        ({"pattern": "a", "by": r"\1"}, "by", "this cannot take the place of a match: invalid group reference 1"),
        (
            {"pattern": "(?P<x>a)", "by": r"\g<y>"},
            "by",
            "this cannot take the place of a match: unknown group name 'y'",
        ),
    ],
)
def test_what_cannot_be_is_told_at_its_option(refused, options, option, message):
    error = refused(Replace, columns=["text"], **options)
    assert error.option == option
    assert str(error).startswith(message)


@given(st.lists(st.text()))
def test_it_does_what_python_does(texts):
    replace = Replace(columns=["text"], pattern=r"[a-z]+", by="x")
    assert [replace.clean_row({"text": text})["text"] for text in texts] == [
        re.sub("[a-z]+", "x", text) for text in texts
    ]
