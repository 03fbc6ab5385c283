"""Parts of texts by a pattern."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ladle import Columns
from ladle_text.pattern import Pattern

VERSE = r"(?P<book>\w+) (?P<chapter>\d+):(?P<verse>\d+)(?P<part>[ab])?"


def _found(pattern: Pattern, rows) -> list[dict]:
    batches = list(pattern.work(rows))
    return [dict(zip(batch, values, strict=True)) for batch in batches for values in zip(*batch.values(), strict=True)]


def test_named_groups_become_columns(rows_of):
    given = rows_of(["Ge 1:2 the earth", "so in Exo 20:13b it says", "no verse", None, "Ge 1:"])
    found = _found(Pattern(pattern=VERSE), given)
    assert [(row["book"], row["chapter"], row["verse"], row["part"]) for row in found] == [
        ("Ge", "1", "2", None),
        ("Exo", "20", "13", "b"),
        (None,) * 4,
        (None,) * 4,
        (None,) * 4,
    ]
    assert [row["text"] for row in found][:2] == ["Ge 1:2 the earth", "so in Exo 20:13b it says"]


def test_a_whole_text_can_be_asked_for(rows_of):
    found = _found(Pattern(pattern=VERSE, whole=True), rows_of(["Ge 1:2 the earth", "Ge 1:2"]))
    assert [row["verse"] for row in found] == [None, "2"]


def test_the_columns_are_declared():
    after = Pattern(pattern=VERSE).columns_after(Columns({"text": "text"}))
    assert dict(after) == dict.fromkeys(["text", "book", "chapter", "verse", "part"], "text")
    assert after.written == {"book", "chapter", "verse", "part"}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [(r"(\d+)", "the pattern names no part"), ("(?P<a", "this is no regular expression: missing >")],
)
def test_a_pattern_without_names_is_refused(pattern, message):
    with pytest.raises(ValidationError) as caught:
        Pattern.model_validate({"pattern": pattern})
    assert str(caught.value.errors()[0]["ctx"]["error"]).startswith(message)
