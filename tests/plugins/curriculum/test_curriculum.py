"""Curricula in recipes: what is trained on, when it goes on, and what is told."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from ladle import Trainer
from ladle.errors import RecipeError
from ladle.registry import installed
from ladle_curriculum.difficulty import Difficulty


def toml(value) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml(inner)}" for name, inner in value.items()) + " }"
    return json.dumps(value)


def table(header: str, **options) -> str:
    return f"[[{header}]]\n" + "".join(f"{name} = {toml(value)}\n" for name, value in options.items())


def texts(folder, **options) -> str:
    """A train stage on the texts of reviews, with the model in a folder."""
    given = {"data": "rows", "model": {"pretrained": str(folder)}, "device": "cpu", "batch_size": 8}
    return table("train", use="text-classification", **given | {"epochs": 2, "learning_rate": 0.001} | options)


def numbers(use: str = "tabular-regression", **options) -> str:
    """A train stage on the numbers of reviews."""
    given = {"data": "rows", "columns": ["words"], "device": "cpu", "batch_size": 8, "epochs": 2, "hidden": [4]}
    target = {"tabular-regression": "target", "tabular-classification": "label"}[use]
    return table("train", use=use, **given | {"target": target, "dropout": 0.0} | options)


def curriculum(**options) -> str:
    return table("train.technique", use="curriculum", **options)


SEEN = table("train.technique", use="seen")


def words_of(trained) -> list[list[int]]:
    rows = trained.rows()
    return [[rows[id_]["words"] for id_ in batch] for batch in trained.batches]


def test_texts_come_from_short_to_long_and_the_rest_is_the_trainers(bert, reviews, train):
    plain = train(reviews, texts(bert) + SEEN)
    ordered = train(reviews, texts(bert) + curriculum(difficulty="length", start=0.2) + SEEN)
    steps = [trained.metrics["training"]["steps"] for trained in (plain, ordered)]
    assert steps == [12, 12]
    words = words_of(ordered)
    assert len(words) == 12
    longest = sorted(row["words"] for row in reviews[:48])
    assert max(words[0]) <= longest[9]
    assert np.mean(words[0]) < np.mean(words[1]) < np.mean(words[-1])
    second = [id_ for batch in ordered.batches[6:] for id_ in batch]
    assert len(second) == len(set(second)) == 48  # after half of the training each row comes once
    assert {name: ordered.metrics["test"][name] for name in ("rows",)} == {"rows": 8}
    assert ordered.notes["difficulty of rows"] == "5 to 22, half of them below 13.5"


def test_what_was_followed_is_in_the_history(reviews, train):
    options = {"difficulty": {"use": "column", "column": "words"}, "schedule": "buckets", "buckets": 3}
    trained = train(reviews, numbers(epochs=10) + curriculum(**options) + SEEN)
    history = trained.history
    steps = [entry["step"] for entry in history]
    words = [np.mean(batch) for batch in words_of(trained)]
    assert steps[:2] == [1, 2]
    for before, entry in zip([0, *steps], history, strict=False):
        assert entry["difficulty"] == pytest.approx(np.mean(words[before : entry["step"]]))
    assert [entry["share_of_rows"] for entry in history[::10]] == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1], abs=0.05)


def test_the_rows_of_a_step_are_the_same_however_they_are_cut(reviews, train):
    found = []
    for batch_size, accumulate in ((8, 1), (4, 2), (1, 8)):
        cut = numbers("tabular-classification", batch_size=batch_size, accumulate=accumulate, epochs=1, warmup=0)
        levels = {"use": "levels", "column": "task", "order": ["sort", "copy", "add"]}
        trained = train(reviews, cut + curriculum(difficulty=levels, schedule="sorted") + SEEN)
        rows = [id_ for batch in trained.batches for id_ in batch]
        tasks = [trained.rows()[id_]["task"] for id_ in rows]
        assert tasks == ["sort"] * 16 + ["copy"] * 16 + ["add"] * 16
        found.append((rows, trained.weights(), [entry["difficulty"] for entry in trained.history]))
    for rows, weights, difficulty in found[1:]:
        assert rows == found[0][0]
        assert difficulty == found[0][2]
        for name, values in weights.items():
            torch.testing.assert_close(values, found[0][1][name], atol=1e-5, rtol=1e-4)


def test_evaluation_does_not_see_the_curriculum(reviews, train):
    still = numbers(learning_rate=1e-30)
    plain = train(reviews, still)
    ordered = train(reviews, still + curriculum(difficulty="random", schedule="sorted", reversed=True))
    assert ordered.metrics["validation"] == plain.metrics["validation"]
    assert ordered.metrics["test"] == plain.metrics["test"]


@pytest.mark.parametrize(
    ("options", "interrupt_at"),
    [
        ({"difficulty": "length"}, 8),
        ({"difficulty": "loss", "schedule": "sorted"}, 3),
        ({"schedule": "self-paced"}, 8),
        ({"schedule": "self-paced"}, 12),  # the end of an epoch
    ],
)
def test_a_training_that_goes_on_draws_the_same(options, interrupt_at, bert, reviews, train):
    def stage(at: int | None) -> str:
        seen = table("train.technique", use="seen", **({"interrupt_at": at} if at else {}))
        return texts(bert, epochs=3, accumulate=1) + curriculum(**options) + seen

    with pytest.raises(KeyboardInterrupt):
        train(reviews, stage(interrupt_at))
    resumed = train(reviews, stage(None))
    whole = train(reviews, stage(None), runs="others")
    assert len(whole.batches) == 18
    assert 0 < len(resumed.batches) < 18
    assert resumed.batches == whole.batches[-len(resumed.batches) :]
    weights = whole.weights()
    assert all(torch.equal(values, weights[name]) for name, values in resumed.weights().items())
    notes = {entry["step"]: entry.get("threshold") for entry in whole.history}
    assert all(notes[entry["step"]] == entry.get("threshold") for entry in resumed.history)


def test_self_paced_training_tells_its_threshold(reviews, train):
    trained = train(reviews, numbers(epochs=6, learning_rate=0.02) + curriculum(schedule="self-paced", growth=2.0))
    by_epoch = [entry for entry in trained.history if entry["step"] % 6 == 3]
    assert [entry["share_of_rows"] for entry in by_epoch][:2] == [1, 0.5]
    assert "threshold" not in by_epoch[0]
    thresholds = [entry["threshold"] for entry in by_epoch[1:]]
    assert thresholds == pytest.approx([thresholds[0] * 2**epoch for epoch in range(5)])
    assert by_epoch[-1]["share_of_rows"] > 0.5
    assert all(entry["difficulty"] <= entry["threshold"] for entry in by_epoch[1:])


class Vowels(Difficulty):
    """A measure of another plugin."""

    column: str

    def measure(self, setting, rows):
        from ladle_curriculum.difficulty import values_of

        return np.array([text.count("a") for text in values_of(setting, rows, self.column).to_pylist()])


def test_other_plugins_offer_measures(reviews, train):
    stage = numbers(epochs=1) + curriculum(difficulty={"use": "vowels", "column": "text"}, schedule="sorted") + SEEN
    trained = train(reviews, stage, offers={("difficulty", "vowels"): Vowels})
    found = [trained.rows()[id_]["text"].count("a") for batch in trained.batches for id_ in batch]
    assert found == sorted(found)
    assert {offer.use for offer in installed().of_kind("difficulty")} >= {"length", "rarity", "loss", "column"}


class Plain(Trainer):
    """A trainer that offers nothing."""


@pytest.mark.parametrize(
    ("options", "line", "message", "help"),
    [
        (
            {"difficulty": "length"},
            'difficulty = "length"',
            "the trainer's rows have no tokens to measure",
            "name a text column",
        ),
        (
            {"difficulty": {"use": "column", "column": "hardness"}},
            'difficulty = { use = "column", column = "hardness" }',
            "no column `hardness` at this point",
            "the columns here are",
        ),
        (
            {"difficulty": {"use": "column", "column": "text"}},
            'difficulty = { use = "column", column = "text" }',
            "column `text` holds text, expected number",
            "convert it first",
        ),
        ({"difficulty": "lenght"}, 'difficulty = "lenght"', "unknown difficulty `lenght`", "did you mean `length`?"),
        ({}, "[[train.technique]]", "the key `difficulty` is missing: what makes a row difficult?", "for example"),
        (
            {"difficulty": "random", "schedule": "sorted", "pace": "linear"},
            'pace = "linear"',
            '`pace` has no meaning where schedule = "sorted"',
            'leave it out, or write schedule = "competence"',
        ),
        (
            {"difficulty": "random", "schedule": "self-paced"},
            'difficulty = "random"',
            '`difficulty` has no meaning where schedule = "self-paced"',
            'leave it out, or write schedule = "competence" or "buckets" or "sorted"',
        ),
        (
            {"schedule": "self-paced"},
            'schedule = "self-paced"',
            'schedule = "self-paced" chooses rows from the second epoch on, and there is none',
            "train for more epochs",
        ),
        ({"difficulty": "random", "start": 2.0}, "start = 2.0", "2.0 is out of range: expected at most 1", ""),
    ],
)
def test_mistakes_are_found_by_the_check(options, line, message, help, reviews, read):
    with pytest.raises(RecipeError) as raised:
        read(reviews, numbers(epochs=1) + curriculum(**options))
    [problem] = raised.value.problems
    assert problem.message == message
    assert help in problem.help
    assert problem.span.text == line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "self-paced"}, "goes by the loss of single rows, which the trainer does not tell"),
        ({"difficulty": "loss"}, "the trainer does not tell the loss of single rows"),
    ],
)
def test_a_trainer_that_does_not_tell_single_losses_is_refused(options, message, reviews, read):
    stage = table("train", use="plain", data="rows") + curriculum(**options)
    with pytest.raises(RecipeError, match=message):
        read(reviews, stage, offers={("trainer", "plain"): Plain})


def test_two_techniques_cannot_both_decide_the_order(reviews, read):
    with pytest.raises(RecipeError, match="both decide the order"):
        read(reviews, numbers() + curriculum(difficulty="random") * 2)


def test_levels_that_are_not_in_the_order_are_warned_of(reviews, read):
    levels = {"use": "levels", "column": "task", "order": ["copy", "add"]}
    _, problems = read(reviews, numbers() + curriculum(difficulty=levels))
    [problem] = problems
    assert (problem.severity, problem.message) == ("warning", "the level `sort` is not in the order")


def test_components_load_without_heavy_imports():
    code = """
import sys
import ladle_curriculum.curriculum, ladle_curriculum.measures, ladle_curriculum.hookspecs
heavy = {"numpy", "pyarrow", "torch", "transformers", "datasets"}
sys.exit(", ".join(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
