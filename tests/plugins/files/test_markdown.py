"""Sections of Markdown, with the headings that they stand under."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ladle_files import blocks, markdown
from ladle_files.text_source import Text

DOCUMENT = """\
---
title: Notes
# no heading
---
Before all.

# One #

First.
Second.

```sh
# a comment
```
    # code

## One and a half

Three
---
> # quoted
- # in a list
<!-- # hidden

---
-->
* * *
Two lines
make one
========

The end.
#hashtag
####### seven
#
Nameless.
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("block", [8, 1 << 16])
def test_sections_stand_under_their_headings(write, read, monkeypatch, end, block):
    monkeypatch.setattr(blocks, "FIRST_BLOCK", block)
    monkeypatch.setattr(blocks, "BLOCK", block)
    content = DOCUMENT.replace("\n", end)
    write("a.md", content)
    outcome = read(Text, path="a.md", by="section")
    assert outcome.types == {"text": "text", "headings": "list"}
    assert [(row["headings"], row["text"].splitlines()) for row in outcome.rows] == [
        ([], ["---", "title: Notes", "# no heading", "---", "Before all."]),
        (["One"], ["First.", "Second.", "", "```sh", "# a comment", "```", "    # code"]),
        (["One", "Three"], ["> # quoted", "- # in a list", "<!-- # hidden", "", "---", "-->", "* * *"]),
        (["Two lines make one"], ["The end.", "#hashtag", "####### seven"]),
        ([""], ["Nameless."]),
    ]
    lines = content.splitlines()
    starts = [lines.index(text) + 1 for text in ("---", "# One #", "Three", "Two lines", "#")]
    assert [origin["line"] for origin in outcome.origins] == starts
    offsets = [sum(len(line + end) for line in lines[: start - 1]) for start in starts]
    assert [origin["offset"] for origin in outcome.origins] == offsets


def test_the_path_is_that_of_the_levels_and_empty_lines_are_taken_off(write, read):
    write("a.md", "# A\n\n  \n    code\n\n### C\nc\n\n## B\nb\n# D\n## E\n")
    outcome = read(Text, path="a.md", by="section", column="body")
    assert outcome.rows == [
        {"body": "    code", "headings": ["A"]},
        {"body": "c", "headings": ["A", "C"]},
        {"body": "b", "headings": ["A", "B"]},
    ]


@pytest.mark.parametrize("block", [8, 1 << 16])
def test_bad_sections_are_rejected_as_a_whole(write, read, monkeypatch, block):
    monkeypatch.setattr(blocks, "FIRST_BLOCK", block)
    monkeypatch.setattr(blocks, "BLOCK", block)
    write(
        "a.md", b"# A\na\n## caf\xe9\nx\n### C\nc\n# D\na\0\n# E\n" + b"e\n" * 20 + b"# F\n" + b"f" * 50 + b"\n# G\ng\n"
    )
    outcome = read(Text, path="a.md", by="section", max_row_bytes=30)
    assert outcome.rows == [
        {"text": "a", "headings": ["A"]},
        {"text": "c", "headings": ["A", "caf\ufffd", "C"]},
        {"text": "g", "headings": ["G"]},
    ]
    assert sorted((r.line, r.rule, r.raw) for r in outcome.rejects) == [
        (3, "undecodable", b"## caf\xe9\nx"),
        (7, "nul", b"# D\na\0"),
        (9, "too-long", (b"# E\n" + b"e\n" * 20)[:30]),
        (30, "too-long", (b"# F\n" + b"f" * 50)[:30]),
    ]


def test_text_that_is_too_much_for_a_heading_is_none(monkeypatch):
    monkeypatch.setattr(markdown, "_MOST", 20)
    lines = ["a" * 15, "b" * 15, "c", "===", "", "d", "==="]
    units = list(markdown.units_of((line, line) for line in lines))
    assert [unit for unit in units if unit.level] == [(1, "d", ["d", "==="])]
    assert [line for unit in units for line in unit.lines] == lines


def test_the_column_of_headings_is_told(write, refused):
    write("a.md", "# A\na\n")
    error = refused(Text, path="a.md", by="section", column="headings")
    assert (str(error), error.option) == ("the headings are in a column `headings`", "column")


PIECES = """\
# a|## b ##|a|b c|===|---|-|--- |||    x|\tx|```|~~~~|```py|> q|>|- i|* i|1. i|2. i|  i|   # d|***|- - -|<!-- c|-->
<!-- c -->|<div>|</div>|<b>|<pre>|</pre>|#|#x|+ |> # q|- # l|<b>t</b> u|1) i|####### s|   ===|     ---|<?x|?>
"""
pieces = st.sampled_from(PIECES.replace("\n", "|").split("|"))


@given(lines=st.lists(pieces, min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_headings_are_those_of_a_whole_parser(lines):
    """Of markdown-it-py, those at the top level; no line is lost, and the order is kept."""
    tokens = MarkdownIt("commonmark").parse("\n".join(["top", "", *lines]))
    expected = [
        (int(token.tag[1]), " ".join(tokens[place + 1].content.split()), token.map[0] - 2)
        for place, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0
    ]
    units = list(markdown.units_of((line, number) for number, line in enumerate(["top", "", *lines], -2)))
    assert [number for unit in units for number in unit.lines] == list(range(-2, len(lines)))
    assert [(unit.level, unit.title, unit.lines[0]) for unit in units if unit.level] == expected
