"""`ladle label`: which labeler is meant, which rows come first, and what is told where it cannot begin."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from ladle.runs import Runs
from ladle_annotation.log import Event, Log
from ladle_annotation.task import Task

ROWS = [{"text": f"text {number}"} for number in range(5)]
SECOND = '[[data.reviews.label]]\nuse = "by-hand"\ninto = "topic"\nlabels = ["a", "b"]\norder = "given"'


def test_of_several_labelers_one_has_to_be_named(project):
    made = project(ROWS, 'labels = ["no", "yes"]\nenough = 0', SECOND)
    done = made.ladle("label", "reviews.toml", "--terminal")
    assert done.returncode == 2
    assert "2 labelers of the recipe ask for labels by hand" in done.stderr
    assert "name one of them with --stage: reviews.label.1, reviews.label.2" in done.stderr
    done = made.ladle("label", "reviews.toml", "--terminal", "--stage", "reviews.labl.2")
    assert "did you mean `reviews.label.2`?" in done.stderr
    done = made.ladle("label", "reviews.toml", "--terminal", "--stage", "reviews.label.2", stdin="12")
    assert "2 of 5 rows have a label, of 1 needed\ngo on with: ladle run reviews.toml" in done.stdout
    assert made.ladle("run", "reviews.toml").returncode == 0


def test_both_labelers_keep_their_labels_in_one_file(project):
    made = project(ROWS, 'labels = ["no", "yes"]\norder = "given"', SECOND)
    made.ladle("label", "reviews.toml", "--terminal", "--stage", "reviews.label.1", stdin="2")
    made.ladle("label", "reviews.toml", "--terminal", "--stage", "reviews.label.2", stdin="1")
    made.recipe.write_text(made.recipe.read_text() + '\n[[data.reviews.write]]\nuse = "jsonl"\npath = "out.jsonl"\n')
    assert made.ladle("run", "reviews.toml").returncode == 0
    rows = [json.loads(line) for line in (made.folder / "out.jsonl").read_text().splitlines()]
    assert [(row.get("sentiment"), row.get("topic")) for row in rows[:2]] == [("yes", "a"), (None, None)]


def test_a_recipe_that_asks_for_no_labels_is_told(project):
    made = project(ROWS)
    made.recipe.write_text(made.recipe.read_text().partition("[[data")[0])
    done = made.ladle("label", "reviews.toml")
    assert done.returncode == 2
    assert "no labeler of the recipe asks for labels by hand" in done.stderr


def test_a_stage_before_that_fails_is_told(project):
    made = project(ROWS)
    entered = 'use = "entered"\ncolumns = { text = "text" }'
    made.recipe.write_text(made.recipe.read_text().replace('use = "jsonl"\npath = "rows.jsonl"', entered))
    done = made.ladle("label", "reviews.toml", "--terminal")
    assert done.returncode == 1
    assert "nobody has entered a row yet" in done.stderr


def test_the_recipe_is_run_no_further_and_only_where_it_has_to_be(project):
    made = project(ROWS)
    made.ladle("label", "reviews.toml", "--terminal", stdin="")
    made.ladle("label", "reviews.toml", "--terminal", stdin="")
    (run,) = Runs(made.folder / "runs")
    assert [stage["name"] for stage in run.outcome["stages"]] == ["reviews.source"]


def test_labels_of_rows_that_changed_are_found_again(project):
    made = project(ROWS, 'labels = ["no", "yes"]\nshow = ["text"]\norder = "given"')
    made.ladle("label", "reviews.toml", "--terminal", stdin="12")
    lines = [json.dumps({"text": f"text {number}", "source": "web"}) + "\n" for number in range(5)]
    (made.folder / "rows.jsonl").write_text("".join(lines))
    assert "no row has a label in `sentiment`, 1 are needed" in made.ladle("run", "reviews.toml").stderr
    done = made.ladle("label", "reviews.toml", "--terminal", stdin="")
    assert "2 labels are of rows that have changed, and were found again" in done.stderr
    assert made.ladle("run", "reviews.toml").returncode == 0


def numbers(count):
    """Rows of two classes that a line parts, and of which those near it are hard to tell."""
    generator = random.Random(0)
    return [{"x": round(generator.uniform(-1, 1), 3), "y": round(generator.uniform(-1, 1), 3)} for _ in range(count)]


TRAIN = """
[data.reviews.split]
test = 0.2

[[train]]
use = "tabular-classification"
data = "reviews"
target = "sentiment"
columns = ["x", "y"]
hidden = []
epochs = 60
batch_size = 16
learning_rate = 0.05
"""


@pytest.mark.slow
def test_a_model_of_the_recipe_says_which_rows_are_worth_most(project, monkeypatch):
    made = project(numbers(200), 'labels = ["left", "right"]\nenough = 60', TRAIN)
    monkeypatch.chdir(made.folder)
    task = Task(Path("reviews.toml"), Runs(Path("runs")))
    session = task.session
    assert session.order.how == "drawn at random"
    for item in session.next("ann", "one", 80):
        x = float(item["cells"][0]["text"])
        session.say(Event("label", item["row"], "ann", "left" if x < 0 else "right"))
    session.close()
    assert made.ladle("run", "reviews.toml").returncode == 0

    again = Task(Path("reviews.toml"), Runs(Path("runs")))
    until = time.monotonic() + 60
    while again.session.order.how == "drawn at random" and time.monotonic() < until:
        time.sleep(0.1)
    assert again.session.order.how == (
        "those that the model `tabular-classification` of the run reviews-2 is least sure of first"
    )
    rows = again.session.next("ann", "one", 10)
    splits = again.session.table.splits()
    distances = [abs(float(item["cells"][0]["text"])) for item in rows if splits[item["place"] - 1] == "train"]
    assert len(distances) >= 7
    assert sum(distances) / len(distances) < 0.15  # of all rows it is 0.5
    again.session.close()


def test_without_a_model_rows_are_drawn(project, monkeypatch):
    made = project(numbers(30), 'labels = ["left", "right"]\norder = "margin"')
    monkeypatch.chdir(made.folder)
    told = []
    task = Task(Path("reviews.toml"), Runs(Path("runs")), tell=told.append)
    assert task.session.order.how == "drawn at random"
    task.session.close()
    assert told == []


def test_centres_are_found_among_rows_with_vectors(project, monkeypatch):
    rows = [{"text": f"text {n}", "vector": [float(n % 3), 0.5 + n / 1000]} for n in range(60)]
    made = project(rows, 'labels = ["a", "b"]')
    monkeypatch.chdir(made.folder)
    task = Task(Path("reviews.toml"), Runs(Path("runs")))
    assert task.session.order.how == "the centres of clusters first, then drawn at random"
    assert sorted(task.session.order.places) == list(range(60))
    assert [cell["name"] for cell in task.session.next("ann", "one", 1)[0]["cells"]] == ["text"]
    task.session.close()


def test_a_log_of_another_task_is_none_of_this_one(project):
    made = project(ROWS)
    log = Log(made.labels, "other")
    with log.transaction():
        log.add(Event("label", "r", "ann", "x"))
    log.close()
    assert "no row has a label in `sentiment`" in made.ladle("run", "reviews.toml").stderr
