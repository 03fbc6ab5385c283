"""How difficult rows are, by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset

from ladle import Rows, Sample
from ladle.errors import OptionError
from ladle.training import Term
from ladle_curriculum.difficulty import Difficulty, scores_of
from ladle_curriculum.measures import Column, Length, Levels, Loss, Random, Rarity

TOKENS = Dataset.from_dict({"_id": ["a", "b", "c"], "input_ids": [[5, 5, 5, 7], [7, 7], [9]]})


@pytest.fixture
def with_data(setting, tmp_path):
    """A setting whose data set has the rows a, b and c in its train split."""
    import pyarrow as pa

    table = pa.table(
        {
            "_id": ["c", "x", "b", "a"],
            "_split": ["train", "test", "train", "train"],
            "text": ["the cat", "no", None, "the the cat"],
            "hardness": [3.0, 0.0, 2.0, 1.0],
            "gaps": [3.0, 0.0, None, math.inf],
            "task": ["sort", "sort", "add", "copy"],
        }
    )
    with pa.OSFile(str(tmp_path / "rows.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as out:
        out.write_table(table)
    found = setting()
    found.data = Rows([tmp_path / "rows.arrow"])
    return found


def test_length_is_tokens_or_characters(with_data):
    assert Length().measure(with_data, TOKENS).tolist() == [4, 2, 1]
    assert Length(column="text").measure(with_data, TOKENS).tolist() == [11, 0, 7]


def test_rarity_is_the_mean_surprise_at_a_rows_tokens(with_data):
    five, seven, nine = -math.log(3 / 7), -math.log(3 / 7), -math.log(1 / 7)
    wanted = [(3 * five + seven) / 4, seven, nine]
    assert Rarity().measure(with_data, TOKENS) == pytest.approx(wanted)
    assert Rarity(combine="sum").measure(with_data, TOKENS) == pytest.approx([3 * five + seven, 2 * seven, nine])
    the, cat = -math.log(3 / 5), -math.log(2 / 5)
    assert Rarity(column="text").measure(with_data, TOKENS) == pytest.approx([(2 * the + cat) / 3, 0, (the + cat) / 2])


def test_rarity_of_many_rows_goes_by_all_of_them(with_data, monkeypatch):
    rows = Dataset.from_dict({"input_ids": [[n % 7, n % 3] for n in range(50)]})
    whole = Rarity().measure(with_data, rows)
    monkeypatch.setattr("ladle_curriculum.measures._ROWS_AT_ONCE", 8)
    assert Rarity().measure(with_data, rows) == pytest.approx(whole)


def test_columns_and_levels_are_found_by_the_rows_of_the_recipe(with_data):
    assert Column(column="hardness").measure(with_data, TOKENS).tolist() == [1, 2, 3]
    levels = Levels(column="task", order=["add", "copy", "sort"])
    assert levels.measure(with_data, TOKENS).tolist() == [1, 0, 2]
    assert Levels(column="n", order=[4, 2]).measure(with_data, Dataset.from_dict({"n": [2, 4, 4]})).tolist() == [
        1,
        0,
        0,
    ]


@pytest.mark.parametrize(
    ("difficulty", "rows", "message"),
    [
        (Column(column="gaps"), TOKENS, "column `gaps` has no finite number in 2 of 3 rows"),
        (Column(column="hardness"), TOKENS.remove_columns("_id"), "do not say which row of the data set they were"),
        (Column(column="hardness"), Dataset.from_dict({"_id": ["a", "z", "x"]}), "2 of the rows to train on are not"),
        (Levels(column="task", order=["add", "copy"]), TOKENS, "the level `sort` is not in the order"),
        (Levels(column="text", order=["the cat", "the the cat"]), TOKENS, "rows without a level are not in the order"),
    ],
)
def test_what_cannot_be_measured_is_told(difficulty, rows, message, with_data):
    with pytest.raises(OptionError, match=message) as raised:
        difficulty.measure(with_data, rows)
    assert raised.value.help


def test_random_difficulty_follows_the_seed(setting):
    first, again, other = (Random().measure(setting(seed), TOKENS).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_columns_that_say_one_thing_are_doubted():
    sample = Sample([{"hardness": 3, "task": "add"}, {"hardness": 3, "task": "sort"}])
    [doubt] = Column(column="hardness").doubts(sample)
    assert str(doubt) == "`hardness` is 3 in the first 2 rows: by it no row is more difficult than another"
    [doubt] = Levels(column="task", order=["copy", "add"]).doubts(sample)
    assert str(doubt) == "the level `sort` is not in the order"
    assert not list(Levels(column="task", order=["sort", "add"]).doubts(sample))


class Counting(Difficulty):
    """Gives what it is told to, and counts how often it is asked."""

    scores: list[float]
    asked: int = 0

    def measure(self, setting, rows):
        Counting.times += 1
        return np.array(self.scores)


def test_scores_are_kept_as_long_as_rows_and_options_are_the_same(setting):
    Counting.times = 0
    here = setting()
    measured = [scores_of(Counting(scores=[1, 2, 4]), here, TOKENS).tolist() for _ in range(2)]
    assert measured == [[1, 2, 4]] * 2
    assert Counting.times == 1
    same = Dataset.from_dict({"_id": ["", "a", "b", "c"], "input_ids": [[1], [5, 5, 5, 7], [7, 7], [9]]})
    scores_of(Counting(scores=[1, 2, 4]), here, same.select([1, 2, 3]))
    assert Counting.times == 1
    scores_of(Counting(scores=[1, 2, 5]), here, TOKENS)
    scores_of(Counting(scores=[1, 2, 4]), here, TOKENS.select([0, 2, 1]))
    scores_of(Counting(scores=[1, 2, 4]), setting(seed=9), TOKENS)
    assert Counting.times == 4


@pytest.mark.parametrize("scores", [[1, 2], [1, 2, math.nan]])
def test_a_measure_must_give_a_number_for_each_row(scores, setting):
    with pytest.raises(OptionError, match="Counting gave no finite number for each of 3 rows"):
        scores_of(Counting.model_construct(scores=scores), setting(), TOKENS)


class NextToken:
    """A trainer of next tokens, or of numbers: what its terms hold is one value per token, row, or batch."""

    batch_size = 4

    def __init__(self, items: str) -> None:
        self.items = items
        self.widths: list[int] = []

    def batch(self, rows):
        self.widths.append(len(rows))
        longest = max(len(row["input_ids"]) for row in rows)
        ids = torch.tensor([row["input_ids"] + [0] * (longest - len(row["input_ids"])) for row in rows])
        labels = torch.where(ids == 0, -100, ids)
        if self.items == "row":
            labels = torch.tensor([row["label"] for row in rows])
        if self.items == "packed":  # all rows in one sequence, the last one first
            numbers = torch.arange(len(rows)).unsqueeze(1).expand_as(ids)
            ids, labels, segments = (each.flip(0)[ids.flip(0) != 0][None] for each in (ids, labels, numbers))
            return {"input_ids": ids, "labels": labels, "segments": segments}
        return {"input_ids": ids, "labels": labels}

    def loss(self, model, batch):
        values = model(batch["input_ids"])  # [rows, length]
        labels = batch["labels"]
        if self.items == "row":
            return {"loss": Term(values[:, 0][labels != -100], per="rows")}
        if self.items == "packed":
            return {"loss": Term(values[labels != -100], per="labels")}
        if self.items == "token":
            return {"loss": Term(values[labels != -100], per="labels"), "twice": Term(2 * values[:, 0], per="rows")}
        if self.items == "next":
            return {"loss": Term(values[:, :-1][labels[:, 1:] != -100], per="labels")}
        if self.items == "backwards":
            return {"loss": Term(values[labels != -100].flip(0), per="labels")}
        return {"loss": Term(values[labels != -100].mean().reshape(1), per="batches")}


class Square(torch.nn.Module):
    """Gives each token its square; in training, noise."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = torch.nn.Dropout(0.9)

    def forward(self, ids):
        return self.noise(ids.float() ** 2)


