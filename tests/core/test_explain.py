"""Which stages would be worked out, and the reasons that are told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ladle.explain import explain
from ladle.graph import stages_of
from ladle.recipe import load
from ladle.runs import Runs

BANDS = """
[[data.r.clean]]
use = "drop"
word = "{word}"

[[data.r.label]]
use = "bands"
column = "n"
bands = [{{ label = "low", below = {below}.0 }}, {{ label = "high", below = 99.0 }}]

[[data.r.write]]
use = "toy-json"
path = "out.json"
"""


@pytest.fixture
def why(recipe):
    """The reasons for every stage of a recipe that would be worked out."""

    def ask(text: str, name: str = "recipe.toml") -> dict[str, list[str]]:
        runs = Runs(Path("runs"))
        loaded, _ = load(recipe(text, name))
        told = explain(loaded, stages_of(loaded, runs.store), runs)
        return {entry.stage.name: entry.reasons for entry in told if not entry.is_done}

    return ask


def text(word: str = "ROW 1", below: int = 3) -> str:
    return BANDS.format(word=word, below=below)


def test_a_recipe_that_never_ran(why):
    new = ["it has not been worked out before"]
    assert why(text()) == {"r.source": new, "r.clean.1": new, "r.label.1": new, "r.write.1": new}


def test_nothing_to_be_done(work, why):
    work(text())
    assert why(text()) == {}
    assert why(text() + "# a comment") == {}


def test_a_changed_option_and_what_depends_on_it(work, why):
    work(text())
    assert why(text(word="ROW 2")) == {
        "r.clean.1": ["word changed: ROW 1 -> ROW 2"],
        "r.label.1": ["what it reads changed: r.clean.1"],
        "r.write.1": ["what it reads changed: r.label.1"],
    }
    assert why(text(below=5)) == {
        "r.label.1": ["bands.0.below changed: 3.0 -> 5.0"],
        "r.write.1": ["what it reads changed: r.label.1"],
    }


def test_changed_data(work, why, folder):
    work(text())
    with (folder / "rows.jsonl").open("a") as file:
        file.write('{"text": "one more", "n": 7}\n')
    assert why(text())["r.source"] == ["the content of rows.jsonl changed"]


def test_another_component_in_a_place(work, why):
    work('[[data.r.clean]]\nuse = "shout"\n')
    assert why('[[data.r.clean]]\nuse = "drop"\nword = "a"\n') == {
        "r.clean.1": ["use changed: ladle-toys:shout -> ladle-toys:drop"]
    }


def test_a_written_file_that_is_gone(work, why, folder):
    work(text())
    (folder / "out.json").unlink()
    assert why(text()) == {"r.write.1": [f"{folder / 'out.json'} is gone, or is not what was written"]}


def test_an_outcome_that_was_pruned_or_never_finished(work, why):
    done = work(text())
    clean = done.stage_folder("r.clean.1")
    begun = done.store.root / "work" / clean.name
    shutil.move(clean, begun)
    assert why(text()) == {"r.clean.1": ["it was begun and not finished"]}
    shutil.rmtree(begun)
    assert why(text()) == {"r.clean.1": ["the store does not have its outcome"]}


def test_a_new_version_of_a_plugin(install, work, why):
    source = """
        from ladle import Cleaner, hookimpl
        class Mend(Cleaner):
            def clean_row(self, row):
                return row
        @hookimpl
        def ladle_cleaners():
            return {"mend": Mend}
        """
    install("ladle-mending", source)
    work('[[data.r.clean]]\nuse = "mend"\n')
    site = install("ladle-mending", source, version="0.4")
    shutil.rmtree(site / "ladle_mending-0.3.dist-info")
    from ladle import graph

    graph._package_version.cache_clear()
    assert why('[[data.r.clean]]\nuse = "mend"\n') == {"r.clean.1": ["ladle-mending changed: 0.3 -> 0.4"]}


def test_train_stages(work, why):
    train = '[data.r.split]\ntest = 0.2\n[[train]]\nuse = "guess"\ndata = "r"\nepochs = {epochs}\n{more}'
    work(train.format(epochs=0, more=""))
    assert why(train.format(epochs=1, more="")) == {"guess": ["epochs changed: 0.0 -> 1.0"]}
    assert why(train.format(epochs=0, more='[[train.technique]]\nuse = "sort"\n')) == {
        "guess": ["techniques is new: sort"]
    }
    assert why(train.format(epochs=0, more="batch_size = 7\n")) == {"guess": ["batch_size changed: 32 -> 7"]}


def test_the_command(ladle, recipe, work):
    work(text())
    path = str(recipe(text(word="ROW 2")))
    told = ladle("run", "--explain", path)
    assert (told.code, told.out) == (
        0,
        "recipe: 3 of 4 stages would be worked out\n"
        "  r.source (lines)                           done before\n"
        "  r.clean.1 (drop)                           word changed: ROW 1 -> ROW 2\n"
        "  r.label.1 (bands)                          what it reads changed: r.clean.1\n"
        "  r.write.1 (toy-json)                       what it reads changed: r.label.1\n",
    )
    [run] = Runs(Path("runs"))
    assert run.name == "recipe-1"
    assert ladle("run", "--explain", "--json", path).json[0] == {
        "recipe": "recipe",
        "stages": [
            {"stage": "r.source", "use": "lines", "is_done": True, "reasons": []},
            {"stage": "r.clean.1", "use": "drop", "is_done": False, "reasons": ["word changed: ROW 1 -> ROW 2"]},
            {
                "stage": "r.label.1",
                "use": "bands",
                "is_done": False,
                "reasons": ["what it reads changed: r.clean.1"],
            },
            {
                "stage": "r.write.1",
                "use": "toy-json",
                "is_done": False,
                "reasons": ["what it reads changed: r.label.1"],
            },
        ],
    }
