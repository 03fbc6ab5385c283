"""What a multi-task training leaves: metrics of each task, a body to go on from, models that work alone."""

from __future__ import annotations

import json

import pytest
import torch

from ladle.errors import RecipeError
from ladle.prediction import Predictor
from ladle.trained import TrainedModel


@pytest.fixture
def trained(stage, train, saved):
    return train(stage(saved(), epochs=3, learning_rate=3e-3, mixing="equal"), held_out=True)


def test_each_task_is_measured_and_told(trained):
    test = trained.metrics["test"]
    assert test["rows"] == 14  # 6 tweets and 8 reviews
    assert {"entities/f1", "entities/accuracy", "entities/loss", "sentiment/accuracy", "sentiment/loss"} <= set(test)
    assert test["loss"] == pytest.approx(test["entities/loss"] + test["sentiment/loss"])
    assert {"entities/f1", "sentiment/accuracy"} <= set(trained.metrics["intervals"]["test"])
    assert trained.metrics["baseline"]["sentiment/accuracy"] == 0.5
    assert trained.metrics["training"]["rows_per_second"] > 0
    assert trained.notes["entities: rows"] == "24 in 3 batches"
    assert trained.notes["sentiment: share of the first epoch's batches"] == "50.0%"
    curves = {name for entry in trained.history for name in entry}
    assert {"loss/entities/cross-entropy", "sentiment/share of batches", "eval_sentiment/accuracy"} <= curves
    details = trained.details["test"]
    assert {"sentiment/confusion", "sentiment/per_class", "entities/per_class"} <= set(details["tables"])
    assert all("task" in mistake["row"] for mistake in details["mistakes"])
    assert "sentiment/confusion" in trained.run.report.read_text()


def test_the_loss_of_all_is_the_weighted_sum(stage, train, saved):
    test = train(stage(saved(), epochs=0, weights={"entities": 2.0}), held_out=True).metrics["test"]
    assert test["loss"] == pytest.approx(2 * test["entities/loss"] + test["sentiment/loss"])


def test_the_best_epoch_can_be_chosen_by_a_metric_of_a_task(stage, train, saved):
    trained = train(stage(saved(), learning_rate=0.03, epochs=4, choose_by="sentiment/accuracy"), held_out=True)
    accuracies = [entry["eval_sentiment/accuracy"] for entry in trained.history if "eval_loss" in entry]
    assert trained.metrics["validation"]["sentiment/accuracy"] == max(accuracies)


def test_metrics_are_those_of_each_task_s_model_alone(trained, alone, train):
    recipe = ""
    for task, options in (
        ("sentiment", {"use": "text-classification", "data": "reviews", "target": "sentiment", "head": "own"}),
        ("entities", {"use": "token-classification", "data": "tweets", "column": "words", "target": "tags"}),
    ):
        recipe += alone(trained.model / "tasks" / task, name=task, epochs=0, **options)
    again = train(recipe, held_out=True).run.outcome["metrics"]
    for task in ("sentiment", "entities"):
        for split in ("validation", "test"):
            own = {f"{task}/{name}": value for name, value in again[task][split].items() if name != "rows"}
            assert own == pytest.approx({name: trained.metrics[split][name] for name in own}, abs=1e-6)
        baseline = {f"{task}/{name}": value for name, value in again[task]["baseline"].items()}
        assert baseline.items() <= trained.metrics["baseline"].items()


