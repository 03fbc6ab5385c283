"""What CSV files say, and how their types are found."""

from __future__ import annotations

from datetime import datetime
from itertools import count

import pytest

from ladle_files.csv_source import Csv


@pytest.mark.parametrize(
    ("texts", "type_", "values"),
    [
        (["1", "-2", "0"], "integer", [1, -2, 0]),
        (["1", "", "3"], "integer", [1, None, 3]),
        ([" 1", "2 "], "integer", [1, 2]),
        (["9223372036854775807", "-9223372036854775808"], "integer", [2**63 - 1, -(2**63)]),
        (["1", "2.5", ".5", "3.", "1e3", "-2E-2"], "number", [1.0, 2.5, 0.5, 3.0, 1000.0, -0.02]),
        (["true", "False", "TRUE"], "boolean", [True, False, True]),
        (["2024-05-31", "1999-01-01"], "time", [datetime(2024, 5, 31), datetime(1999, 1, 1)]),
        (
            ["2024-05-31T10:00:00Z", "2024-05-31 10:00:00.25", "2024-05-31T10:00+02:00"],
            "time",
            [datetime(2024, 5, 31, 10), datetime(2024, 5, 31, 10, 0, 0, 250_000), datetime(2024, 5, 31, 8)],
        ),
        (["1", "x"], "text", ["1", "x"]),
        (["007", "1"], "text", ["007", "1"]),
        (["+49123", "1"], "text", ["+49123", "1"]),
        (["9223372036854775808", "1"], "text", ["9223372036854775808", "1"]),
        (["123456789012345678901234", "1.5"], "text", ["123456789012345678901234", "1.5"]),
        (["1.5", "nan"], "text", ["1.5", "nan"]),
        (["1.5", "1e999"], "text", ["1.5", "1e999"]),
        (["yes", "no"], "text", ["yes", "no"]),
        (["2024-02-30", "2024-02-28"], "text", ["2024-02-30", "2024-02-28"]),
        (["20240531"], "integer", [20240531]),
        ([" a", "b "], "text", [" a", "b "]),
        (["", ""], "text", [None, None]),
    ],
)
def test_types_are_guessed_from_the_texts(write, read, texts, type_, values):
    write("a.csv", "x,y\n" + "".join(f"{text},.\n" for text in texts))
    outcome = read(Csv, path="a.csv")
    assert outcome.types["x"] == type_
    assert outcome.values("x") == values
    assert outcome.rejects == []


def test_types_that_are_told_are_not_guessed(write, read):
    write("a.csv", "zip,n,ok,when\n007,+7,yes,2024-05-31\n123,-0008,0,2024-05-31T12:30:15.123456789\n")
    outcome = read(Csv, path="a.csv", types={"zip": "text", "n": "integer", "ok": "boolean", "when": "time"})
    assert outcome.rows == [
        {"zip": "007", "n": 7, "ok": True, "when": datetime(2024, 5, 31)},
        {"zip": "123", "n": -8, "ok": False, "when": datetime(2024, 5, 31, 12, 30, 15, 123456)},
    ]


def test_missing_texts_are_null_in_every_type(write, read):
    write("a.csv", 'n,text\nNA,NA\n 7,""\n? ,?\n')
    outcome = read(Csv, path="a.csv", missing=["NA", "?"])
    assert outcome.types == {"n": "integer", "text": "text"}
    assert outcome.rows == [{"n": None, "text": None}, {"n": 7, "text": ""}, {"n": None, "text": None}]


def test_names_and_headers(write, read):
    write("a.csv", ",a,\n1,2,3\n4,5,6\n")
    assert read(Csv, path="a.csv").rows[0] == {"column_1": 1, "a": 2, "column_3": 3}
    assert read(Csv, path="a.csv", names=["x", "y", "z"]).rows[0] == {"x": 1, "y": 2, "z": 3}
    assert read(Csv, path="a.csv", columns=["column_3"]).rows == [{"column_3": 3}, {"column_3": 6}]
    write("b.csv", "1,2\n3,4\n")
    assert read(Csv, path="b.csv", header=False).rows == [
        {"column_1": 1, "column_2": 2},
        {"column_1": 3, "column_2": 4},
    ]
    assert read(Csv, path="b.csv", header=False, names=["x", "y"]).values("y") == [2, 4]


