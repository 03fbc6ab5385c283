"""Recipes with labels by hand: a run stops for them, goes on with them, and works again when they are others."""

from __future__ import annotations

from pathlib import Path

import pytest

from ladle.errors import StageError
from ladle.graph import stages_of
from ladle.recipe import load
from ladle.runner import run
from ladle.runs import Runs
from ladle_annotation.log import Event, Log

ROWS = [{"text": f"text {number}"} for number in range(6)]
OPTIONS = 'labels = ["negative", "positive"]\nenough = 2'


@pytest.fixture
def at_work(project, monkeypatch):
    """A project, worked on in its folder."""

    def start(*arguments, **options):
        made = project(*arguments, **options)
        monkeypatch.chdir(made.folder)
        return made

    return start


def give(project, *events):
    log = Log(project.labels, "sentiment")
    with log.transaction():
        for event in events:
            log.add(event)
    log.close()


def ids(runs, recipe):
    from ladle import Rows

    (source,) = [stage for stage in stages_of(recipe, runs.store) if stage.kind == "source"]
    return [row["_id"] for row in Rows.of_stages([runs.store.folder(source.key)])]


def labels_of(runs, recipe):
    from ladle import Rows

    stage = stages_of(recipe, runs.store)[-1]
    return Rows.of_stages([runs.store.folder(stage.key)]).table()["sentiment"].to_pylist()


def test_a_run_stops_for_labels_and_goes_on_with_them(at_work):
    project, runs = at_work(ROWS, OPTIONS), Runs(Path("runs"))

    def go():
        return run(load(Path("reviews.toml"))[0], runs)

    with pytest.raises(StageError) as caught:
        go()
    assert str(caught.value) == (
        "reviews.toml:8:10: error: no row has a label in `sentiment`, 2 are needed\n"
        "  8 | enough = 2\n"
        "    |          ^\n"
        "  help: label rows, then run again: ladle label reviews.toml"
    )
    names = ids(runs, load(Path("reviews.toml"))[0])
    give(project, Event("label", names[0], "ann", "positive"))
    with pytest.raises(StageError, match="1 row has a label in `sentiment`, 2 are needed"):
        go()
    give(project, Event("label", names[3], "ann", "negative"))
    done = go()
    assert done.is_finished
    assert labels_of(runs, load(Path("reviews.toml"))[0]) == ["positive", None, None, "negative", None, None]


def test_a_stage_is_worked_out_again_when_labels_change_and_only_then(at_work):
    project, runs = at_work(ROWS, OPTIONS.replace("2", "0")), Runs(Path("runs"))

    def key():
        return stages_of(load(Path("reviews.toml"))[0], runs.store)[-1].key

    run(load(Path("reviews.toml"))[0], runs)
    (first, second, *_), before = ids(runs, load(Path("reviews.toml"))[0]), key()
    give(project, Event("note", first, "ann", "odd"), Event("skip", second, "ann"))
    assert key() == before
    give(project, Event("label", first, "ann", "positive"))
    assert key() != before
    run(load(Path("reviews.toml"))[0], runs)
    assert labels_of(runs, load(Path("reviews.toml"))[0])[:2] == ["positive", None]
    give(project, Event("undo", first, "ann", undoes=3))
    assert key() == before


def test_how_labels_are_asked_for_is_no_part_of_the_key(at_work):
    project, runs = at_work(ROWS, OPTIONS), Runs(Path("runs"))
    before = stages_of(load(Path("reviews.toml"))[0], runs.store)[-1].key
    more = 'show = ["text"]\ninstructions = "Be fair."\nkeys = { negative = "x" }\nadvance = false\norder = "given"\n'
    project.recipe.write_text(project.recipe.read_text() + more)
    assert stages_of(load(Path("reviews.toml"))[0], runs.store)[-1].key == before


def test_another_file_of_labels_can_be_named(at_work):
    project = at_work(ROWS, OPTIONS + '\nfile = "mine/labels.sqlite"')
    component = load(Path("reviews.toml"))[0].data["reviews"].steps["label"][0].component
    assert component.file == project.folder / "mine" / "labels.sqlite"


def test_why_it_is_worked_out_again_is_told(at_work):
    from ladle.explain import explain

    project, runs = at_work(ROWS, OPTIONS.replace("2", "0")), Runs(Path("runs"))
    run(load(Path("reviews.toml"))[0], runs)
    give(project, Event("label", ids(runs, load(Path("reviews.toml"))[0])[0], "ann", "positive"))
    recipe, _ = load(Path("reviews.toml"))
    told = explain(recipe, stages_of(recipe, runs.store), runs)
    assert told[-1].reasons == ["what it reads has changed"]
