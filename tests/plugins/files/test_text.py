"""Rows from plain text."""

from __future__ import annotations

import pytest

from ladle_files import blocks
from ladle_files.text_source import Text

POEM = "one\ntwo\n\n \t\nthree\n\nfour\nfive"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_paragraphs_and_files(write, read, end, encoding):
    content = POEM.replace("\n", end)
    write("a.txt", content.encode(encoding))
    outcome = read(Text, path="a.txt", column="line")
    assert outcome.types == {"line": "text"}
    assert outcome.values("line") == ["one", "two", "three", "four", "five"]
    assert [origin["line"] for origin in outcome.origins] == [1, 2, 5, 7, 8]
    outcome = read(Text, path="a.txt", by="paragraph")
    assert outcome.values("text") == ["one\ntwo", "three", "four\nfive"]
    assert [origin["line"] for origin in outcome.origins] == [1, 5, 7]
    outcome = read(Text, path="a.txt", by="file")
    assert outcome.values("text") == [content]


def test_offsets(write, read):
    write("a.txt", "one\nzwö\n\nthree\n")
    assert [o["offset"] for o in read(Text, path="a.txt").origins] == [0, 4, 10]
    assert [o["offset"] for o in read(Text, path="a.txt", by="paragraph").origins] == [0, 10]


def test_files_of_a_folder(write, read):
    write("texts/b.txt", "two")
    write("texts/a.txt", "one")
    write("texts/c.txt", " \n")
    outcome = read(Text, path="texts", by="file")
    assert [(o["file"], text) for o, text in zip(outcome.origins, outcome.values("text"), strict=True)] == [
        ("texts/a.txt", "one"),
        ("texts/b.txt", "two"),
    ]


@pytest.mark.parametrize("block", [8, 1 << 16])
def test_bad_lines_and_paragraphs(write, read, monkeypatch, block):
    monkeypatch.setattr(blocks, "FIRST_BLOCK", block)
    monkeypatch.setattr(blocks, "BLOCK", block)
    write("a.txt", b"good\n\ncaf\xe9\nx\n\na\0\n\n" + b"y" * 50 + b"\nend\n\nlast\n")
    lines = read(Text, path="a.txt", max_row_bytes=20)
    assert lines.values("text") == ["good", "x", "end", "last"]
    assert sorted((r.line, r.rule, r.raw) for r in lines.rejects) == [
        (3, "undecodable", b"caf\xe9"),
        (6, "nul", b"a\0"),
        (8, "too-long", b"y" * 20),
    ]
    paragraphs = read(Text, path="a.txt", by="paragraph", max_row_bytes=20)
    assert paragraphs.values("text") == ["good", "last"]
    assert sorted((r.line, r.rule, r.raw) for r in paragraphs.rejects) == [
        (3, "undecodable", b"caf\xe9\nx"),
        (6, "nul", b"a\0"),
        (8, "too-long", b"y" * 20),
    ]
    assert [(r.rule, r.raw) for r in read(Text, path="a.txt", by="file", max_row_bytes=20).rejects] == [
        ("too-long", b"good\n\ncaf\xe9\nx\n\na\0\n\nyy")
    ]


def test_options_that_cannot_be(write, refused):
    write("a.txt", "x")
    assert "a column cannot be called `_id`" in str(refused(Text, path="a.txt", column="_id"))
    assert 'there is no encoding "utf8000"' in str(refused(Text, path="a.txt", encoding="utf8000"))
