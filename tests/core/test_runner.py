"""Running recipes: what is worked out once is never worked out again, and what fails says why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ladle.errors import StageError
from ladle.recipe import load
from ladle.runner import run
from ladle.runs import Runs

CLEAN = '[[data.r.clean]]\nuse = "shout"\n'
BAD = '[[data.r.clean]]\nuse = "bad"\nhow = "{}"\n'


def test_the_outcome_says_what_each_stage_did(work):
    done = work(CLEAN + '[[data.r.clean]]\nuse = "drop"\nword = "ROW 1"\n')
    outcome = done.outcome
    for entry in (outcome, *outcome["stages"]):
        assert entry.pop("seconds") >= 0
    stage = {"kind": "clean", "status": "done", "rows_in": 40, "rows_out": 40, "rejects": 0}
    assert outcome == {
        "run": "recipe-1",
        "recipe": "recipe",
        "status": "done",
        "stages": [
            stage | {"name": "r.source", "kind": "source", "use": "lines"},
            stage | {"name": "r.clean.1", "use": "shout"},
            stage | {"name": "r.clean.2", "use": "drop", "rows_out": 29, "rejects": 11},
        ],
        "metrics": {},
        "report": "runs/recipe-1/report.html",
    }


def test_an_unchanged_recipe_makes_no_new_run(work):
    first = work(CLEAN + "# Grüße\r\n")
    again = work(CLEAN + "# Grüße\r\n")
    assert again.run == first.run
    assert again.events == [{"event": "nothing-to-do", "run": "recipe-1"}]
    assert [path.name for path in Path("runs").iterdir() if not path.name.startswith(".")] == ["recipe-1"]


def test_a_recipe_with_another_text_is_another_run_that_reuses_every_stage(work):
    work(CLEAN)
    again = work(CLEAN + "# a comment")
    assert again.run.name == "recipe-2"
    assert set(again.status().values()) == {"reused"}
    assert {stage["seconds"] for stage in again.outcome["stages"]} == {0.0}


def test_stages_are_reused_by_another_recipe_from_where_they_are_the_same(work):
    work(CLEAN)
    other = work(CLEAN + '[[data.r.extract]]\nuse = "count-characters"\n', "other.toml")
    assert other.status() == {"r.source": "reused", "r.clean.1": "reused", "r.extract.1": "done"}


def test_a_failed_stage_keeps_what_was_whole_before(work):
    with pytest.raises(StageError) as caught:
        work(CLEAN + BAD.format("crash"))
    assert str(caught.value) == (
        "error: r.clean.2 (bad) failed: ZeroDivisionError: by zero\n  help: run again with --debug for the traceback"
    )
    outcome = Runs(Path("runs")).find("recipe").outcome
    assert (outcome["status"], outcome["report"]) == ("failed", None)
    assert [stage["status"] for stage in outcome["stages"]] == ["done", "done", "failed"]
    assert outcome["stages"][2] | {"seconds": 0} == {
        "name": "r.clean.2", "kind": "clean", "use": "bad", "status": "failed", "seconds": 0,
        "rows_in": None, "rows_out": None, "rejects": None,
    }  # fmt: skip
    mended = work(CLEAN)
    assert (mended.run.name, set(mended.status().values())) == ("recipe-2", {"reused"})


@pytest.mark.parametrize(
    ("how", "fault"),
    [
        ("lose", "it gave 39 rows for 40"),
        ("invent", "it gave 41 rows for 40"),
        ("fewer batches", "it gave fewer batches than it got"),
        ("more batches", "it gave more batches than it got"),
        ("text for number", "its values are not what it declares: column `n`: "),
        ("fraction", "its values are not what it declares: column `n`: Float value 0.5"),
        ("arrow types", "its column `n` holds text, and it declares number"),
        ("made", "it made a column `new`, which it does not declare"),
        ("left out", "it left out the column `n`"),
        ("far reject", "it rejects the row at 40 of a batch of 40"),
    ],
)
def test_a_plugin_that_breaks_a_promise_stops_the_run(work, how, fault):
    with pytest.raises(StageError) as caught:
        work(BAD.format(how))
    [problem] = caught.value.problems
    assert problem.message.startswith(f"r.clean.1 (bad): {fault}")
    assert (problem.code, problem.help) == ("plugin", "this is a fault of the plugin; tell its author")
    assert not list(Path("runs/.store/work").glob("*/outcome.json"))


def test_what_only_the_rows_show_about_an_option_is_told_with_its_line(work):
    with pytest.raises(StageError) as caught:
        work(BAD.format("option"))
    assert str(caught.value) == (
        "recipe.toml:6:7: error: the rows do not like it\n"
        '  6 | how = "option"\n'
        "    |       ^^^^^^^^\n"
        "  help: say something else"
    )


def test_columns_that_could_not_be_checked_before_are_checked_on_the_rows(work):
    with pytest.raises(StageError) as caught:
        work('peeks = false\n[data.r.split]\nby = ["txt"]\n')
    assert str(caught.value) == (
        "recipe.toml:6:7: error: no column `txt` at this point\n"
        '  6 | by = ["txt"]\n'
        "    |       ^^^^^\n"
        "  help: did you mean `text`?"
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "error: r.source (lines): there is no row\n  help: look at the source"),
        (
            "x\ny\n",
            "error: r.source (lines): no row is left\n  help: rejected: 2 for json; the first: this is no JSON",
        ),
    ],
)
def test_a_stage_that_leaves_no_row_stops_the_run(folder, work, rows, message):
    (folder / "rows.jsonl").write_text(rows)
    with pytest.raises(StageError) as caught:
        work("peeks = false")
    assert str(caught.value) == message


def test_events_are_kept_with_their_time(work):
    done = work(CLEAN)
    lines = [json.loads(line) for line in (done.run.folder / "events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == [
        "run-started", "stage-started", "stage-ended", "stage-started", "stage-ended", "run-ended",
    ]  # fmt: skip
    times = [line.pop("time") for line in lines]
    assert times == sorted(times)
    assert lines[0] == {"event": "run-started", "run": "recipe-1", "recipe": "recipe", "stages": 2, "done": 0}
    assert lines[1] == {"event": "stage-started", "stage": "r.source", "kind": "source", "use": "lines"}
    assert lines[2] | {"seconds": 0} == {
        "event": "stage-ended", "stage": "r.source", "kind": "source", "use": "lines", "status": "done", "seconds": 0,
        "rows_in": 40, "rows_out": 40, "rejects": 0,
    }  # fmt: skip
    assert [event for event in done.events if event["event"] != "progress"] == lines
    progress = [event for event in done.events if event["event"] == "progress"]
    assert [(event["stage"], event["advance"]) for event in progress] == [("r.source", 40), ("r.clean.1", 40)]


def test_an_interrupt_is_noted_and_passed_on(recipe):
    def interrupt(event):
        if event["event"] == "stage-started" and event["stage"] == "r.clean.1":
            raise KeyboardInterrupt

    runs = Runs(Path("runs"))
    with pytest.raises(KeyboardInterrupt):
        run(load(recipe(CLEAN))[0], runs, interrupt)
    assert runs.find("recipe").outcome["status"] == "interrupted"
    assert not runs.find("recipe").is_finished


def test_a_run_of_the_same_recipe_goes_on_where_it_was_killed(work, folder):
    """A run folder without an outcome is no finished run, and a half-made stage no outcome."""
    first = work(CLEAN)
    (first.run.folder / "outcome.json").unlink()
    first.stage_folder("r.clean.1").rename(folder / "runs" / ".store" / "work" / "half")
    again = work(CLEAN)
    assert again.status() == {"r.source": "reused", "r.clean.1": "done"}
    assert again.run.name == "recipe-1"
    events = [json.loads(line) for line in (again.run.folder / "events.jsonl").read_text().splitlines()]
    assert [(e["event"], e["done"]) for e in events if e["event"].startswith("run-") and "done" in e] == [
        ("run-started", 0),
        ("run-resumed", 1),
    ]


def test_a_run_stopped_after_a_stage_is_gone_on_with(recipe):
    runs = Runs(Path("runs"))
    path = recipe(CLEAN + '[[data.r.clean]]\nuse = "drop"\nword = "7"\n')
    stopped = run(load(path)[0], runs, until="r.clean.1")
    assert [stage["name"] for stage in stopped.outcome["stages"]] == ["r.source", "r.clean.1"]
    assert (stopped.outcome["status"], stopped.outcome["report"], stopped.is_finished) == ("stopped", None, False)
    done = run(load(path)[0], runs)
    assert (done.name, done.outcome["status"]) == (stopped.name, "done")
    assert [stage["status"] for stage in done.outcome["stages"]] == ["reused", "reused", "done"]
