"""Whole recipes of cleaners: no row vanishes, and what is learnt comes from the train split."""

from __future__ import annotations

import json

import pytest

from ladle.errors import StageError

ALL = """
[[data.reviews.clean]]
use = "standardise"
columns = ["text"]
empty = "drop"

[[data.reviews.clean]]
use = "convert"
types = { stars = "integer" }
markers = ["?"]

[[data.reviews.clean]]
use = "filter"
column = "stars"
max = 5
missing = "keep"

[[data.reviews.clean]]
use = "deduplicate"
columns = ["text"]
ignore_case = true
keep = "first"

[[data.reviews.clean]]
use = "fill-missing"
strategy = "median"
columns = ["stars"]

[[data.reviews.clean]]
use = "select"
keep = ["text", "stars"]
"""

LINES = [
    '{"text": " Good\\u00a0one ", "stars": "5", "split": "train"}',
    '{"text": "bad", "stars": "?", "split": "train"}',
    "no JSON at all",
    '{"text": "\\u200b ", "stars": "1", "split": "train"}',
    '{"text": "odd", "stars": "many", "split": "train"}',
    '{"text": "good one", "stars": "4", "split": "train"}',
    '{"text": "wild", "stars": "11", "split": "train"}',
    '{"text": "poor", "stars": "1", "split": "train"}',
]


def test_no_row_vanishes_on_its_way_through_all_cleaners(run_recipe):
    done = run_recipe(LINES, ALL)
    counts = {name: (s["rows_in"], s["rows_out"], s["rejects"]) for name, s in done.stages.items()}
    assert counts == {
        "reviews.source": (8, 7, 1),
        "reviews.clean.1": (7, 6, 1),
        "reviews.clean.2": (6, 5, 1),
        "reviews.clean.3": (5, 4, 1),
        "reviews.clean.4": (4, 3, 1),
        "reviews.clean.5": (3, 3, 0),
        "reviews.clean.6": (3, 3, 0),
    }
    last = done.kept("reviews.clean.6")
    ids = [row.pop("_id") for row in last]
    assert last == [{"text": "Good one", "stars": 5}, {"text": "bad", "stars": 1}, {"text": "poor", "stars": 1}]
    first = done.kept("reviews.source")
    assert ids == [first[at]["_id"] for at in (0, 1, 6)]


@pytest.mark.parametrize(
    ("stage", "line", "rule", "reason", "raw"),
    [
        ("source", 3, "json", "this is no JSON", None),
        ("clean.1", 4, "empty", "`text` is empty once standardised", {"text": "\u200b ", "stars": "1"}),
        ("clean.2", 5, "no-such-type", '`stars` is "many", which is no integer', {"text": "odd", "stars": "many"}),
        ("clean.3", 7, "max", "`stars` is 11, more than max = 5", {"text": "wild", "stars": 11}),
        ("clean.4", 6, "duplicate", "the same `text` as row {stays}", {"text": "good one", "stars": 4}),
    ],
)
def test_a_reject_tells_where_the_row_came_from_and_what_it_was(run_recipe, stage, line, rule, reason, raw):
    done = run_recipe(LINES, ALL)
    [reject] = done.rejects(f"reviews.{stage}")
    rows = {row["_id"]: row for row in done.kept("reviews.source")}
    stays = next(id_ for id_, row in rows.items() if "Good" in row["text"])
    assert (reject["file"], reject["line"], reject["rule"]) == ("reviews.jsonl", line, rule)
    assert reject["offset"] == sum(len(text.encode()) + 1 for text in LINES[: line - 1])
    assert reject["reason"] == reason.format(stays=stays)
    assert reject["stays"] == (stays if rule == "duplicate" else None)
    if raw is None:
        assert reject["raw"] == LINES[line - 1].encode()
    else:
        assert json.loads(reject["raw"]) == raw | {"split": "train"}
        assert rows[reject["id"]] == {"_id": reject["id"]} | json.loads(LINES[line - 1])


LEARNT = """
[data.reviews.split]
column = "split"

[[data.reviews.clean]]
use = "convert"
types = { stars = "integer" }

[[data.reviews.clean]]
use = "fill-missing"
strategy = "STRATEGY"
columns = ["stars"]
"""


def review(text: str, stars: int | None, split: str) -> str:
    return json.dumps({"text": text, "stars": None if stars is None else str(stars), "split": split})


@pytest.mark.parametrize(("strategy", "filling"), [("median", 3), ("most-frequent", 2)])
def test_rows_outside_the_train_split_teach_nothing(run_recipe, strategy, filling):
    train = [review("a", 2, "train"), review("b", 2, "train"), review("c", 3, "train"), review("d", 5, "train")]
    train += [review("e", 4, "train"), review("f", None, "train")]

    def run(*others: str):
        done = run_recipe([*train, *others], LEARNT.replace("STRATEGY", strategy))
        filled = {row["text"]: row["stars"] for row in done.kept("reviews.clean.2")}
        return (done.run.learnt("reviews.clean.2") / "state.json").read_bytes(), filled

    state, filled = run(review("x", None, "test"), review("y", None, "validation"))
    assert json.loads(state) == {"stars": filling}
    assert (filled["f"], filled["x"], filled["y"]) == (filling,) * 3
    changed, filled = run(*(review(text, 99, "test") for text in "xyzuvw"), review("q", None, "validation"))
    assert changed == state
    assert (filled["x"], filled["q"]) == (99, filling)


def test_a_column_without_a_value_to_learn_from_is_told_at_its_place_in_the_recipe(run_recipe):
    lines = [review("a", None, "train"), review("b", 3, "test")]
    with pytest.raises(StageError) as caught:
        run_recipe(lines, LEARNT.replace("STRATEGY", "median"))
    [problem] = caught.value.problems
    assert problem.message == "column `stars` has no value in the train split, so it has no median value"
    assert problem.span.text == 'columns = ["stars"]'


def test_a_recipe_that_drops_every_row_stops_and_says_why(run_recipe):
    filter_ = '[[data.reviews.clean]]\nuse = "filter"\ncolumn = "text"\nmin = 9\nlength = true\n'
    with pytest.raises(StageError) as caught:
        run_recipe([review("a", 1, "train"), review("b", 2, "train")], filter_)
    [problem] = caught.value.problems
    assert "no row is left" in problem.message
    assert problem.help == "rejected: 2 for min; the first: the length of `text` is 1, less than min = 9"
