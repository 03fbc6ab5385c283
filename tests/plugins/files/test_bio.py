"""Rows from text with a token and its tags on each line."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ladle_files import blocks
from ladle_files.bio_source import Bio

TWO = "Ada B-person\nLovelace I-person\n\nhi O\n"
CONLL = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

-DOCSTART- -X- -X- O
# no token
Peter NNP B-NP B-PER
"""


def pairs(outcome):
    return list(zip(outcome.values("tokens"), outcome.values("tags"), strict=True))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("between", ["\t", " ", " \t  "])
def test_a_row_is_a_sentence(write, read, end, encoding, between):
    write("a.bio", TWO.replace(" ", between).replace("\n", end).encode(encoding))
    outcome = read(Bio, path="a.bio")
    assert outcome.types == {"tokens": "list", "tags": "list"}
    assert pairs(outcome) == [(["Ada", "Lovelace"], ["B-person", "I-person"]), (["hi"], ["O"])]
    assert [origin["line"] for origin in outcome.origins] == [1, 4]
    assert not outcome.rejects


def test_a_line_of_spaces_ends_a_sentence_and_the_last_needs_no_line_end(write, read):
    write("a.bio", "\n \na\tO\n\t\n\n \t \nb\tO\nc\tB-x")
    outcome = read(Bio, path="a.bio", separator="\t")
    assert pairs(outcome) == [(["a"], ["O"]), (["b", "c"], ["O", "B-x"])]
    assert [(origin["line"], origin["offset"]) for origin in outcome.origins] == [(3, 3), (7, 14)]


def test_documents_and_comments(write, read):
    write("a.conll", CONLL)
    outcome = read(Bio, path="a.conll", comment="# ")
    assert pairs(outcome) == [(["EU", "rejects"], ["B-ORG", "O"]), (["Peter"], ["B-PER"])]
    assert [origin["line"] for origin in outcome.origins] == [3, 7]
    as_tokens = read(Bio, path="a.conll", comment="# ", document="")
    assert [tokens[0] for tokens in as_tokens.values("tokens")] == ["-DOCSTART-", "EU", "-DOCSTART-"]
    write("b.conll", "<doc>\na O\n<doc>\nb O\n<document> O\n")
    assert read(Bio, path="b.conll", document="<doc>").values("tokens") == [["a"], ["b", "<document>"]]


def test_a_token_may_look_like_a_comment_or_hold_other_spaces(write, read):
    write("a.bio", "# O\nx\u00a0y O\n\n\u200b O\n")
    assert read(Bio, path="a.bio").values("tokens") == [["#", "x\u00a0y"], ["\u200b"]]
    write("b.bio", "5 1/2\tO\n\tx\n")
    outcome = read(Bio, path="b.bio", separator="\t")
    assert [reject.rule for reject in outcome.rejects] == ["empty-field"]
    write("b.bio", "5 1/2\tO\n")
    assert read(Bio, path="b.bio", separator="\t").values("tokens") == [["5 1/2"]]


def test_named_columns_are_all_that_is_kept(write, read):
    write("a.conll", CONLL)
    outcome = read(Bio, path="a.conll", comment="# ", columns=["word", "", "chunk", "ner"])
    assert outcome.types == {"word": "list", "chunk": "list", "ner": "list"}
    assert outcome.rows == [
        {"word": ["EU", "rejects"], "chunk": ["B-NP", "B-VP"], "ner": ["B-ORG", "O"]},
        {"word": ["Peter"], "chunk": ["B-NP"], "ner": ["B-PER"]},
    ]
    write("b.bio", "O\tAda\t\n")  # what is left out may be empty
    assert read(Bio, path="b.bio", separator="\t", columns=["tags", "tokens", ""]).rows == [
        {"tags": ["O"], "tokens": ["Ada"]}
    ]


def test_several_files_each_with_its_own_number_of_columns(write, read):
    write("data/a.bio", "a O\n")
    write("data/b.iob2", gzip.compress(b"b NN O\n"))
    outcome = read(Bio, path="data")
    assert pairs(outcome) == [(["a"], ["O"]), (["b"], ["O"])]
    assert [origin["file"] for origin in outcome.origins] == ["data/a.bio", "data/b.iob2"]


