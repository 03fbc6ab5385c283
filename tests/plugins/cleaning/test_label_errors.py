"""Finding labels that are likely to be wrong."""

from __future__ import annotations

import random
import re

import numpy as np
import pyarrow as pa
import pytest

from ladle import Columns, OptionError
from ladle_cleaning import extras
from ladle_cleaning.confidence import suspects
from ladle_cleaning.label_errors import LabelErrors

ANIMALS = {
    "cat": ["purrs softly", "chases a mouse", "meows at night"],
    "dog": ["barks aloud", "fetches a stick", "growls"],
}


def label_errors(**options) -> LabelErrors:
    return LabelErrors.model_validate({"label": "label"} | options)


@pytest.fixture
def planted(rows):
    """240 rows in two classes, told by a text, a vector or numbers, of which eight labels are wrong."""

    def make(per_batch=50, order=None, labels=None, splits=None):
        chance = random.Random(3)
        truth = [chance.choice(["cat", "dog"]) for _ in range(240)]
        given = list(truth)
        for at in range(0, 240, 30):
            given[at] = "dog" if truth[at] == "cat" else "cat"
        side = [1.0 if animal == "cat" else -1.0 for animal in truth]
        table = {
            "text": [f"it {chance.choice(ANIMALS[animal])} today" for animal in truth],
            "v": pa.array([[one + chance.gauss(0, 0.3), chance.gauss(0, 1)] for one in side], pa.list_(pa.float32())),
            "x": [100 + 50 * (one + chance.gauss(0, 0.3)) for one in side],
            "y": [None if at % 9 == 0 else chance.gauss(0, 1) for at in range(240)],
            "label": labels(given) if labels else given,
        }
        return rows(table, splits=splits, per_batch=per_batch), truth

    return make


WRONG = {f"r{at}" for at in range(0, 240, 30)}


@pytest.mark.parametrize("using", [["text"], ["v"], ["x", "y"], ["text", "v", "x"]])
def test_wrong_labels_are_found_and_right_ones_suggested(planted, clean, using):
    data, truth = planted()
    done = clean(label_errors(using=using), data)
    found = {id_: row["suggested"] for id_, row in done.kept.items() if row["suspect"]}
    assert len(found.keys() & WRONG) >= 7  # how many are wrong is an estimate
    assert len(found) <= 10
    assert {found[id_] == truth[int(id_[1:])] for id_ in found.keys() & WRONG} == {True}
    assert not any(row["suggested"] for row in done.kept.values() if not row["suspect"])
    assert dict(done.columns)["suspect"] == "boolean"
    assert dict(done.columns)["suggested"] == "text"


def test_rows_may_go_and_say_what_speaks_against_their_label(planted, clean):
    data, _ = planted()
    done = clean(label_errors(using=["v"], found="drop"), data)
    assert len(done.rejects.keys() & WRONG) >= 7
    reject = done.rejects["r0"]
    assert reject.rule == "label-error"
    assert re.fullmatch(r'`label` is "(dog|cat)", for which speaks 0\.0\d, and for "(cat|dog)" 0\.9\d', reject.reason)
    assert list(done.columns) == ["text", "v", "x", "y", "label"]


@pytest.mark.parametrize(
    ("labels", "suggested"),
    [
        (lambda given: [int(animal == "cat") for animal in given], {0, 1}),
        (lambda given: [animal == "cat" for animal in given], {False, True}),
        (lambda given: pa.array(given).dictionary_encode(), {"cat", "dog"}),
    ],
)
def test_labels_may_be_of_other_types(planted, clean, labels, suggested):
    data, _ = planted(labels=labels)
    done = clean(label_errors(using=["v"]), data)
    assert {row["suggested"] for row in done.kept.values() if row["suspect"]} <= suggested
    assert len(WRONG & {id_ for id_, row in done.kept.items() if row["suspect"]}) >= 7


def test_rows_without_a_label_and_of_rare_classes_are_not_judged(planted, clean):
    def some(given):
        return [None if at in (0, 5) else "cow" if at in (30, 31, 32) else one for at, one in enumerate(given)]

    data, _ = planted(labels=some)
    done = clean(label_errors(using=["v"]), data)
    found = {id_ for id_, row in done.kept.items() if row["suspect"]}
    assert not found & {"r0", "r5", "r30", "r31", "r32"}
    assert len(WRONG & found) >= 5


def test_what_measures_a_model_is_left_alone_unless_it_is_named(planted, clean):
    splits = ["test" if at % 60 == 0 else "train" for at in range(240)]
    data, _ = planted(splits=splits)
    found = {id_ for id_, row in clean(label_errors(using=["v"]), data).kept.items() if row["suspect"]}
    tested = {f"r{at}" for at in range(0, 240, 60)}
    assert not found & tested
    assert len(found & WRONG) >= 3
    both = label_errors(using=["v"], splits=["train", "test"])
    marked = {id_ for id_, row in clean(both, data).kept.items() if row["suspect"]}
    assert marked > found
    assert marked - found <= tested


