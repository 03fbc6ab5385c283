"""Smoothness of whatever a model says: classes, tokens, tags, numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ladle.training import Term, forward
from ladle_adversarial.adversarial import Adversarial

LENGTHS = [6, 3, 5]


def smoothness(model: Any, batch: dict[str, Any]) -> torch.Tensor:
    """The value of each row."""

    def inner(model: Any, batch: dict[str, Any]) -> dict[str, Term]:
        return {"loss": Term(forward(model, batch).logits.flatten(1).sum(1))}

    technique = Adversarial(method="smoothness").within(SimpleNamespace(model=model, seed=4))
    return technique.loss(inner, model, batch)["smoothness"].values.detach()


def batch_of(padding: int, rows: list[int], **more: Any) -> dict[str, Any]:
    torch.manual_seed(7)
    ids = [torch.randint(4, 20, (length,)) for length in LENGTHS]
    longest = max(LENGTHS[row] for row in rows) + padding
    padded = torch.stack([torch.nn.functional.pad(ids[row], (0, longest - len(ids[row]))) for row in rows])
    return {"input_ids": padded, "attention_mask": (padded > 0).long()} | more


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("bert", "ForSequenceClassification"),
        ("bert", "ForTokenClassification"),
        ("bert", "ForMaskedLM"),
        ("llama", "ForCausalLM"),
    ],
)
def test_a_row_has_the_same_value_in_any_batch(kind, task, tiny):
    model = tiny(kind, task=task)
    whole = smoothness(model, batch_of(0, [0, 1, 2]))
    assert whole.shape == (3,)
    assert (whole > 0).all()
    torch.testing.assert_close(smoothness(model, batch_of(5, [0, 1, 2])), whole, rtol=1e-3, atol=0)
    alone = torch.cat([smoothness(model, batch_of(0, [row])) for row in range(3)])
    torch.testing.assert_close(alone, whole, rtol=1e-3, atol=0)


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_of_an_encoder_with_a_decoder_the_labelled_positions_count(kind, tiny):
    """Where the input is as long as the output too, whose padding is elsewhere."""
    model = tiny(kind, task="ForConditionalGeneration")
    decoder = torch.randint(4, 20, (3, 6))
    labels = torch.randint(4, 20, (3, 6))
    labels[:, 2:] = -100
    given = {"decoder_input_ids": decoder, "labels": labels}
    whole = smoothness(model, batch_of(0, [0, 1, 2], **given))
    decoder = torch.cat([decoder[:, :2], torch.randint(4, 20, (3, 4))], 1)  # after the labelled ones anything may stand
    given = {"decoder_input_ids": decoder, "labels": labels}
    torch.testing.assert_close(smoothness(model, batch_of(0, [0, 1, 2], **given)), whole, rtol=1e-3, atol=0)


def test_numbers_differ_by_their_squares_and_labels_each_by_itself(tiny):
    """Of one output there is no distribution; of labels that may all be there, each has its own."""
    regressor = tiny("bert", task="ForSequenceClassification")
    regressor.classifier = torch.nn.Linear(16, 1)
    both = tiny("bert", task="ForSequenceClassification")
    batch = batch_of(0, [0, 1, 2])
    assert (smoothness(regressor, batch) > 0).all()
    both.classifier.weight.data[1] = both.classifier.weight.data[0]  # logits move together: the softmax does not
    still = smoothness(both, batch)
    both.config.problem_type = "multi_label_classification"
    assert (smoothness(both, batch) > 1e3 * still.abs()).all()
    both.config.problem_type = "regression"
    assert (smoothness(both, batch) > 1e3 * still.abs()).all()


@pytest.mark.parametrize("method", ["fgm", "free-lb", "smoothness"])
@pytest.mark.parametrize("use", ["token-classification", "text-regression"])
def test_other_trainers_of_ours_can_be_attacked(use, method, stage, train, reviews):
    rows = [
        row
        | {"words": row["text"].split(), "tags": ["AB"[len(word) % 2] for word in row["text"].split()], "size": 1.0 * n}
        for n, row in enumerate(reviews)
    ]
    own = {"column": "words", "target": "tags", "head": None} if use.startswith("token") else {"target": "size"}
    trained = train(stage(("adversarial", {"method": method}), use=use, **own), rows)
    logged = next(entry for entry in trained.history if "loss" in entry)
    told = {name.removeprefix("loss/"): value for name, value in logged.items() if name.startswith("loss/")}
    assert sum(told.values()) == pytest.approx(logged["loss"], rel=1e-3)
    added = [value for name, value in told.items() if name == "smoothness" or name.endswith("under attack")]
    assert len(added) == 1
    assert added[0] > 0
