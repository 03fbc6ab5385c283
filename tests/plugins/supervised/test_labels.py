"""What all classifiers share, shown by the fastest of them."""

from __future__ import annotations

import numpy as np
import pytest

from ladle.errors import StageError

CLASSIFY = '[[train]]\nuse = "tabular-classification"\ndata = "rows"\ndevice = "cpu"\nepochs = 1\n'


def rows_of(labels, splits=None):
    random = np.random.default_rng(0)
    splits = splits or ["train"] * len(labels)
    return [
        {"x": float(random.normal()), "y": float(random.normal()), "label": label, "split": split}
        for label, split in zip(labels, splits, strict=True)
    ]


def test_labels_come_from_the_train_split_and_other_rows_are_left_out_and_told(train):
    labels = ["a", "b", None, "a", "c", None, "b", "a"]
    splits = ["train"] * 4 + ["test"] * 3 + ["validation"]
    trained = train(rows_of(labels, splits), CLASSIFY)
    assert trained.state["labels"] == ["a", "b"]
    assert trained.metrics["test"]["rows"] == trained.metrics["validation"]["rows"] == 1
    assert trained.notes == {
        "train rows left out, without `label`": 1,
        "test rows left out, without `label`": 1,
        "test rows left out, with a `label` that the train split lacks": 1,
    }
    assert np.sum(trained.file("details.json")["test"]["tables"]["confusion"]["counts"]) == 1


def test_whole_batches_without_labels_are_left_out(train):
    rows = rows_of([None] * 40 + ["a", "b"] * 10 + [None] * 40)
    trained = train([{**row, "v": [row["x"], row["y"]]} for row in rows], CLASSIFY)
    assert trained.notes == {"train rows left out, without `label`": 80}
    assert trained.state["features"] == ["x", "y", "v"]


def test_the_notes_are_told_again_when_rows_come_from_the_store(train):
    rows = rows_of(["a", "b", None, "a", "b"], ["train"] * 3 + ["test"] * 2)
    first = train(rows, CLASSIFY)
    again = train(rows, CLASSIFY + "learning_rate = 1e-3\n")
    assert first.notes == again.notes == {"train rows left out, without `label`": 1}


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([10, 9, 10, 9], ["9", "10"]),
        ([True, False, True, True], ["false", "true"]),
        (["b", "a", "B", "a"], ["B", "a", "b"]),
    ],
)
def test_classes_are_ordered_as_their_values_are(values, labels, train):
    trained = train(rows_of(values * 3, ["train"] * 8 + ["test"] * 4), CLASSIFY)
    assert trained.state["labels"] == labels
    assert [line["class"] for line in trained.details["tables"]["per_class"]] == labels
    assert trained.predict([{"x": 0.0, "y": 1.0}])[0]["label"] in labels


@pytest.mark.parametrize(
    ("labels", "splits", "message"),
    [
        (["a"] * 4, ["train"] * 4, "column `label` has only the class `a` in the train split"),
        ([None, "a", "b"], ["train", "test", "test"], "column `label` has no class in the train split"),
        (
            ["a", "b", "c", None],
            ["train", "train", "test", "test"],
            "test split can be used: each has no `label`, or one that the train split lacks",
        ),
    ],
)
def test_a_target_that_cannot_be_learnt_or_measured_is_an_error_of_the_option(labels, splits, message, train):
    with pytest.raises(StageError, match=message) as raised:
        train(rows_of(labels, splits), CLASSIFY + 'target = "label"\n')
    assert raised.value.problems[0].span.text == 'target = "label"'


def test_a_weight_for_an_unknown_class_is_refused(train):
    with pytest.raises(StageError, match="no class `bad` in the train split") as raised:
        train(rows_of(["a", "b", "a"]), CLASSIFY + "class_weights = { a = 2.0, bad = 3.0 }\n")
    problem = raised.value.problems[0]
    assert problem.help == "the classes are: a, b"
    assert problem.span.text.startswith("class_weights")


