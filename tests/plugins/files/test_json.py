"""Rows from JSON lines and from JSON documents."""

from __future__ import annotations

import json
import tempfile
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import OptionError
from ladle_files.json_source import Json
from ladle_files.jsonl_source import JsonLines

GOOD = b'{"n": 1, "x": 2.5, "text": "a", "tags": ["t"], "who": {"name": "N", "age": 3}}'
DEEP = b'{"n": 1, "tags": ' + b"[" * 70 + b"]" * 70 + b"}"
BAD = [
    (b'{"n": 1', "invalid-json", "no valid JSON: Expecting ',' delimiter (character 8)"),
    (b"{'n': 1}", "invalid-json", "property name enclosed in double quotes (character 2)"),
    (b'{"n": 1} x', "invalid-json", "something follows the value (character 9)"),
    (b'{"text": "a\tb"}', "invalid-json", "Invalid control character"),
    (b"nothing", "invalid-json", "Expecting value (character 1)"),
    (b"[1]", "not-an-object", "no object"),
    (b"null", "not-an-object", "no object"),
    (b'{"n": 1, "n": 2}', "duplicate-key", "the key `n` is given twice"),
    (b'{"who": {"name": "a", "name": "b"}}', "duplicate-key", "the key `name` is given twice"),
    (b'{"x": NaN}', "not-finite", "NaN is no JSON value"),
    (b'{"x": -Infinity}', "not-finite", "-Infinity is no JSON value"),
    (b'{"x": 1e999}', "not-finite", "column `x`: Infinity is larger than any number"),
    (b'{"text": "caf\xe9"}', "undecodable", "byte 14 of the row (0xE9) is no utf-8"),
    (b'{"text": "a\0"}', "nul", "NUL character"),
    (b'{"text": "\\ud83d"}', "half-character", "only half of a character"),
    (DEEP, "too-deep", "more than 64 deep"),
    (b'{"n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too-deep", "nested too deep"),
    (b'{"n": 9223372036854775808}', "integer-too-large", "outside of the 64 bits"),
    (b'{"n": ' + b"1" * 5000 + b"}", "integer-too-large", "thousands of digits"),
    (b'{"n": "1"}', "wrong-type", 'column `n`: "1" is text, expected integer'),
    (b'{"n": 1.5}', "wrong-type", "column `n`: 1.5 is number, expected integer"),
    (b'{"n": true}', "wrong-type", "true is boolean, expected integer"),
    (b'{"text": 5}', "wrong-type", "column `text`: 5 is integer, expected text"),
    (b'{"text": {"a": 1}}', "wrong-type", '{"a": 1} is record, expected text'),
    (b'{"tags": "t"}', "wrong-type", "is text, expected list"),
    (b'{"tags": [1]}', "wrong-type", "1 is integer, expected text"),
    (b'{"who": {"name": 1}}', "wrong-type", "1 is integer, expected text"),
    (b'{"who": {"height": 1}}', "unknown-key", '"height" is a key that its first rows do not have'),
    (b'{"m": 1}', "unknown-key", "the first 1 rows have no key `m`; set `guess_rows` higher"),
    (b'{"text": "' + b"a" * 300_000 + b'"}', "too-long", "max_row_bytes (250,000)"),
]


def test_bad_lines_among_good_ones_are_told_one_by_one(write, read):
    data, expected, good_at = GOOD + b"\n \n", [], [(1, 0)]
    for bad, rule, reason in BAD:
        expected.append((data.count(b"\n") + 1, len(data), rule, reason, bad))
        data += bad + b"\n"
        good_at.append((data.count(b"\n") + 1, len(data)))
        data += GOOD + b"\r\n"
    write("a.jsonl", data)
    outcome = read(JsonLines, path="a.jsonl", guess_rows=1, max_row_bytes=250_000)
    assert [(o["line"], o["offset"]) for o in outcome.origins] == good_at
    assert outcome.rows == [json.loads(GOOD)] * len(good_at)
    for reject, (line, offset, rule, reason, raw) in zip(
        sorted(outcome.rejects, key=lambda reject: reject.line), expected, strict=True
    ):
        assert (reject.line, reject.offset, reject.rule) == (line, offset, rule)
        assert reason in reject.reason
        assert reject.raw == (raw if rule != "too-long" else raw[:1000])


def lines(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


def test_types_are_those_of_the_first_rows(write, read):
    write(
        "a.jsonl",
        lines(
            {"n": 1, "x": 1, "ok": True, "v": [1, 2.5], "tags": ["a"], "who": {"age": 1}, "nothing": None, "mixed": 1},
            {"n": 2, "x": 0.5, "ok": None, "v": [], "tags": [], "who": {"name": "N"}, "mixed": "a", "late": 5},
            {"mixed": {"a": [1, "ü"]}},
        ),
    )
    outcome = read(JsonLines, path="a.jsonl")
    assert outcome.types == {
        "n": "integer",
        "x": "number",
        "ok": "boolean",
        "v": "vector",
        "tags": "list",
        "who": "record",
        "nothing": "text",
        "mixed": "text",
        "late": "integer",
    }
    assert outcome.values("x") == [1.0, 0.5, None]
    assert outcome.values("v") == [[1.0, 2.5], [], None]
    assert outcome.values("who") == [{"age": 1, "name": None}, {"age": None, "name": "N"}, None]
    assert outcome.values("mixed") == ["1", "a", '{"a": [1, "ü"]}']
    assert outcome.rejects == []


def test_types_that_are_told_are_not_guessed(write, read):
    write("a.jsonl", lines({"when": "2024-05-31T10:00:00Z", "x": 1, "id": 7, "v": [1]}, {"when": "soon", "id": "b"}))
    outcome = read(JsonLines, path="a.jsonl", types={"when": "time", "x": "number", "id": "text", "v": "vector"})
    assert outcome.types == {"when": "time", "x": "number", "id": "text", "v": "vector"}
    assert outcome.rows == [{"when": datetime(2024, 5, 31, 10), "x": 1.0, "id": "7", "v": [1.0]}]
    assert [(r.rule, r.line) for r in outcome.rejects] == [("bad-time", 2)]


def test_keys_that_are_not_kept_reject_nothing(write, read):
    write("a.jsonl", lines({"a": 1, "b": 2}, {"a": 2, "b": "x", "c": 3}))
    assert read(JsonLines, path="a.jsonl", columns=["a"], guess_rows=1).rows == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings(write, read, encoding):
    write("a.jsonl", '{"a": "Käse"}\n{"a": "ß"}\n'.encode(encoding))
    write("a.json", '[{"a": "Käse"},\n{"a": "ß"}]\n'.encode(encoding))
    for source, path in ((JsonLines, "a.jsonl"), (Json, "a.json")):
        outcome = read(source, path=path, encoding=encoding)
        assert outcome.values("a") == ["Käse", "ß"]
        data = write("b", '{"a": "ß"}'.encode("utf-16-le" if encoding == "utf-16" else encoding.removesuffix("-sig")))
        raw = (data.parent / path).read_bytes()
        assert raw[outcome.origins[1]["offset"] :].startswith(data.read_bytes())


def test_a_document_is_an_array(write, read):
    write("a.json", '\n[ {"n": 1},\n  {"n": 2,\n "n": 3}, 5, {"n": NaN},\n{"n": "ä"}, {"n": 4}\n]\n')
    outcome = read(Json, path="a.json", guess_rows=1)
    assert outcome.values("n") == [1, 4]
    assert [(o["line"], o["offset"]) for o in outcome.origins] == [(2, 3), (5, 62)]
    assert sorted((r.line, r.rule, r.raw) for r in outcome.rejects) == [
        (3, "duplicate-key", b'{"n": 2,\n "n": 3}'),
        (4, "not-an-object", b"5"),
        (4, "not-finite", b'{"n": NaN}'),
        (5, "wrong-type", '{"n": "ä"}'.encode()),
    ]


def test_a_document_can_have_the_array_under_a_key(write, read):
    write("a.json", '{"about": {"rows": []}, "rows": [{"n": 1}, {"n": 2}], "more": 1}')
    assert read(Json, path="a.json", at="rows").values("n") == [1, 2]


@pytest.mark.parametrize(
    ("content", "options", "option", "message", "help"),
    [
        ('{"rows": [{"n": 1}]}', {}, "path", "a.json is an object, not an array of objects", 'at = "rows"'),
        ('{"n": 1}', {}, "path", "a.json is an object, not an array of objects", "none of its keys holds an array"),
        ('{"rows": []}', {"at": "row"}, "at", "a.json has no key `row`", "did you mean `rows`?"),
        ('{"rows": 1}', {"at": "rows"}, "at", "the key `rows` of a.json holds no array of objects", ""),
        ("[]", {"at": "rows"}, "at", "a.json is no object", "leave `at` out"),
        ("5", {}, "path", "a.json is no array of objects", ""),
        ("[]", {}, "path", "a.json has no object that can be read", "look at the file"),
        ("", {}, "path", "a.json is no array of objects", ""),
        ('[{"n": 1}\n{"n": 2}]', {"guess_rows": 2}, "path", "expected `,` (line 2, column 1)", 'use = "jsonl"'),
        ('[{"n": 1},]', {}, "path", "a comma, but no value after it (line 1, column 11)", "mend the file"),
        ('[{"n": }]', {}, "path", "a.json is no valid JSON: Expecting value (line 1, column 8)", "mend the file"),
        ('[{"n": 1}] x', {}, "path", "something follows the array (line 1, column 12)", "mend the file"),
        ('{a: 1}', {"at": "a"}, "path", "expected a key in quotes (line 1, column 2)", "mend the file"),
        (b'[{"n": "\xe9"}]', {}, "encoding", "a.json is not all utf-8", "name its encoding"),
        ('[{"rating": 1}]', {"columns": ["ratin"]}, "columns", "no column `ratin`", "did you mean `rating`?"),
        ('[{"rating": 1}]', {"types": {"x": "text"}}, "types", "no column `x`", "its columns are: rating"),
        ('[{"_id": {"$oid": "1"}}]', {}, "columns", "a column cannot be called `_id`", "name the columns to keep"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(write, refused, content, options, option, message, help):
    write("a.json", content)
    error = refused(Json, path="a.json", **options)
    assert error.option == option
    assert message in str(error)
    assert help in error.help


def test_a_document_that_is_broken_late_is_an_error_in_reading(write, read):
    write("a.json", '[{"n": 1}, {"n": 2},\n {"n": ]')
    with pytest.raises(OptionError, match=r"a\.json is no valid JSON: Expecting value \(line 2, column 8\)"):
        read(Json, path="a.json", guess_rows=1)


def test_lines_without_an_object_are_told(write, refused):
    write("a.jsonl", "\n[1]\n")
    assert str(refused(JsonLines, path="a.jsonl")) == (
        "a.jsonl has no object that can be read (line 2: valid JSON, but no object)"
    )


scalars = st.one_of(st.none(), st.text(max_size=5), st.integers(-(2**63), 2**63 - 1), st.booleans())
objects = st.fixed_dictionaries(
    {
        "a": st.text(max_size=5),
        "b": st.integers(-(2**63), 2**63 - 1),
        "c": st.floats(allow_nan=False, allow_infinity=False),
    },
    optional={
        "d": st.lists(st.booleans(), max_size=3),
        "e": st.fixed_dictionaries({"f": st.text(max_size=3)}),
        "g": scalars,
    },
)


@given(rows=st.lists(objects, min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_any_objects_are_read_as_they_were_written(read_in, rows):
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "a.jsonl").write_text(lines(*rows))
        (Path(name) / "a.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False))
        for source, path in ((JsonLines, "a.jsonl"), (Json, "a.json")):
            outcome = read_in(source, Path(name), path=path)
            assert outcome.rejects == []
            for found, row in zip(outcome.rows, rows, strict=True):
                assert {key: found[key] for key in "abc"} == {key: row[key] for key in "abc"}
                assert found.get("d") == row.get("d")
                assert found.get("e") == row.get("e")