@pytest.mark.parametrize("block", [8, 1 << 16])
def test_a_sentence_with_a_bad_line_is_rejected_as_a_whole(write, read, monkeypatch, block):
    monkeypatch.setattr(blocks, "FIRST_BLOCK", block)
    monkeypatch.setattr(blocks, "BLOCK", block)
    content = b"a O\n\nb O\nc\nd\n\ne O\nf g O\n\nh O\ni caf\xe9\n\nj O\nk\0 O\n\nl O\n"
    write("a.bio", content)
    outcome = read(Bio, path="a.bio")
    assert outcome.values("tokens") == [["a"], ["l"]]
    assert sorted((r.line, r.rule, r.reason, r.raw) for r in outcome.rejects) == [
        (
            3,
            "too-few-fields",
            'line 4, "c": 1 field, expected 2 (2 lines of the sentence are bad)',
            b"b O\nc\nd",
        ),
        (7, "too-many-fields", 'line 8, "f g O": 3 fields, expected 2', b"e O\nf g O"),
        (10, "undecodable", "line 11: byte 10 of the row (0xE9) is no utf-8", b"h O\ni caf\xe9"),
        (13, "nul", "line 14: there is a NUL character in the row", b"j O\nk\0 O"),
    ]


def test_a_tag_that_is_missing(write, read):
    write("a.bio", "Ada\tB-x\nand\t\n\n\tO\n\nyes\tO\n")
    outcome = read(Bio, path="a.bio", separator="\t")
    assert outcome.values("tokens") == [["yes"]]
    assert [(r.rule, r.reason) for r in outcome.rejects] == [
        ("empty-field", 'line 2, "and\t": field 2 is empty'),
        ("empty-field", 'line 4, "\tO": field 1 is empty'),
    ]
    write("b.bio", "Ada\n\nhi O\n")
    outcome = read(Bio, path="b.bio")
    assert (outcome.values("tokens"), outcome.rules()) == ([["hi"]], ["too-few-fields"])


@pytest.mark.parametrize("block", [4, 16, 1 << 16])
def test_a_sentence_that_is_too_long_is_rejected_once(write, read, monkeypatch, block):
    monkeypatch.setattr(blocks, "FIRST_BLOCK", block)
    monkeypatch.setattr(blocks, "BLOCK", block)
    long = "".join(f"token{number} O\n" for number in range(9))
    write("a.bio", f"a O\n\n{long}\nb O\n\nc O\n{'y' * 99} O\nd O\n\ne O\n{long}")
    outcome = read(Bio, path="a.bio", max_row_bytes=40)
    assert outcome.values("tokens") == [["a"], ["b"]]
    assert [(r.rule, r.line) for r in outcome.rejects] == [("too-long", 3), ("too-long", 15), ("too-long", 19)]
    assert all(len(reject.raw) <= 40 for reject in outcome.rejects)


TOKEN = st.text(st.characters(blacklist_categories=["Cs", "Z", "Cc"]), min_size=1, max_size=5)


@given(st.lists(st.lists(st.tuples(TOKEN, TOKEN), min_size=1, max_size=6), max_size=12), st.integers(4, 64))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_again_whatever_the_size_of_blocks(write, read, sentences, block):
    text = "\n".join("".join(f"{token}\t{tag}\n" for token, tag in sentence) for sentence in sentences)
    write("a.bio", text)
    sizes = blocks.FIRST_BLOCK, blocks.BLOCK
    blocks.FIRST_BLOCK = blocks.BLOCK = block
    try:
        outcome = read(Bio, path="a.bio", separator="\t", document="")
    finally:
        blocks.FIRST_BLOCK, blocks.BLOCK = sizes
    assert [list(zip(*pair, strict=True)) for pair in pairs(outcome)] == sentences
    assert not outcome.rejects


@pytest.mark.parametrize(
    ("options", "message", "option"),
    [
        ({"separator": ""}, "'' is no separator", "separator"),
        ({"separator": "\n"}, "'\\n' is no separator", "separator"),
        ({"columns": ["", ""]}, "all columns are left out", "columns"),
        ({"columns": ["a", "a"]}, "two columns are called `a`", "columns"),
        ({"columns": ["_id", ""]}, "a column cannot be called `_id`: ladle keeps a column of its own there", "columns"),
        ({"encoding": "utf8000"}, 'there is no encoding "utf8000"', "encoding"),
    ],
)
def test_options_that_cannot_be(write, refused, options, message, option):
    write("a.bio", TWO)
    error = refused(Bio, path="a.bio", **options)
    assert str(error) == message
    assert error.option in (option, None)
