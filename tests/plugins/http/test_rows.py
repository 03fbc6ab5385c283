"""Rows of an answer: where they are, what type they have, where they came from, and those that cannot be rows."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ladle_http.source import Http

ROWS = [{"n": number} for number in range(3)]


def answer(*texts: str) -> bytes:
    return f"[{', '.join(texts)}]".encode()


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (ROWS, None),
        ({"items": ROWS}, "items"),
        ({"data": {"films": {"items": ROWS}}, "items": [{"n": 9}]}, "data.films.items"),
        ([{"page": 1, "pages": 1}, ROWS], "1"),
        ({"hits": [{"rows": [{"n": 9}]}, {"rows": ROWS}]}, "hits.1.rows"),
        ({"a ] , }": {"{[": '"'}, "é\\": {"": ROWS}}, "é\\."),
    ],
)
@pytest.mark.parametrize("indent", [None, 3])
def test_rows_are_found_by_a_path(api, read, document, path, indent):
    api.respond = lambda asked: json.dumps(document, indent=indent, ensure_ascii=False).encode()
    assert read(rows=path).rows == ROWS


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(VALUES, min_size=1, max_size=5),
    keys=st.lists(TEXTS.filter(lambda key: "." not in key), min_size=1, max_size=3).filter(lambda keys: keys != [""]),
    beside=st.dictionaries(TEXTS, VALUES, max_size=3),
    indent=st.none() | st.integers(0, 3),
    is_ascii=st.booleans(),
)
def test_rows_of_any_values_at_any_path_are_found(api, read, values, keys, beside, indent, is_ascii):
    document = [{"n": number, "value": value} for number, value in enumerate(values)]
    for key in reversed(keys):
        document = beside | {key: document}
    api.respond = lambda asked: json.dumps(document, indent=indent, ensure_ascii=is_ascii).encode()
    found = read(rows=".".join(keys), types={"value": "text"})
    assert found.values("n") == list(range(len(values)))
    as_text = [v if isinstance(v, str | None) else json.dumps(v, ensure_ascii=False) for v in values]
    assert found.values("value") == as_text


def test_of_a_key_that_is_given_twice_the_last_counts(api, read):
    api.respond = lambda asked: b'{"rows": [{"n": 7}], "rows": [{"n": 0}, {"n": 1}, {"n": 2}]}'
    assert read(rows="rows").rows == ROWS


def test_types_are_those_of_json_lines(api, read):
    rows = [
        {"text": "a", "whole": 1, "part": 1, "yes": True, "mixed": 1, "list": [1], "vector": [0.5], "record": {"a": 1}},
        {"text": None, "whole": 2, "part": 0.5, "yes": None, "mixed": "b", "list": [], "vector": None, "record": {}},
        {"mixed": {"c": [1, "é"]}, "only": None},
    ]
    api.respond = lambda asked: rows
    found = read()
    assert found.types == {
        "text": "text", "whole": "integer", "part": "number", "yes": "boolean", "mixed": "text", "list": "list",
        "vector": "vector", "record": "record", "only": "text",
    }  # fmt: skip
    assert found.values("mixed") == ["1", "b", '{"c": [1, "é"]}']
    assert found.values("part") == [1.0, 0.5, None]
    assert found.rejects == []


def test_columns_and_types_can_be_told_and_need_no_look(api, read):
    api.respond = lambda asked: [{"n": "1", "when": "2024-05-31", "x": 1}, {"n": 2, "y": 2}]
    found = read(columns=["n", "when"], types={"n": "text", "when": "time"})
    assert found.types == {"n": "text", "when": "time"}
    assert found.values("n") == ["1", "2"]


def test_rows_that_do_not_fit_are_rejected_with_their_page_position_and_bytes(api, read):
    texts = [
        '{"n":1}', '{"n": 2,  "n": 2}', "7", '{"n": NaN}', '{"n": "x"}', '{ "n": 12345678901234567890 }', '{"m": 1}',
        '{"n": "\\ud83d"}', '{"n":' + "[" * 65 + "]" * 65 + "}", '{"n": ' + "9" * 5000 + "}", "null", '{"n": 3}',
    ]  # fmt: skip
    api.each(answer(*texts), answer('{"n": 4}', "[]"), b"[]")
    found = read(pages={"by": "page"}, guess_rows=1)
    first, second = f"{api.url()}?page=1", f"{api.url()}?page=2"
    assert found.values("n") == [1, 3, 4]
    assert found.origins == [(first, 1), (first, 12), (second, 1)]
    told = {reject.line: (reject.rule, reject.raw) for reject in found.rejects if reject.file == first}
    rules = [
        "duplicate-key", "not-an-object", "not-finite", "wrong-type", "integer-too-large", "unknown-key",
        "half-character", "too-deep", "integer-too-large", "not-an-object",
    ]  # fmt: skip
    assert [told[line][0] for line in sorted(told)] == rules
    assert [told[line][1] for line in sorted(told)] == [text.encode() for text in texts[1:-1]]
    assert [(r.rule, r.line, r.raw, r.offset) for r in found.rejects if r.file == second] == [
        ("not-an-object", 2, b"[]", None)
    ]


def test_json_lines_are_rows_and_wrong_ones_rejects(api, read):
    api.respond = lambda asked: b'{"n": 0}\r\n\n  {"n": 1}\nbroken\n{"n": 2}'
    found = read(lines=True)
    assert found.rows == ROWS
    assert [line for _, line in found.origins] == [1, 3, 5]
    assert [(r.rule, r.line, r.raw) for r in found.rejects] == [("invalid-json", 4, b"broken")]
    assert api.asked[0].headers["accept"].startswith("application/x-ndjson")


def test_json_lines_come_in_pages_too(api, read):
    lines = [f'{{"n": {n}}}\n'.encode() for n in range(3)]
    api.respond = lambda asked: b"".join(lines[int(asked.query["offset"]) :][:2])
    assert read(lines=True, pages={"by": "offset"}).rows == ROWS


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [("", "utf-8"), ("", "utf-8-sig"), ("; charset=utf-8", "utf-8"), ('; charset="ISO-8859-1"', "latin-1"),
     ("; charset=nonsense", "utf-8"), ("; charset=utf-16", "utf-16")],
)  # fmt: skip
def test_the_encoding_is_utf_8_unless_the_answer_says_another(api, read, charset, encoding):
    body = '[{"text": "née"}]'.encode(encoding)
    api.respond = lambda asked: api.reply(body, headers={"Content-Type": f"application/json{charset}"})
    assert read().rows == [{"text": "née"}]


def test_more_rows_than_a_batch_holds_come_in_batches(api, read):
    api.respond = lambda asked: [{"n": n} for n in range(10_000)]
    assert read().values("n") == list(range(10_000))


@pytest.mark.parametrize(("text", "batches"), [("", 1), ("x" * 500_000, 2)])
def test_small_pages_are_joined_to_batches_that_are_not_large(api, text, batches):
    api.serve([{"n": n, "text": text} for n in range(24)], 2)
    options = {"url": api.url(), "allow_private": True, "rows": "data.items", "pages": {"by": "offset"}}
    found = list(Http.model_validate(options).read())
    assert [n for batch in found for n in batch["n"].to_pylist()] == list(range(24))
    assert len({file for batch in found for file in batch["_origin"].field("file").to_pylist()}) == 12
    assert len(found) == batches


def test_an_id_that_comes_again_is_rejected_and_one_that_is_missing(api, read):
    """An API whose rows shift while it is read gives some of them on two pages."""
    pages = [[{"id": 1}, {"id": 2}], [{"id": 2}, {"id": 3}], [{"id": None}, {"id": 4}], []]
    api.respond = lambda asked: pages[int(asked.query["page"]) - 1]
    found = read(pages={"by": "page"}, id=["id"])
    assert found.values("id") == [1, 2, 3, 4]
    assert [(r.rule, r.reason, r.file, r.line, r.raw) for r in found.rejects] == [
        ("duplicate", "a row with `id` 2 came before", f"{api.url()}?page=2", 1, b'{"id": 2}'),
        ("missing-id", "there is no value in `id`, which tells rows apart", f"{api.url()}?page=3", 1, b'{"id": null}'),
    ]


def test_several_columns_can_tell_rows_apart(api, read):
    api.respond = lambda asked: [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"b": "x", "a": 1, "c": 3}]
    found = read(id=["a", "b"])
    assert found.values("b") == ["x", "y", "x"]
    assert [reject.reason for reject in found.rejects] == ['a row with `a` 1, `b` "x" came before']


def test_ids_of_rows_follow_from_their_id_alone(api, run_recipe):
    recipe = f"""
        [data.r.source]
        use = "http"
        url = "{api.url()}"
        allow_private = true
        id = ["key"]
        as_of = "%s"
    """
    api.respond = lambda asked: [{"key": "a", "n": 1}, {"key": "b", "n": 2}]
    before = {row["key"]: row["_id"] for row in run_recipe(recipe % "Monday").rows()}
    api.respond = lambda asked: [{"key": "c", "n": 0}, {"key": "b", "n": 7}, {"key": "a", "n": 1, "new": True}]
    after = {row["key"]: row["_id"] for row in run_recipe(recipe % "Tuesday").rows()}
    assert {key: after[key] for key in "ab"} == before
    assert len(set(after.values())) == 3


@pytest.mark.parametrize(
    ("document", "options", "message", "help", "option"),
    [
        (
            {"data": {"items": ROWS}},
            {"rows": "data.itms"},
            "there is no `itms` in `data` of the answer of URL",
            'are the rows at rows = "data.items"?',
            "rows",
        ),
        (
            {"data": {"itmes": []}},
            {"rows": "data.items"},
            "there is no `items` in `data` of the answer of URL",
            "did you mean `itmes`?",
            "rows",
        ),
        (
            {"error": "quota", "code": 7},
            {"rows": "items"},
            "there is no `items` in the answer of URL",
            "there are: code, error",
            "rows",
        ),
        (
            {"items": 7},
            {"rows": "items.rows"},
            "there is no `rows` in `items` of the answer of URL",
            "it is a number",
            "rows",
        ),
        (
            {"count": 3, "results": ROWS},
            {},
            "the answer of URL is an object with the keys count, results, not a list",
            'are the rows at rows = "results"?',
            "url",
        ),
        ({"items": "x"}, {"rows": "items"}, "`items` of the answer of URL is a text, not a list", "", "rows"),
        ([], {}, "there are no rows", "look at what it answers, and at `parameters`", "url"),
        (
            {"items": None},
            {"rows": "items"},
            "there are no rows at `items`",
            "look at what it answers, and at `parameters`",
            "url",
        ),
        (
            [1, 2],
            {},
            "all rows are none that can be read: valid JSON, but no object",
            "look at what it answers, and at `parameters`",
            "url",
        ),
        (ROWS, {"id": ["m"]}, "the data has no column `m`", "its columns are: n", "id"),
        (ROWS, {"columns": ["m"]}, "the data has no column `m`", "its columns are: n", "columns"),
    ],
)  # fmt: skip
def test_rows_that_are_not_there_are_told(api, failure, document, options, message, help, option):
    api.respond = lambda asked: document
    error = failure(**options)
    assert (str(error).replace(api.url(), "URL"), error.help, error.option) == (message, help, option)
    assert len(api.asked) == 1


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_an_answer_of_nothing_is_no_json_and_no_json_lines(api, failure, body):
    api.respond = lambda asked: body
    assert str(failure(retries=0)) == f"the answer of {api.url()} is empty"
    assert str(failure(retries=0, lines=True)) == "there are no rows"
