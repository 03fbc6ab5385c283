"""Where keys and values stand: for any TOML document, every path of the parsed document has its place."""

from __future__ import annotations

import datetime
import json
import math
from typing import Any

import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle.recipe.spans import find_places

characters = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])
texts = st.text(characters, max_size=8)
bare_keys = st.text("abcXYZ019_-", min_size=1, max_size=4)


def _basic(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _escaped(text: str) -> str:
    return '"' + "".join(f"\\U{ord(c):08x}" for c in text) + '"'


def _literal(text: str) -> str:
    return f"'{text}'" if "'" not in text else _basic(text)


def _multi_line(text: str) -> str:
    inner = text.replace("\\", "\\\\").replace('"""', '""\\"')
    inner = inner[:-1] + '\\"' if inner.endswith('"') else inner
    return f'"""\n{inner}\n\\\n   # no comment ] }} = \n"""'


def _multi_line_literal(text: str) -> str:
    return f"'''{text}\n'a' \"b\" \\ ''''" if "'''" not in text and not text.endswith("'") else _basic(text)


@st.composite
def keys(draw) -> str:
    return draw(
        st.one_of(bare_keys, st.builds(lambda t, q: q(t), texts, st.sampled_from([_basic, _escaped, _literal])))
    )


def _key_of(written: str) -> str:
    return next(iter(tomli.loads(f"{written} = 1")))


strings = st.builds(
    lambda text, write: write(text),
    texts,
    st.sampled_from([_basic, _escaped, _literal, _multi_line, _multi_line_literal]),
)
numbers = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["nan", "-inf", "+inf", "0xDEAD_beef", "0o17", "0b1010", "1_000", "6.02e+23", "-0"]),
)
times = st.one_of(
    st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)).map(lambda t: t.isoformat(" ")),
    st.dates().map(str),
    st.times().map(str),
    st.just("1979-05-27T00:32:00.999-07:00"),
)
scalars = st.one_of(strings, numbers, times, st.sampled_from(["true", "false"]))
gaps = st.sampled_from(["", " ", "\t"])
wide_gaps = st.sampled_from(["", " ", "\n", "\n  # a comment, with ] and }\n", "#\n"])


@st.composite
def arrays(draw, values) -> str:
    items = draw(st.lists(values, max_size=3))
    parts = [draw(wide_gaps) + item + draw(wide_gaps) for item in items]
    comma = draw(st.sampled_from(["", ","])) if items else ""
    return "[" + ",".join(parts) + comma + draw(wide_gaps) + "]"


@st.composite
def inline_tables(draw, values) -> str:
    entries = draw(st.lists(st.tuples(keys(), values), max_size=3, unique_by=lambda entry: _key_of(entry[0])))
    parts = [draw(gaps) + key + draw(gaps) + "=" + draw(gaps) + value + draw(gaps) for key, value in entries]
    return "{" + ",".join(parts) + "}"


values = st.recursive(scalars, lambda inner: st.one_of(arrays(inner), inline_tables(inner)), max_leaves=6)


@st.composite
def blocks(draw, number: int) -> str:
    """A header, and pairs under keys that are a block's own, so that no block defines another's table again."""
    name = f"t{draw(st.integers(0, number))}"
    path = [name, *draw(st.lists(keys(), max_size=2))]
    gap = draw(gaps)
    dots = f"{gap}.{draw(gaps)}".join(path)
    header = draw(st.sampled_from(["[[{}]]", "[{}]"])).format(gap + dots + gap)
    pairs = draw(st.lists(st.tuples(st.lists(keys(), min_size=1, max_size=3), values), max_size=3))
    lines = [header + draw(st.sampled_from(["", "  # [a comment]"]))]
    lines += [f"{draw(gaps)}{'.'.join(key)}{draw(gaps)}={draw(gaps)}{value}{draw(gaps)}" for key, value in pairs]
    return "\n".join(lines) + draw(st.sampled_from(["\n", "\n\n", "\n# between\n"]))


@st.composite
def documents(draw) -> str:
    text = ""
    for number in range(draw(st.integers(1, 5))):
        longer = text + draw(blocks(number))
        try:
            tomli.loads(longer)
        except tomli.TOMLDecodeError:  # a key or a table twice
            continue
        text = longer
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def _paths(value: Any, path: tuple[str | int, ...] = ()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key), inner
        yield from _paths(inner, (*path, key))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(_same, a, b))
    return type(a) is type(b) and (a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b)))


@settings(deadline=None)
@given(documents())
def test_every_path_has_its_place_and_its_text_is_its_value(text):
    places = find_places(text)
    document = tomli.loads(text)
    paths = dict(_paths(document))
    assert set(paths) == set(places)
    for path, value in paths.items():
        place = places[path]
        key, written = text[slice(*place.key)], text[slice(*place.value)]
        if place.key != place.value:
            assert _key_of(key) == path[-1]
            assert _same(tomli.loads(f"v = {written}")["v"], value)
        elif isinstance(value, dict | list) and key.startswith("["):  # a header, or an item of an array
            assert "]" in key
        elif isinstance(path[-1], int):
            assert _same(tomli.loads(f"v = {written}")["v"], value)
        else:  # the first part of a dotted key
            assert _key_of(key) == path[-1] or key.startswith("{")


def test_the_tables_of_an_array_have_their_own_places():
    text = '[[a]]\nx = 1\n[[a]]\nx = 2\n[a.b]\ny = "z"\n'
    places = find_places(text)
    assert text[slice(*places["a", 1, "x"].value)] == "2"
    assert text[slice(*places["a", 1, "b", "y"].value)] == '"z"'
    assert ("a", 0, "b") not in places


def test_a_table_without_a_header_of_its_own_has_the_place_of_the_first_inside_it():
    text = "# first\n[data.reviews.split]\ntest = 0.2\n"
    places = find_places(text)
    assert text[slice(*places["data", "reviews"].key)] == "[data.reviews.split]"
