from __future__ import annotations

import json

import pytest

from ladle import Columns, OptionError
from ladle.errors import RecipeError, StageError
from ladle.rows import Rows
from ladle_semisupervised.model_labels import ModelLabels


def points(label=str) -> list[dict]:
    """Two classes that one number tells apart: of 60 rows to train on a third has a label, of 20 to test on half."""
    rows = []
    for number in range(80):
        x = (-1) ** number * (1 + number % 7)
        known = number % 3 == 0 if number < 60 else number % 4 < 2
        rows.append(
            {"x": float(x), "label": label(x > 0) if known else None, "split": "train" if number < 60 else "test"}
        )
    return rows


FIRST = """
[[train]]
use = "tabular-classification"
name = "first"
data = "rows"
columns = ["x"]
hidden = []
epochs = 40
learning_rate = 0.05
device = "cpu"
"""


def told(first: str = FIRST, model: str = '{ stage = "first" }', **options) -> str:
    """A data set whose rows the model of `first` labels, and a stage that trains on it."""
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
    return (
        f'[data.told.source]\nuse = "data"\nname = "rows"\n[[data.told.label]]\nuse = "model-labels"\nmodel = {model}\n'
        + f'{lines}\n{first}\n[[train]]\nuse = "tabular-classification"\nname = "second"\ndata = "told"\n'
        + 'columns = ["x"]\nepochs = 1\nbatch_size = 16\ndevice = "cpu"\n'
    )


def labelled(trained) -> list[dict]:
    """The rows as the labeler has left them."""
    [stage] = [stage for stage in trained.run.lock["stages"] if stage["kind"] == "label"]
    return list(Rows.of_stages([trained.runs.store.folder(stage["key"])]))


@pytest.mark.parametrize("label", [str, bool], ids=["text", "boolean"])
def test_gaps_of_the_train_split_are_filled_and_known_labels_stay(train, label):
    before = points(label)
    before[60]["label"] = label(False)  # wrong, but given
    trained = train(told(), rows=before)
    rows = labelled(trained)
    for row, was in zip(rows, before, strict=True):
        if was["label"] is not None:
            assert (row["label"], row["label_origin"], row["label_confidence"]) == (was["label"], "given", None)
        elif was["split"] == "test":
            assert (row["label"], row["label_origin"], row["label_confidence"]) == (None, None, None)
        else:
            assert (row["label"], row["label_origin"]) == (label(row["x"] > 0), "model")
            assert 0.8 <= row["label_confidence"] <= 1
    assert trained.metrics["training"]["steps"] == 4  # of 60 rows by now, 16 to a step
    assert trained.metrics["test"]["rows"] == 10
    folder = trained.run.model("first")  # which will do as well
    assert labelled(train(told(first="", model=f'{{ pretrained = "{folder}" }}'), rows=before)) == rows


def test_what_the_model_is_not_sure_of_stays_without_a_label(train):
    rows = labelled(train(told(threshold=0.97), rows=points()))[:60]
    sure = [row["label_confidence"] for row in rows if row["label_origin"] == "model"]
    assert sure
    assert min(sure) >= 0.97
    left = [row for row in rows if row["label"] is None]
    assert left
    assert max(abs(row["x"]) for row in left) < 4  # near the border


def test_a_column_that_is_not_there_is_made_and_held_out_rows_get_labels_where_that_is_wanted(train):
    rows = labelled(train(told(into="kind", held_out=True, threshold=0), rows=points()))
    assert {row["kind"] for row in rows} == {"True", "False"}
    assert {row["kind_origin"] for row in rows} == {"model"}


def test_a_model_that_says_no_classes_is_refused(train):
    rows = [row | {"y": row["x"] * 2} for row in points()]
    regression = FIRST.replace("tabular-classification", "tabular-regression") + 'target = "y"\n'
    with pytest.raises(
        StageError, match="the model says no `label` with its `probability` of a row, but `number`"
    ) as e:
        train(told(regression), rows=rows)
    assert e.value.problems[0].span.text.startswith("model = ")


def test_labels_of_another_kind_are_refused(train):
    rows = [row | {"count": None if number % 2 else 3} for number, row in enumerate(points())]
    with pytest.raises(StageError, match="what the model says is no label of `count`") as raised:
        train(told(into="count"), rows=rows)
    assert raised.value.problems[0].span.text == 'into = "count"'


def test_columns_that_the_model_reads_must_be_there(read):
    less = '[[data.told.clean]]\nuse = "select"\ndrop = ["x"]\n'
    with pytest.raises(RecipeError, match="no column `x` at this point"):
        read(told().replace("[[data.told.label]]", f"{less}[[data.told.label]]"), rows=points())


def test_columns_are_declared():
    labeler = ModelLabels.model_validate({"model": {"stage": "first"}, "into": "mood"})
    assert dict(labeler.columns_after(Columns({"x": "number"}))) == {
        "x": "number",
        "mood": "text",
        "mood_confidence": "number",
        "mood_origin": "text",
    }
    assert labeler.columns_after(Columns({"mood": "boolean"}))["mood"] == "boolean"
    with pytest.raises(OptionError, match="column `mood` holds vector, expected text or integer or boolean") as raised:
        labeler.columns_after(Columns({"mood": "vector"}))
    assert raised.value.option == "into"
