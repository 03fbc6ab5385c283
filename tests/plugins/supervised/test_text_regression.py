from __future__ import annotations

import json
import math

import numpy as np
import pytest

from ladle.errors import StageError
from ladle_supervised.texts.classification import TextClassification
from ladle_supervised.texts.regression import TextRegression

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "the", "film", "is", "good"]  # as the tiny models know them


def rate(folder, *options: str, name: str = "rating") -> str:
    """A train stage on the model in a folder."""
    lines = ["[[train]]", 'use = "text-regression"', f'name = "{name}"', 'data = "rows"', 'device = "cpu"']
    lines += [f'model = {{ pretrained = "{folder}" }}'] if folder else []
    return "\n".join([*lines, "batch_size = 8", *options]) + "\n"


def of_split(rows, split="test"):
    return [row for row in rows if row["split"] == split]


def texts(rows):
    return [{"text": row["text"]} for row in rows]


def test_a_regressor_learns_numbers_in_their_own_unit(still_bert, ratings, train):
    trained = train(ratings, rate(still_bert, 'head = "mean"', "epochs = 15", "learning_rate = 1e-2"))
    numbers = np.array([row["label"] for row in of_split(ratings, "train")])
    assert trained.state == {"mean": pytest.approx(numbers.mean()), "deviation": pytest.approx(numbers.std())}
    losses = [entry["loss"] for entry in trained.file("history.json") if "loss" in entry]
    assert losses[-1] < losses[0] / 3 < 2
    found = trained.metrics["test"]
    assert found["rmse"] < trained.metrics["baseline"]["rmse"] / 2
    assert found["pearson"] > 0.9 < found["spearman"]
    assert list(found) == ["rmse", "mae", "r2", "pearson", "spearman", "loss", "rows"]
    assert set(trained.metrics["intervals"]["test"]) == set(found) - {"loss", "rows"}
    test = of_split(ratings)
    said = [answer["number"] for answer in trained.predict(texts(test))]
    missed = np.array(said) - [row["label"] for row in test]
    assert np.sqrt(np.mean(missed**2)) == pytest.approx(found["rmse"], rel=1e-4)
    first = trained.details["mistakes"][0]
    assert abs(first["truth"] - first["predicted"]) == pytest.approx(np.abs(missed).max(), rel=1e-4)
    assert first["row"]["text"] in {row["text"] for row in test}