def test_a_task_s_model_works_with_transformers_alone_and_says_the_same(trained):
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

    text = "the film is good"
    [said] = Predictor(trained.run)([{"text": text, "words": text.split()}])
    folder = trained.model / "tasks" / "sentiment"
    model, found = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(found[keys] for keys in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    inputs = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.no_grad():
        shares = model(input_ids=inputs["input_ids"]).logits.softmax(-1)[0]
    for number, label in model.config.id2label.items():
        assert said["sentiment"]["probabilities"][label] == pytest.approx(shares[number].item(), abs=1e-4)
    _, found = AutoModelForTokenClassification.from_pretrained(
        trained.model / "tasks" / "entities", output_loading_info=True
    )
    assert not any(found[keys] for keys in ("missing_keys", "unexpected_keys", "mismatched_keys"))


def test_a_task_s_model_is_known_to_ladle(trained):
    model = TrainedModel(trained.model / "tasks" / "sentiment")
    assert (type(model.trainer).__name__, model.trainer.target) == ("TextClassification", "sentiment")
    about = json.loads((trained.model / "tasks" / "entities" / "ladle.json").read_text())
    assert about["use"] == "ladle-supervised:token-classification"
    assert about["state"] == {"labels": ["B-WORD", "O"]}
    assert json.loads((trained.model / "ladle.json").read_text())["state"]["entities"] == about["state"]


def test_labels_come_from_a_task_s_model(trained, train, alone, saved):
    pytest.importorskip("ladle_semisupervised")
    folder = trained.model / "tasks" / "sentiment"
    labels = f'[[data.reviews.label]]\nuse = "model-labels"\nmodel = {{ pretrained = "{folder}" }}\ninto = "guess"\n'
    stage = alone(saved(), use="text-classification", data="reviews", target="sentiment", epochs=0)
    assert train(labels + stage, held_out=True).metrics["test"]["rows"] == 8


def test_rows_are_told_what_tasks_can_read_in_them(trained):
    predictor = Predictor(trained.run)
    rows = [{"text": "a bad film", "words": ["plot", "is", "new"]}, {"words": ["good", "day"]}, {"text": "fine"}, {}]
    both, tagged, classified, nothing = predictor(rows)
    assert set(both) == {"entities", "sentiment"}
    assert set(tagged) == {"entities"}
    assert set(classified) == {"sentiment"}
    assert nothing == {"error": "the model has nothing to say of it: what it reads is not there"}
    assert predictor([{"text": "a bad film", "words": ["plot"]}])[0]["sentiment"] == both["sentiment"]


def test_rows_with_targets_are_told_the_same(trained):
    given = {"text": "a bad film", "words": ["plot", "is", "new"]}
    with_targets = given | {"sentiment": "p", "tags": ["O", "O", "O"]}
    [one], [other] = (Predictor(trained.run)([row]) for row in (given, with_targets))
    assert one == other


def test_one_task_may_be_asked_alone(trained):
    [whole] = Predictor(trained.run)([{"text": "good film", "words": None}])
    predictor = Predictor(trained.run, "both/sentiment")
    assert predictor.needed == ["text"]
    [said] = predictor(predictor.rows_of_texts(["good film"]))
    assert said == whole["sentiment"]
    with pytest.raises(RecipeError, match="the train stage `both` has no part `sentimnt`") as error:
        Predictor(trained.run, "both/sentimnt")
    assert error.value.problems[0].help == "did you mean `sentiment`?"


def test_tasks_of_one_column_predict_texts(stage, train, saved):
    tasks = {
        "sentiment": {"use": "text-classification", "target": "sentiment"},
        "score": {"use": "text-regression", "target": "score"},
    }
    trained = train(stage(saved(), tasks=tasks, data="reviews"))
    predictor = Predictor(trained.run)
    [said] = predictor(predictor.rows_of_texts(["the film is good"]))
    assert set(said["sentiment"]) == {"label", "probability", "probabilities"}
    assert isinstance(said["score"]["number"], float)


def test_a_later_stage_starts_from_the_body(stage, alone, train, saved):
    later = {"use": "text-regression", "name": "later", "data": "reviews", "target": "score", "epochs": 0}
    recipe = stage(saved()) + alone(saved(), **later).replace(f'{{ pretrained = "{saved()}" }}', '{ stage = "both" }')
    trained = train(recipe)
    before, after = (
        trained.run.model("both") / "model.safetensors",
        trained.run.model("later") / "model.safetensors",
    )
    from safetensors.torch import load_file

    body, whole = load_file(before), load_file(after)
    assert not any(name.startswith("task") for name in body)
    same = [name for name in body if torch.equal(body[name], whole[f"bert.{name}"])]
    assert {name for name in body if not name.startswith("pooler.")} <= set(same)


def test_a_later_multi_task_stage_keeps_the_heads(stage, train, saved):
    recipe = stage(saved(), learning_rate=3e-3) + stage("both", name="again", epochs=0)
    metrics = train(recipe, held_out=True).run.outcome["metrics"]
    assert metrics["again"]["test"] == pytest.approx(metrics["both"]["test"], abs=1e-6)


def test_a_sentence_encoder_s_way_to_pool_is_kept(stage, train, saved, tmp_path):
    import shutil

    folder = tmp_path / "encoder"
    shutil.copytree(saved(), folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    tasks = {
        "sentiment": {"use": "text-classification", "target": "sentiment"},
        "score": {"use": "text-regression", "target": "score"},
    }
    trained = train(stage(folder, tasks=tasks, data="reviews"))
    assert (trained.model / "1_Pooling" / "config.json").is_file()
    config = json.loads((trained.model / "tasks" / "score" / "config.json").read_text())
    assert (config["model_type"], config["pooling"]) == ("ladle-pooled-classifier", "mean")
    body = trained.weights()
    own = trained.weights("tasks/score")
    assert all(torch.equal(body[name], own[f"encoder.{name}"]) for name in body)


def test_rows_that_only_one_task_has_are_held_out(stage, train, saved):
    """Of the other task's data set none is held out."""
    tasks = {
        "sentiment": {"use": "text-classification", "data": "reviews", "target": "sentiment", "head": "own"},
        "of_train": {"use": "text-classification", "data": "kept", "target": "sentiment", "head": "own"},
    }
    kept = '[data.kept.source]\nuse = "json-rows"\npath = "reviews.json"\n'
    trained = train(kept + stage(saved(), tasks=dict(reversed(tasks.items()))), held_out=True)
    assert trained.metrics["test"]["rows"] == 8
    assert not any(name.startswith("of_train/") for name in trained.metrics["test"])