def test_values_of_columns_that_are_not_kept_reject_nothing(write, read):
    write("a.csv", "n,text\n" + "1,a\n" * 1000 + "x,b\n")
    assert len(read(Csv, path="a.csv", columns=["text"]).rows) == 1001


def test_spaces_around_fields_can_be_trimmed(write, read):
    write("a.csv", 'a, b, c\n x , "1, 2" , 3\n y,"q",4\n')
    assert read(Csv, path="a.csv", trim=True).rows == [{"a": "x", "b": "1, 2", "c": 3}, {"a": "y", "b": "q", "c": 4}]


def test_without_quotes_a_quote_is_text(write, read):
    write("a.tsv", 'a\tb\n"x\ty"\n""\t"\n')
    outcome = read(Csv, path="a.tsv", delimiter="\t", quote="")
    assert outcome.rows == [{"a": '"x', "b": 'y"'}, {"a": '""', "b": '"'}]


def test_another_quote_and_delimiter(write, read):
    write("a.csv", "a§b\n'x§''y'§2\n")
    assert read(Csv, path="a.csv", delimiter="§", quote="'").rows == [{"a": "x§'y", "b": 2}]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends(write, read, end, last):
    text = end.join(["a,b", "1,x", "", '2,"y, z"']) + (end if last else "")
    write("a.csv", text)
    outcome = read(Csv, path="a.csv")
    assert outcome.rows == [{"a": 1, "b": "x"}, {"a": 2, "b": "y, z"}]
    assert [(o["line"], o["offset"]) for o in outcome.origins] == [(2, text.index("1")), (4, text.index("2"))]


def test_a_carriage_return_inside_a_line_is_text(write, read):
    write("a.csv", 'a,b\n1,x\ry\n2,"x\r\ny"\n3,"q",\n')
    outcome = read(Csv, path="a.csv")
    assert outcome.values("b") == ["x\ry", "x\r\ny"]
    assert [(r.rule, r.line) for r in outcome.rejects] == [("too-many-fields", 5)]


@pytest.mark.parametrize(
    ("encoding", "option"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-8-sig", "UTF8"),
        ("utf-8-sig", "utf-8-sig"),
        ("latin-1", "latin-1"),
        ("cp1252", "windows-1252"),
        ("utf-16", "utf-16"),
        ("utf-16", "utf-8"),
        ("utf-16-le", "utf-16"),
        ("utf-16-be", "utf-16-be"),
    ],
)
def test_encodings(write, read, encoding, option):
    text = 'n,text\r\n1,"Käse, ""alt""\nund gut"\r\n2,ÿ\r\n'
    data = text.encode(encoding)
    write("a.csv", data)
    outcome = read(Csv, path="a.csv", encoding=option)
    assert outcome.rows == [{"n": 1, "text": 'Käse, "alt"\nund gut'}, {"n": 2, "text": "ÿ"}]
    assert [origin["line"] for origin in outcome.origins] == [2, 4]
    second = "2,ÿ".encode(encoding.removesuffix("-sig") if encoding != "utf-16" else "utf-16-le")
    assert data[outcome.origins[1]["offset"] :].startswith(second)


def test_wide_encodings_tell_bad_rows_too(write, read):
    # U+0A0A and U+0D0A hold bytes that look like line ends
    good, half = "1,\u0a0a\u0d0a\n", "2,x"
    data = b"\xff\xfe" + f"n,text\n{good}".encode("utf-16-le") + half.encode("utf-16-le") + b"\x00\xd8\n\x00"
    write("a.csv", data + "3,y\n4,\0\n5".encode("utf-16-le") + b"\x00")
    outcome = read(Csv, path="a.csv")
    assert [(row["n"], row["text"]) for row in outcome.rows] == [(1, "\u0a0a\u0d0a"), (3, "y")]
    assert [(r.rule, r.line) for r in outcome.rejects] == [("undecodable", 3), ("nul", 5), ("undecodable", 6)]


