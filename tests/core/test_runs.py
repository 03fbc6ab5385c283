"""The folder of a run, and finding one again."""

from __future__ import annotations

from pathlib import Path

import pytest

import ladle
from ladle.errors import RecipeError
from ladle.graph import stages_of
from ladle.recipe import load
from ladle.runs import Runs, link_tree


def test_a_run_keeps_the_recipe_as_read_and_what_exactly_ran(work):
    text = '# Größe\nseed = 3\n[data.r.source]\nuse = "lines"\npath = "rows.jsonl"\n[data.r.split]\ntest = 0.5\n'
    text = text.replace("\n", "\r\n")
    run = work(text, source=False).run
    assert (run.folder / "recipe.toml").read_bytes() == text.encode()
    lock = run.lock
    assert (lock["recipe"], lock["path"], lock["seed"]) == ("recipe", "recipe.toml", 3)
    assert lock["plugins"] == {"ladle": ladle.__version__, "ladle-toys": "1.0"}
    assert lock["libraries"]["pyarrow"]
    source, split = lock["stages"]
    parts = source.pop("parts")
    assert parts["component"]["use"] == "ladle-toys:lines"
    assert parts["component"]["options"] == {"peeks": True}
    assert source | {"key": ""} == {
        "name": "r.source", "kind": "source", "use": "lines", "key": "", "inputs": [],
        "files": ["rows.jsonl"], "options": {"path": "rows.jsonl", "peeks": True, "threads": 1},
        "package": "ladle-toys", "columns": {"text": "text", "n": "integer"}, "reads": [], "writes": [],
    }  # fmt: skip
    assert (split["name"], split["inputs"], split["options"]["test"]) == ("r.split", ["r.source"], 0.5)


def test_what_a_stage_learnt_is_kept_with_the_run(work):
    run = work('[[data.r.clean]]\nuse = "centre"\ncolumn = "n"\n').run
    assert (run.learnt("r.clean.1") / "state.json").read_text() == '{\n "mean": 19.5,\n "rows": 40\n}\n'


def test_runs_are_found_by_name_by_folder_and_by_recipe(work):
    first, second = work("").run, work("# again").run
    runs = Runs(Path("runs"))
    assert [run.name for run in runs] == ["recipe-2", "recipe-1"]
    assert runs.find("recipe-1") == runs.find("runs/recipe-1") == first
    assert runs.find("recipe") == second


@pytest.mark.parametrize(
    ("name", "help"), [("recipe-", "did you mean `recipe-1`?"), ("zz", "the runs here are: recipe-1")]
)
def test_a_run_that_is_not_there(work, name, help):
    work("")
    with pytest.raises(RecipeError) as caught:
        Runs(Path("runs")).find(name)
    assert str(caught.value) == f"error: no run `{name}` in runs\n  help: {help}"


def test_where_no_run_is_there_is_none_to_find(folder):
    with pytest.raises(RecipeError, match="there is none yet"):
        Runs(folder / "runs").find("x")


def test_a_run_that_died_before_its_lock_was_whole_is_no_run(work, folder):
    work("")
    (folder / "runs" / "recipe-2").mkdir()
    (folder / "runs" / "recipe-2" / ".lock.json.1").write_text('{"recipe": ')
    assert [run.name for run in Runs(folder / "runs")] == ["recipe-1"]
    assert work("# again").run.name == "recipe-3"


def test_a_linked_tree_has_the_content_and_takes_no_room(tmp_path):
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "deep" / "file").write_text("content")
    for _ in range(2):
        link_tree(tmp_path / "a", tmp_path / "b" / "models")
    found = tmp_path / "b" / "models" / "deep" / "file"
    assert found.read_text() == "content"
    assert found.samefile(tmp_path / "a" / "deep" / "file")


def test_a_run_left_unfinished_is_taken_up_unless_another_process_is_at_it(recipe):
    runs = Runs(Path("runs"))
    loaded, _ = load(recipe('[[data.r.clean]]\nuse = "shout"\n'))
    stages = stages_of(loaded, runs.store)
    with runs.at_work(loaded, stages) as first, runs.at_work(loaded, stages) as beside:
        assert (first.name, beside.name) == ("recipe-1", "recipe-2")
    first.save_outcome({"status": "done"})
    with runs.at_work(loaded, stages) as again:
        assert again.name == "recipe-2"
    again.save_outcome({"status": "failed"})
    with runs.at_work(loaded, stages) as again:
        assert again.name == "recipe-2"
    assert [path.name for path in Path("runs").glob(".new*")] == []


def test_columns_that_only_the_rows_could_tell_are_in_the_lock_afterwards(work):
    source = '[data.r.source]\nuse = "lines"\npath = "rows.jsonl"\npeeks = false\n'
    run = work(source + '[[data.r.clean]]\nuse = "shout"\n', source=False).run
    source, clean = run.lock["stages"]
    assert source["columns"] == clean["columns"] == {"text": "text", "n": "integer"}
    assert (clean["reads"], clean["writes"]) == (["text"], ["text"])