def test_rows_to_predict_are_not_judged(rows, clean):
    data = rows({"x": [1.0, 2.0], "label": [None, None]}, {"label": "text"}, splits=["predict"] * 2)
    done = clean(label_errors(using=["x"]), data)
    assert done.values("suspect") == [False, False]
    assert done.values("suggested") == [None, None]


def test_neither_batches_nor_order_change_what_is_suspect(planted, clean, rows):
    data, _ = planted()
    cleaner = label_errors(using=["v", "x"], rows=150)
    once = {id_: row["suspect"] for id_, row in clean(cleaner, data).kept.items()}
    assert {id_: row["suspect"] for id_, row in clean(cleaner, planted(per_batch=7)[0]).kept.items()} == once
    table = data.table()
    order = random.Random(1).sample(range(240), 240)
    from ladle_cleaning.judging import verdicts

    class Shuffled:
        schema = data.schema
        columns = data.columns

        def of_split(self, split):
            return self if split == "train" else data.of_split(split)

        def select(self, names):
            return self

        def batches(self, form):
            return iter(table.take(order).combine_chunks().to_batches(max_chunksize=31))

    found = verdicts(Shuffled(), "label", ["v", "x"], ["train"], 150)
    assert set(found) == {id_ for id_, suspect in once.items() if suspect}


def test_it_is_what_the_paper_says():
    """Worked out by hand: the means of the classes are 0.6 and 0.7.

    Of five labels 0, the fourth and fifth are confidently of class 1, three of class 0: so two are wrong. The third has
    the next largest margin, and is not named. Of five labels 1 only the first is confidently of class 0, and four of
    class 1: one is wrong.
    """
    of_zero = [0.95, 0.9, 0.85, 0.2, 0.1]
    of_one = [0.75, 0.1, 0.2, 0.2, 0.25]
    probabilities = np.array([[p, 1 - p] for p in [*of_zero, *of_one]])
    labels = np.array([0] * 5 + [1] * 5)
    assert suspects(probabilities, labels).tolist() == [False] * 3 + [True] * 3 + [False] * 4


def test_a_label_that_the_model_agrees_with_is_never_suspect():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), 300)
    labels = rng.integers(0, 4, 300)
    found = suspects(probabilities, labels)
    assert found.any()
    assert not (found & (probabilities.argmax(axis=1) == labels)).any()
    assert not suspects(probabilities, probabilities.argmax(axis=1)).any()


@pytest.mark.parametrize(
    ("options", "types", "message", "option"),
    [
        ({"using": ["x"]}, {"x": "number", "label": "number"}, "column `label` holds number, expected text", "label"),
        ({"using": ["t"]}, {"t": "time", "label": "text"}, "column `t` holds time, expected text or vector", "using"),
        (
            {"using": ["x"]},
            {"x": "text", "label": "text", "suspect": "text"},
            "there is a column `suspect` already",
            "suspect",
        ),
    ],
)
def test_columns_have_to_fit(options, types, message, option):
    with pytest.raises(OptionError) as caught:
        label_errors(**options).columns_after(Columns(types))
    assert str(caught.value).startswith(message)
    assert caught.value.option == option


def test_a_label_is_not_told_from_itself(refused):
    error = refused(LabelErrors, label="label", using=["text", "label"])
    assert (str(error), error.option, error.item) == ("`label` is to be told from itself", "using", "label")


@pytest.mark.parametrize("labels", [["a"] * 40, [str(n) for n in range(40)]])
def test_classes_that_cannot_be_judged_are_told(rows, labels):
    data = rows({"x": [float(n) for n in range(40)], "label": labels})
    with pytest.raises(
        OptionError, match=r"`label` has [01] classes with 10 rows or more in the train split"
    ) as caught:
        list(label_errors(using=["x"], rows=50).work(data))
    assert caught.value.option == "label"


def test_vectors_have_to_be_of_one_length(rows):
    vectors = pa.array([[1.0, 2.0]] * 30 + [[1.0]] * 10, pa.list_(pa.float32()))
    data = rows({"v": vectors, "label": ["a", "b"] * 20}, per_batch=40)
    with pytest.raises(OptionError, match=r"the vectors of column `v` are not all of [12] numbers"):
        list(label_errors(using=["v"]).work(data))


def test_what_is_not_installed_is_told(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    with pytest.raises(OptionError, match="this needs scikit-learn, which is not installed") as caught:
        label_errors(using=["x"]).columns_after(Columns({"x": "number", "label": "text"}))
    assert (caught.value.option, caught.value.help) == ("label", 'pip install "ladle-cleaning[learning]"')