def test_a_bad_byte_spoils_only_its_row_in_any_encoding(write, read):
    write("a.csv", b"a\n" + "日本".encode("shift_jis") + b"\n\x81\nb\n")
    outcome = read(Csv, path="a.csv", encoding="shift_jis")
    assert outcome.values("a") == ["日本", "b"]
    assert [(r.rule, r.line) for r in outcome.rejects] == [("undecodable", 3)]


def test_the_first_thousand_rows_decide_in_looking_and_in_reading(write, read):
    numbers = count()
    write("a.csv", "a,b\n" + "".join(f"{next(numbers)},x\n" for _ in range(999)) + "1.5,x\ny,z\n")
    outcome = read(Csv, path="a.csv")
    assert outcome.types == {"a": "number", "b": "text"}
    assert [reject.line for reject in outcome.rejects] == [1002]


@pytest.mark.parametrize(
    ("content", "options", "option", "message", "help"),
    [
        ("", {}, "path", "a.csv is empty", "look at the file"),
        ("\n\n", {}, "path", "a.csv is empty", "look at the file"),
        ("a,b\n", {}, "path", "a.csv has a header but no row that can be read", "look at the file"),
        ("a,b,a\n1,2,3\n", {}, "path", "the header of a.csv has `a` twice (fields 1 and 3)", "`names`"),
        ("column_2,\n1,2\n", {}, "path", "the header of a.csv has `column_2` twice (fields 1 and 2)", "`names`"),
        ('"a,b\n1,2\n', {}, "path", "the header of a.csv (line 1) cannot be read: a quoted field opens here", ""),
        (b"\xff\n1\n", {}, "path", "the header of a.csv (line 1) cannot be read: byte 1 of the row (0xFF)", ""),
        ("rating,text\n1,2\n", {"columns": ["rtaing"]}, "columns", "no column `rtaing`", "did you mean `rating`?"),
        ("rating,text\n1,2\n", {"types": {"txt": "text"}}, "types", "no column `txt`", "did you mean `text`?"),
        ("rating,text\n1,2\n", {"columns": ["zzz"]}, "columns", "no column `zzz`", "its columns are: rating, text"),
        ("a,b\n1,2\n", {"names": ["x"]}, "names", "1 names, but the first row of a.csv has 2 fields", "name every"),
        ("a,b\n1,2\n", {"names": ["x", "x"]}, "names", "two columns are called `x`", "a name of its own"),
        ("a,b\n1,2\n", {"names": ["x", ""]}, "names", "a column has an empty name", "give every column a name"),
        ("_id,b\n1,2\n", {}, "columns", "a column cannot be called `_id`", "give it another name"),
        ("a\n1\n", {"delimiter": "||"}, "delimiter", "'||' is no delimiter", "give one character"),
        ("a\n1\n", {"delimiter": "\n"}, "delimiter", "is no delimiter", "give one character"),
        ("a\n1\n", {"quote": "''"}, "quote", "is no quote", "give one character"),
        ("a\n1\n", {"delimiter": '"'}, "quote", "the delimiter and the quote are the same character", ""),
        ("a\n1\n", {"delimiter": " ", "trim": True}, "trim", "there are none to trim", "leave it out"),
        ("a\n1\n", {"encoding": "utf-9"}, "encoding", 'there is no encoding "utf-9"', 'convert the file to "utf-8"'),
        ("a\n1\n", {"encoding": "utf-32"}, "encoding", 'files in the encoding "utf-32" cannot be read', "convert"),
        ("a\n1\n", {"encoding": "base64"}, "encoding", 'there is no encoding "base64"', "convert"),
    ],
)
def test_what_cannot_be_is_told(write, refused, content, options, option, message, help):
    write("a.csv", content)
    error = refused(Csv, path="a.csv", **options)
    assert error.option == option
    assert message in str(error)
    assert help in error.help


def test_a_column_with_a_reserved_name_can_be_left_out(write, read):
    write("a.csv", "_id,b\n1,2\n")
    assert read(Csv, path="a.csv", columns=["b"]).rows == [{"b": 2}]
