"""`ladle run --locked`: what an earlier run ran, from what it was made from, or a refusal that says what differs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

MILD = """
from typing import Annotated
from ladle import Changes, Cleaner, hookimpl

class Mild(Cleaner):
    "Write a text column in small letters."

    column: Annotated[str, Changes("text")] = "text"

    def clean_row(self, row):
        return row | {self.column: row[self.column].lower()}

@hookimpl
def ladle_cleaners():
    return {"mild": Mild}
"""

RECIPE = """
[data.r.split]
test = 0.25

[[data.r.clean]]
use = "mild"

[[data.r.clean]]
use = "drop"
word = "row 1"

[[train]]
use = "guess"
data = "r"
"""


@pytest.fixture
def plugin(install):
    """Install one version of the plugin `ladle-mild` in the place of another."""

    def at(version: str) -> None:
        site = install("ladle-mild", MILD, version)
        for other in site.glob("ladle_mild-*.dist-info"):
            if other.name != f"ladle_mild-{version}.dist-info":
                shutil.rmtree(other)

    return at


@pytest.fixture
def ran(ladle, recipe, plugin):
    """The recipe has run, as `recipe-1`."""
    plugin("0.3")
    path = recipe(RECIPE)
    assert ladle("run", path, "--json").code == 0
    return path


def refused(*differences: str) -> str:
    return "".join(
        f"error: not as it was in recipe-1: {what}\n  help: run its recipe without --locked if that is meant\n"
        for what in differences
    )


def change_lock(**values) -> None:
    """Let the run's lock say something else than what is installed."""
    path = Path("runs/recipe-1/lock.json")
    lock = json.loads(path.read_text())
    for about, value in values.items():
        lock[about] = lock[about] | value if isinstance(value, dict) else value
    path.write_text(json.dumps(lock))


def test_what_is_as_it_was_has_nothing_to_be_done(ladle, ran):
    for name in ("recipe-1", "recipe", "runs/recipe-1"):
        answer = ladle("run", "--locked", name, "--json")
        assert (answer.code, answer.json["run"]) == (0, "recipe-1")
        assert answer.err == "recipe-1: nothing to be done, every stage is as it was\n"


@pytest.mark.parametrize("what", ["gone", "changed", "no recipe"])
def test_the_recipe_file_itself_plays_no_part(ladle, ran, what):
    if what == "gone":
        Path(ran).unlink()
    else:
        Path(ran).write_text(RECIPE.replace("row 1", "row 2") if what == "changed" else "no recipe")
    assert ladle("run", "--locked", "recipe-1", "--json").json["run"] == "recipe-1"


def test_what_the_store_has_lost_is_worked_out_as_it_was(ladle, ran):
    Path(ran).unlink()
    before = ladle("show", "recipe-1", "--json").json
    shutil.rmtree("runs/.store")
    again = ladle("run", "--locked", "recipe-1", "--json").json
    assert {stage["status"] for stage in again["stages"]} == {"done"}
    rows = [[(stage["rows_in"], stage["rows_out"]) for stage in outcome["stages"]] for outcome in (before, again)]
    assert rows[0] == rows[1]
    assert again["metrics"]["guess"]["test"] == before["metrics"]["guess"]["test"]


def test_settings_are_those_of_the_run(ladle, ran):
    setting = "data.r.clean.drop.word=row 2"
    assert ladle("run", ran, "--set", setting, "--json").json["run"] == "recipe-2"
    Path(ran).unlink()
    assert ladle("run", "--locked", "recipe-2", "--json").json["run"] == "recipe-2"
    assert ladle("run", "--locked", "recipe-1", "--json").json["run"] == "recipe-1"


def test_data_that_has_changed(ladle, ran):
    with Path("rows.jsonl").open("a") as file:
        file.write('{"text": "one more", "n": 7}\n')
    answer = ladle("run", "--locked", "recipe-1")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == refused("r.source: the content of rows.jsonl changed")
    assert [path.name for path in Path("runs").glob("recipe-*")] == ["recipe-1"]


def test_data_that_is_gone(ladle, ran):
    Path("rows.jsonl").unlink()
    answer = ladle("run", "--locked", "recipe-1")
    assert answer.code == 2
    assert "recipe.toml:3:8: error: no such file or folder: rows.jsonl\n" in answer.err


def test_another_version_of_a_plugin(ladle, ran, plugin):
    plugin("0.4")
    answer = ladle("run", "--locked", "recipe-1")
    assert answer.code == 2
    assert answer.err == refused("ladle-mild changed: 0.3 -> 0.4")


def test_another_version_of_a_library_or_of_python(ladle, ran):
    now = json.loads(Path("runs/recipe-1/lock.json").read_text())
    change_lock(libraries={"torch": "1.0", "numpy": "0.9", "jax": "0.1"}, python="3.9.0")
    answer = ladle("run", "--locked", "recipe-1")
    assert answer.code == 2
    assert answer.err == refused(
        f"torch changed: 1.0 -> {now['libraries']['torch']}",
        f"numpy changed: 0.9 -> {now['libraries']['numpy']}",
        "jax is gone: 0.1",
        f"python changed: 3.9.0 -> {now['python']}",
    )


def test_everything_that_differs_is_told_at_once_and_to_programs_as_a_list(ladle, ran, plugin):
    plugin("0.4")
    Path("rows.jsonl").write_text('{"text": "one", "n": 1}\n')
    answer = ladle("run", "--locked", "recipe", "--json")
    assert (answer.code, answer.err) == (2, "")
    assert [problem["code"] for problem in answer.json] == ["locked", "locked"]
    assert [problem["message"].removeprefix("not as it was in recipe-1: ") for problem in answer.json] == [
        "r.source: the content of rows.jsonl changed",
        "ladle-mild changed: 0.3 -> 0.4",
    ]


def test_another_machine_is_no_difference(ladle, ran):
    change_lock(machine={"system": "another", "processors": 1024})
    assert ladle("run", "--locked", "recipe-1").code == 0


def test_it_can_be_explained(ladle, ran):
    shutil.rmtree("runs/.store")
    answer = ladle("run", "--locked", "recipe-1", "--explain")
    assert answer.code == 0
    assert answer.out.startswith("recipe: 5 of 5 stages would be worked out\n")
    assert "the store does not have its outcome" in answer.out
    assert not Path("runs/.store/stages").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["recipe.toml", "--locked", "recipe-1"], "give recipes to run, or --locked RUN"),
        (["--locked", "recipe-1", "--set", "seed=1"], "--locked runs a recipe as it was; --set would change it"),
        (["--locked", "recipe-2"], "no run `recipe-2` in runs"),
    ],
)
def test_what_does_not_go_with_it(ladle, ran, arguments, said):
    answer = ladle("run", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
