"""The keys of stages: changed by whatever can change an outcome, and by nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ladle.errors import RecipeError
from ladle.graph import leading_to, stages_of
from ladle.recipe import load
from ladle.store import Store

TEXT = """
[data.r.source]
use = "lines"
path = "rows.jsonl"

[[data.r.clean]]
use = "shout"

[[data.r.write]]
use = "toy-json"
path = "out/rows.jsonl"

[[train]]
use = "guess"
name = "guess"
data = "r"
"""


@pytest.fixture
def keys(recipe, folder):
    def of(text: str = TEXT, name: str = "recipe.toml") -> dict[str, str]:
        path = recipe(text, name, source=False)
        return {stage.name: stage.key for stage in stages_of(load(path)[0], Store(folder / "store"))}

    return of


def _changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


def test_stages_stand_after_their_inputs(recipe, folder):
    stages = stages_of(load(recipe(TEXT, source=False))[0], Store(folder / "store"))
    assert [(stage.name, stage.kind, [i.name for i in stage.inputs]) for stage in stages] == [
        ("r.source", "source", []),
        ("r.clean.1", "clean", ["r.source"]),
        ("r.write.1", "write", ["r.clean.1"]),
        ("guess", "train", ["r.clean.1"]),
    ]


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ('use = "shout"', 'use = "shout"\ncolumn = "text"', set()),
        ("[data.r.source]", 'name = "other"\n[data.r.source]', set()),
        ('path = "rows.jsonl"', 'path = "rows.jsonl"\nthreads = 4', set()),
        ('data = "r"', 'data = "r"\ndevice = "cpu"', set()),
        ('use = "shout"', 'use = "ladle-toys:shout"', set()),
        ("[data.r.source]", "seed = 1\n[data.r.source]", {"guess"}),
        ('data = "r"', 'data = "r"\nbatch_size = 8', {"guess"}),
        ('data = "r"', 'data = "r"\n[[train.technique]]\nuse = "sort"', {"guess"}),
        ('use = "shout"', 'use = "drop"\nword = "a"', {"r.clean.1", "r.write.1", "guess"}),
        ('path = "rows.jsonl"', 'path = "rows.jsonl"\npeeks = false', {"r.source", "r.clean.1", "r.write.1", "guess"}),
    ],
)
def test_what_changes_keys(keys, old, new, changed):
    assert _changed(keys(), keys(TEXT.replace(old, new, 1))) == changed


def test_the_content_of_a_file_changes_keys_and_its_name_place_and_time_do_not(keys, folder):
    before = keys()
    (folder / "deep").mkdir()
    shutil.move(folder / "rows.jsonl", folder / "deep" / "other.jsonl")
    os.utime(folder / "deep" / "other.jsonl", (1, 1))
    moved = TEXT.replace('"rows.jsonl"', '"deep/other.jsonl"', 1)
    assert _changed(before, keys(moved)) == set()
    with (folder / "deep" / "other.jsonl").open("a") as file:
        file.write('{"text": "one more", "n": 1}\n')
    assert _changed(before, keys(moved)) == set(before)


def test_keys_are_the_same_from_wherever_a_recipe_is_named(recipe, folder, monkeypatch):
    recipe(TEXT, source=False)
    found = []
    for place, path in ((folder, Path("recipe.toml")), (folder, folder / "recipe.toml"), ("/", folder / "recipe.toml")):
        monkeypatch.chdir(place)
        found.append([stage.key for stage in stages_of(load(path)[0], Store(folder / "store"))])
    assert found[0] == found[1] == found[2]


def test_the_order_of_data_sets_changes_no_key(keys):
    other = '\n[data.s.source]\nuse = "lines"\npath = "rows.jsonl"\n'
    head, train = TEXT.split("[[train]]")
    assert keys(head + other + "[[train]]" + train) == keys(other + head + "[[train]]" + train)


def test_sources_of_one_data_set_have_keys_of_their_own(keys):
    twice = '[[data.r.source]]\nuse = "lines"\npath = "rows.jsonl"\n' * 2
    found = keys(twice)
    assert len(set(found.values())) == len(found) == 2


PLUGIN = """
from ladle import Cleaner, hookimpl

class Same(Cleaner):
    "Leave everything as it is."

    def clean_row(self, row):
        return row

@hookimpl
def ladle_cleaners():
    return {"same": Same}
"""


def test_the_source_of_a_plugin_installed_for_editing_changes_keys(install, environment, recipe, script):
    def statuses(*, change: str) -> list[str]:
        module.write_text(PLUGIN + change)
        answer = script("run", "--json", str(path))
        assert answer.code == 0, answer.err
        return [stage["status"] for stage in answer.json["stages"]]

    path = recipe('[[data.r.clean]]\nuse = "same"')
    site = install("ladle-edited", PLUGIN, editable=True)
    module = site / "ladle_edited.py"
    environment["PYTHONPATH"] += os.pathsep + str(site)
    assert statuses(change="") == ["done", "done"]
    assert statuses(change="# changed") == ["reused", "done"]
    assert statuses(change="") == ["done", "done"]  # the newest finished run of these stages


def test_the_version_of_a_plugin_changes_keys(install, recipe, folder):
    path = recipe('[[data.r.clean]]\nuse = "same"')
    found = []
    for version in ("0.3", "0.4"):
        site = install("ladle-versioned", PLUGIN, version)
        found.append([stage.key for stage in stages_of(load(path)[0], Store(folder / "store"))])
        shutil.rmtree(site / f"ladle_versioned-{version}.dist-info")
    assert found[0][0] == found[1][0]
    assert found[0][1] != found[1][1]


def test_what_a_stage_is_made_from(recipe, folder):
    stages = stages_of(load(recipe(TEXT, source=False))[0], Store(folder / "store"))
    assert [stage.name for stage in leading_to(stages, "guess")] == ["r.source", "r.clean.1", "guess"]
    assert [stage.name for stage in leading_to(stages, "r.source")] == ["r.source"]
    with pytest.raises(RecipeError) as caught:
        leading_to(stages, "r.clean")
    assert str(caught.value) == "error: there is no stage `r.clean`\n  help: did you mean `r.clean.1`?"
