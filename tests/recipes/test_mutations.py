"""Every shipped recipe with a mistake planted in it: no traceback, no hang, and the message names the right line.

By hand with more of them: `LADLE_MUTATIONS=20000 python -m pytest tests/recipes/test_mutations.py`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ladle.errors import Problem, RecipeError
from ladle.recipe import load
from ladle.recipe.spans import Place, find_places

RECIPES = Path(__file__).parents[2] / "recipes"
TEXTS = {path.name: path.read_text() for path in sorted(RECIPES.glob("*.toml"))}
MUTATIONS = int(os.environ.get("LADLE_MUTATIONS", "2000"))


def many(share: float) -> settings:
    """The settings of a test that has a share of the mutations; of misspelt keys and types there are not so many."""
    return settings(
        max_examples=int(MUTATIONS * share),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=MUTATIONS <= 2000,
    )


HOSTILE = st.sampled_from(
    [
        '""', '"\\u0000"', '"' + "x" * 10_000 + '"', '"\\u202Eevil"', '"💥"', '"../../../../etc/passwd"', '"/dev/null"',
        '"${HOME}"', '"${NOT_A_VARIABLE}"', '"$${HOME}"', '"%s%n"', '"{0.__class__}"', "'''\n'''", '"a\\tb"',
        '"C:\\\\x"',
        '"[bold]x[/bold]"', '"`use`"', '" "', '"."', '".."', '"NUL"', '"http://[::1"',
    ]
)  # fmt: skip
HUGE = st.sampled_from(
    ["1" + "0" * 400, "-1" + "0" * 30, "1e400", "-1e400", "inf", "-inf", "nan", "9" * 5000, "0x" + "f" * 300, "1e-400"]
)
NESTED = st.sampled_from(
    [
        "[" * 60 + "]" * 60,
        "[" * 5000 + "]" * 5000,
        "{ a = " * 80 + "1" + " }" * 80,
        "[{ a = [{ a = [] }] }]",
        "{}",
        "[]",
    ]
)
SIMPLE = st.sampled_from(["1", "-1", "0", "1.5", "true", '"x"', "[1]", '["x"]', "{ x = 1 }", "[{ x = 1 }]"])


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Problem] | None]:
    """Load a recipe's text where the data of the shipped ones are: its errors, or None if it has none."""
    folder = tmp_path_factory.mktemp("recipes")
    shutil.copytree(RECIPES / "data", folder / "data")

    def check(text: str) -> list[Problem] | None:
        (folder / "mutated.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            load(folder / "mutated.toml")
        except RecipeError as error:
            for problem in error.problems:
                assert problem.message
                assert problem.render()
            return [problem for problem in error.problems if problem.severity == "error"]
        return None

    return check


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


@st.composite
def places(draw: st.DrawFn, wanted: Callable[[tuple[Any, ...], Place], bool]) -> tuple[str, tuple[Any, ...], Place]:
    """The text of a shipped recipe and one of its places."""
    text = TEXTS[draw(st.sampled_from(sorted(TEXTS)))]
    found = sorted(((path, place) for path, place in find_places(text).items() if wanted(path, place)), key=repr)
    path, place = draw(st.sampled_from(found))
    return text, path, place


def is_option(path: tuple[Any, ...], place: Place) -> bool:
    """Whether a place is a key with a value of its own, in a table of a component, or at the top."""
    return place.key != place.value and isinstance(path[-1], str) and path not in (("name",), ("seed",))


@pytest.mark.slow
@many(0.15)
@given(at=places(is_option), data=st.data())
def test_a_misspelt_key(check, at, data):
    text, path, place = at
    start, end = place.key
    name = text[start:end]
    position = data.draw(st.integers(0, len(name) - 1))
    how = data.draw(st.sampled_from(["drop", "double", "swap", "replace"]))
    letters = list(name)
    if how == "drop" and len(name) > 1:
        del letters[position]
    elif how == "swap" and position + 1 < len(name) and name[position] != name[position + 1]:
        letters[position : position + 2] = letters[position + 1], letters[position]
    elif how == "double":
        letters.insert(position, name[position])
    else:
        letters[position] = "q"
    wrong = "".join(letters)
    if wrong[0] in "-_" or (*path[:-1], wrong) in find_places(text):
        return
    problems = check(text[:start] + wrong + text[end:])
    assert problems is not None, (path, wrong)
    at_line = [p for p in problems if p.span and p.span.line == line_of(text, start)]
    assert at_line, (path, wrong, problems)


@pytest.mark.slow
@many(0.1)
@given(at=places(is_option), value=st.sampled_from(["1979-05-27T07:32:00Z", "1979-05-27", "07:32:00"]))
def test_a_value_of_a_type_that_no_option_has(check, at, value):
    text, path, place = at
    start, end = place.value
    problems = check(text[:start] + value + text[end:])
    assert problems is not None, (path, value)
    assert any(p.span and p.span.line == line_of(text, start) for p in problems), (path, value, problems)


@pytest.mark.slow
@many(0.45)
@given(at=places(lambda path, place: True), value=HOSTILE | HUGE | NESTED | SIMPLE | st.text(max_size=30))
def test_a_hostile_value_in_any_place(check, at, value):
    """What comes of it is no matter of this test: but it is an answer, and if a whole line is wrong, one about it."""
    text, _, place = at
    start, end = place.value
    check(text[:start] + value + text[end:])


@pytest.mark.slow
@many(0.45)
@given(name=st.sampled_from(sorted(TEXTS)), data=st.data())
def test_lines_lost_doubled_or_mixed_up(check, name, data):
    lines = TEXTS[name].split("\n")
    number = data.draw(st.integers(0, len(lines) - 1))
    how = data.draw(st.sampled_from(["lose", "double", "cut", "move", "key twice"]))
    line = lines[number]
    if how == "lose":
        del lines[number]
    elif how == "double":
        lines.insert(number, line)
    elif how == "cut":
        lines[number] = line[: data.draw(st.integers(0, len(line)))]
    elif how == "move":
        lines.insert(data.draw(st.integers(0, len(lines) - 1)), lines.pop(number))
    text = "\n".join(lines)
    problems = check(text)
    is_pair = "=" in line and not line.lstrip().startswith(("#", "[")) and tomli_reads(line)
    if how == "double" and is_pair:
        assert problems is not None
        assert [p.span.line for p in problems if p.span] == [number + 2], (name, line, problems)


def tomli_reads(line: str) -> bool:
    try:
        return bool(tomli.loads(line))
    except tomli.TOMLDecodeError:
        return False
