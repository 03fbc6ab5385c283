"""Example tables: valid TOML whatever the options are, and right once the placeholders are filled in."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from ladle.components import Cleaner
from ladle.drafts.example import example, header, option, prose, toml
from ladle.options import DataName, ModelChoice, Usual
from ladle.registry import PluginError, installed

OURS = [offer for offer in installed().offers if offer.plugin.name.startswith("ladle")]


def uncommented(text):
    """The text with every option set."""
    return re.sub(r"^#(?! )", "", text, flags=re.MULTILINE)


def table(text):
    """The one table of an example."""
    found = tomli.loads(text)
    while "use" not in found:
        [found] = found if isinstance(found, list) else found.values()
    return found


def options(text):
    return {key: value for key, value in table(uncommented(text)).items() if key != "use"}


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    least: int = Field(ge=3)
    word: Literal["b", "a"]


class Tree(BaseModel):
    branches: list[Tree] | None = None
    trunk: Tree | None = None


class Everything(Cleaner):
    """Has an option of every kind.

    And this is no part of the example.
    """

    text: str = Field(description="Any text.")
    count: int = Field(gt=4)
    share: float = Field(gt=0, lt=1)
    usual: Annotated[float, Usual(2, 8)]
    limit: Annotated[int | None, Usual(2, 8)] = Field(default=None, description="A limit.")
    flag: bool
    way: Literal["up", "down"] = Field(description="Where to go.")
    told: Literal["up", "down"] = Field(default="up", description="Goes `up` or `down`.")
    names: list[str]
    pair: list[int] = Field(min_length=2)
    inner: Inner
    table: dict[str, int]
    mixed: int | str
    rows: DataName
    start: ModelChoice = Field(alias="model")
    shown: str = Field(examples=["like this"])
    tree: Tree
    quoted: str = Field(default='a "b"\n\x7f\\c', description="Holds what\nhas to be escaped.\x00")
    tiny: float = 1e-9
    long: list[str] = [f"item {number}" for number in range(30)]
    odd: str = Field(default="x", alias="an odd name")
    nothing: str | None = None
    any: Any = None


def test_needed_options_are_filled_in_as_they_may_be():
    found = table(example(Everything, "everything", "mine"))
    assert found == {
        "use": "everything",
        "text": "…",
        "count": 5,
        "share": 0.5,
        "usual": 4,
        "flag": True,
        "way": "up",
        "names": ["…"],
        "pair": [1, 1],
        "inner": {"least": 3, "word": "b"},
        "table": {"NAME": 1},
        "mixed": 1,
        "rows": "mine",
        "model": {"pretrained": "…"},
        "shown": "like this",
        "tree": {"branches": ["…"]},
    }


def test_other_options_are_there_with_their_defaults():
    found = options(example(Everything, "everything"))
    assert list(found)[-8:] == ["limit", "told", "quoted", "tiny", "long", "an odd name", "nothing", "any"]
    assert (found["quoted"], found["tiny"], found["limit"]) == ('a "b"\n\x7f\\c', 1e-9, 4)
    assert found["long"] == [f"item {number}" for number in range(30)]
    assert (found["an odd name"], found["nothing"], found["any"]) == ("x", "…", "…")


def test_the_comments_say_what_there_is_to_know():
    text = example(Everything, "everything")
    assert text.startswith('# Has an option of every kind.\n[[data.NAME.clean]]\nuse = "everything"\n')
    assert "no part" not in text
    assert 'text = "…"                      # Any text.\n' in text
    assert "#limit = 4                      # A limit. Not set by default.\n" in text
    assert 'way = "up"                      # Where to go ("up", "down").\n' in text
    assert '#told = "up"                    # Goes `up` or `down`.\n' in text
    assert max(map(len, text.splitlines())) <= 100


def test_values_and_notes_take_the_place_of_what_would_be_there():
    text = example(Everything, "everything", values={"told": "down", "text": "hello"}, notes={"told": "As it is."})
    assert table(text) | {"told": "down", "text": "hello"} == table(text)
    assert 'told = "down"                   # As it is.\n' in text


def test_a_short_table_has_the_beginning_of_each_description():
    class Said(Cleaner):
        """Says much."""

        one: str = Field(default="a", description="The first; or else.")
        two: str = Field(default="b", description="Such as data/*.gz. Or not.")
        three: str = "c"

    assert example(Said, "said", is_short=True) == (
        "# Says much.\n"
        "[[data.NAME.clean]]\n"
        'use = "said"\n'
        '#one = "a"                      # The first.\n'
        '#two = "b"                      # Such as data/*.gz.\n'
        '#three = "c"\n'
    )


@pytest.mark.parametrize("offer", OURS, ids=lambda offer: f"{offer.kind} {offer.use}")
def test_examples_of_all_components_are_toml_set_or_not(offer):
    try:
        component = offer.load()
    except PluginError:
        pytest.skip("broken on purpose")
    text = example(component, offer.use)
    schema = component.model_json_schema()
    assert set(table(text)) == {"use", *schema.get("required", ())}
    assert set(options(text)) == set(schema.get("properties", {}))


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("source", "[data.NAME.source]"),
        ("split", "[data.NAME.split]"),
        ("clean", "[[data.NAME.clean]]"),
        ("write", "[[data.NAME.write]]"),
        ("trainer", "[[train]]"),
        ("technique", "[[train.technique]]"),
    ],
)
def test_headers(kind, line):
    assert header(kind) == line


def test_a_data_set_with_an_odd_name_is_quoted():
    assert header("clean", "my rows") == '[[data."my rows".clean]]'


json_values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=8,
)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(value=json_values)
def test_values_are_the_same_in_toml(value):
    assert tomli.loads(f"key = {toml(value)}") == {"key": value}


@given(name=texts, value=json_values, note=texts, is_set=st.booleans())
def test_an_option_is_toml_set_or_not(name, value, note, is_set):
    text = "\n".join(option(name, value, note, is_set))
    assert tomli.loads(text) == ({name: value} if is_set else {})
    assert tomli.loads(uncommented(text)) == {name: value}


@given(text=texts)
def test_prose_is_a_comment(text):
    assert tomli.loads("\n".join(prose(text))) == {}
    assert uncommented("\n".join(prose(text))) == "\n".join(prose(text))


def test_nulls_are_left_out():
    assert toml({"a": None, "b": [1, None]}) == "{ b = [1] }"