@pytest.mark.parametrize(
    ("kind", "head"), [("bert", "own"), ("bert", "mean"), ("distilbert", "first"), ("llama", "own")]
)
def test_the_saved_model_says_in_transformers_what_it_says_here(kind, head, saved, ratings, train):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    trained = train(ratings, rate(saved(kind), f'head = "{head}"', "epochs = 1", "learning_rate = 1e-3"))
    model = AutoModelForSequenceClassification.from_pretrained(trained.model, use_safetensors=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(trained.model)
    config = json.loads((trained.model / "config.json").read_text())
    assert (config["problem_type"], list(model.config.id2label.values())) == ("regression", ["label"])
    for row, said in zip(rows := texts(of_split(ratings))[:5], trained.predict(rows), strict=True):
        tokens = tokenizer(row["text"], return_tensors="pt")
        with torch.inference_mode():
            output = model(input_ids=tokens["input_ids"], labels=torch.tensor([0.5]))
        number = output.logits.item() * config["deviation"] + config["mean"]
        assert said["number"] == pytest.approx(number, abs=1e-2)
        assert output.loss.item() == pytest.approx((output.logits.item() - 0.5) ** 2, rel=1e-4)


@pytest.mark.parametrize("head", ["own", "mean"])
def test_going_on_from_a_regressor_keeps_its_head_and_its_scale(head, saved, ratings, train, tmp_path):
    rows = [row | {"half": row["label"] / 2} for row in ratings]
    first = rate(saved("bert"), f'head = "{head}"', "epochs = 1", "learning_rate = 1e-3")
    again = rate(None, 'model = { stage = "rating" }', "epochs = 0", name="again")
    other = rate(None, 'model = { stage = "rating" }', "epochs = 0", 'target = "half"', name="other")
    trained = train(rows, first + again + other)
    metrics = trained.run.outcome["metrics"]
    assert metrics["again"]["test"] == metrics["rating"]["test"]
    assert trained.state["mean"] == pytest.approx(np.mean([row["label"] for row in of_split(rows, "train")]))
    assert trained.predict(texts(rows[:2]))[0]["number"] > 4000


def test_a_regressor_that_says_nothing_of_a_scale_gives_its_numbers_as_they_are(saved, ratings, train, tmp_path):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(saved("bert"), num_labels=1).eval()
    tokenizer = AutoTokenizer.from_pretrained(saved("bert"))
    model.save_pretrained(tmp_path / "other")
    tokenizer.save_pretrained(tmp_path / "other")
    trained = train(ratings, rate(tmp_path / "other", "epochs = 0"))
    assert trained.state == {"mean": 0, "deviation": 1}
    with torch.inference_mode():
        number = model(input_ids=tokenizer("good film", return_tensors="pt")["input_ids"]).logits.item()
    assert trained.predict([{"text": "good film"}])[0]["number"] == pytest.approx(number, abs=1e-5)


def test_a_classifier_gets_a_new_head_and_keeps_its_body(saved, reviews, train):
    import torch
    from safetensors.torch import load_file

    rows = [row | {"stars": len(row["text"]) / 10} for row in reviews]
    first = '[[train]]\nuse = "text-classification"\nname = "first"\ndata = "rows"\ndevice = "cpu"\nepochs = 1\n'
    first += f'head = "mean"\nmodel = {{ pretrained = "{saved("bert")}" }}\n'
    trained = train(rows, first + rate(None, 'model = { stage = "first" }', 'target = "stars"', "epochs = 0"))
    before, after = load_file(trained.run.model("first") / "model.safetensors"), trained.weights()
    body = [name for name in after if name.startswith("encoder.")]
    assert len(body) > 30
    assert all(torch.equal(before[name], after[name]) for name in body)
    assert after["classifier.weight"].shape == (1, 32)


def test_rows_without_a_number_are_left_out_and_told(saved, ratings, train):
    ratings[0]["label"] = None
    ratings[4]["label"] = math.inf
    trained = train(ratings, rate(saved("bert"), "epochs = 0", "max_length = 5"))
    assert trained.notes["train rows left out, without `label`"] == 1
    assert trained.notes["test rows left out, with a `label` that is no finite number"] == 1
    assert trained.notes["test texts cut after 5 tokens"] > 3


def test_a_split_without_any_number_is_refused(saved, ratings, train):
    for row in of_split(ratings, "train"):
        row["label"] = math.nan
    with pytest.raises(StageError, match="column `label` has no number in the train split") as raised:
        train(ratings, rate(saved("bert"), 'target = "label"'))
    assert raised.value.problems[0].span.text == 'target = "label"'


@pytest.mark.parametrize("trainer", [TextRegression, TextClassification])
def test_texts_are_encoded_as_rows_are(trainer, saved):
    """For techniques that change texts: cut where rows are cut, and never without a token."""
    import transformers

    class Setting:
        start = saved("llama")
        state = {"mean": 0.0, "deviation": 1.0, "labels": ["a", "b"]}
        model = transformers.LlamaModel(
            transformers.LlamaConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1)
        )

    options = {"data": "rows", "model": {"pretrained": str(saved("llama"))}, "max_length": 3}
    within = trainer.model_validate(options).within(Setting())
    good, film, the, is_, padding = (WORDS.index(word) for word in ("good", "film", "the", "is", "[SEP]"))
    assert within.encode(["good film", "", "the film is good"]) == [[good, film], [padding], [the, film, is_]]
    assert within.encode([]) == []
    assert "texts" in trainer.offers