@pytest.mark.parametrize("items", ["row", "token", "next", "packed", "backwards", "batch"])
def test_the_loss_of_a_row_is_the_mean_of_its_items(items, setting):
    generator = np.random.default_rng(5)
    ids = [generator.integers(1, 30, generator.integers(2, 9)).tolist() for _ in range(23)]
    labels = [-100 if items == "row" and number % 5 == 1 else number for number in range(23)]
    rows = Dataset.from_dict({"input_ids": ids, "length": list(map(len, ids)), "label": labels})
    here = setting()
    here.model, here.plan.trainer = Square(), NextToken(items)
    losses = Loss().measure(here, rows)
    squares = [np.array(row) ** 2.0 for row in ids]
    wanted = {
        "row": [row[0] for row in squares],
        "token": [row.mean() + 2 * row[0] for row in squares],
        "next": [row[:-1].mean() for row in squares],
        "packed": [row.mean() for row in squares],
        "backwards": [row.mean() for row in squares],
        "batch": [row.mean() for row in squares],
    }[items]
    unlabelled = np.array(labels) == -100
    assert losses[~unlabelled] == pytest.approx(np.array(wanted)[~unlabelled], rel=1e-5)
    assert losses[unlabelled] == pytest.approx(np.array(wanted)[~unlabelled].mean())  # neither easy nor hard
    assert here.model.training
    alone = items in ("backwards", "batch")  # what cannot be told apart goes through the model row by row
    assert (here.plan.trainer.widths.count(4) == 0) is alone


def test_what_measures_need_of_a_trainer():
    nothing = SimpleNamespace(offers=frozenset())
    for difficulty, message in ((Length(), "no tokens"), (Rarity(), "no tokens"), (Loss(), "the loss of single rows")):
        with pytest.raises(OptionError, match=message):
            difficulty.check_with(nothing)
        difficulty.check_with(SimpleNamespace(offers=frozenset({"tokens", "items"})))
    Length(column="text").check_with(nothing)