@pytest.mark.parametrize(
    ("option", "weights"),
    [('"none"', [1, 1]), ('"balanced"', [8 / (2 * 6), 8 / (2 * 2)]), ("{ b = 5.0 }", [1, 5])],
)
@pytest.mark.parametrize("by_row", ['columns = ["x", "y"]\n', 'weight = "sure"\n'])
def test_classes_and_rows_weigh_in_the_loss(option, weights, by_row, train):
    """One step over all rows on a linear model, whose start is known, is worked out again by torch."""
    import torch

    rows = rows_of(["a", "a", "b", "a", "a", "a", "b", "a"])
    sure = [1.0, 0.25, 0.5, 0.0, None, 2.0, 1.0, 0.75]
    rows = [row | {"sure": value} for row, value in zip(rows, sure, strict=True)]
    of_rows = torch.tensor([1.0 if value is None else value for value in sure]) if "sure" in by_row else torch.ones(8)
    options = f"hidden = []\nclass_weights = {option}\nbatch_size = 4\naccumulate = 2\nweight_decay = 0.0\n"
    plain = CLASSIFY + by_row + options
    start = train(rows, plain.replace("epochs = 1", "epochs = 0"))
    trained = train(rows, plain + 'warmup = 0.0\nschedule = "constant"\nclip = 0.0\n[train.arguments]\noptim = "sgd"\n')
    found, before = trained.weights(), start.weights()
    inputs = torch.tensor([[row["x"], row["y"]] for row in rows], dtype=torch.float32)
    truth = torch.tensor([0, 0, 1, 0, 0, 0, 1, 0])
    matrix, bias = (before[name].requires_grad_() for name in ("head.weight", "head.bias"))
    logits = inputs @ matrix.T + bias
    counted = torch.tensor(weights, dtype=torch.float32)[truth] * of_rows
    loss = (torch.nn.functional.cross_entropy(logits, truth, reduction="none") * counted).sum() / counted.sum()
    loss.backward()
    torch.testing.assert_close(found["head.weight"], (matrix - 2e-3 * matrix.grad).detach(), atol=1e-7, rtol=1e-5)
    logged = next(entry for entry in trained.file("history.json") if "loss" in entry)
    assert logged["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert logged["loss/cross-entropy"] == pytest.approx(loss.item(), rel=1e-5)


def test_a_weight_below_nothing_is_refused(train):
    rows = [row | {"sure": sure} for row, sure in zip(rows_of(["a", "b", "a"]), (1, -1, 1), strict=True)]
    with pytest.raises(StageError, match=r"a row counts -1\.0 by its `sure`: that is no weight") as raised:
        train(rows, CLASSIFY + 'weight = "sure"\n')
    assert raised.value.problems[0].span.text == 'weight = "sure"'


def test_mistakes_show_the_rows_that_they_are_about(train):
    random = np.random.default_rng(1)
    rows = [
        {"x": float(random.normal()), "town": f"town {n}", "label": "ab"[n % 2], "split": "test" if n > 20 else "train"}
        for n in range(60)
    ]
    trained = train(rows, CLASSIFY)
    mistakes = trained.details["mistakes"]
    assert mistakes
    assert [m["probability"] for m in mistakes] == sorted((m["probability"] for m in mistakes), reverse=True)
    for mistake in mistakes:
        row = rows[int(mistake["row"]["town"].removeprefix("town "))]
        assert (mistake["row"]["x"], mistake["truth"]) == (row["x"], row["label"])
        assert mistake["truth"] != mistake["predicted"]
        assert "label" not in mistake["row"]


def test_metrics_are_those_of_the_predictions(train):
    from sklearn.metrics import accuracy_score, roc_auc_score

    rows = rows_of(["a" if n % 3 else "b" for n in range(60)], ["test" if n % 2 else "train" for n in range(60)])
    trained = train(rows, CLASSIFY)
    test = [row for row in rows if row["split"] == "test"]
    said = trained.predict([{"x": row["x"], "y": row["y"]} for row in test])
    truth = [row["label"] for row in test]
    assert trained.metrics["test"]["accuracy"] == accuracy_score(truth, [answer["label"] for answer in said])
    shares = [answer["probabilities"]["b"] for answer in said]
    assert trained.metrics["test"]["auc"] == pytest.approx(roc_auc_score([t == "b" for t in truth], shares), abs=0.01)
    assert trained.metrics["baseline"]["accuracy"] == np.mean([label == "a" for label in truth])
    for name, (low, high) in trained.metrics["intervals"]["test"].items():
        assert low <= trained.metrics["test"][name] <= high
