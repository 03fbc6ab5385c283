"""Techniques of other packages with several tasks: each has its effect, and leaves models like any other."""

from __future__ import annotations

import pytest
import torch

from ladle.errors import RecipeError


def moved(trained, untouched, folder=""):
    before, after = untouched.weights(folder), trained.weights(folder)
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.fixture
def untouched(stage, train, saved):
    return train(stage(saved(), epochs=0), held_out=True)


@pytest.mark.parametrize("method", ["fgm", "smoothness"])
def test_embeddings_are_moved_in_training_only(stage, train, saved, untouched, method):
    recipe = stage(saved(), {"use": "adversarial", "method": method}, learning_rate=1e-12)
    trained = train(recipe, held_out=True)
    added = {"fgm": "entities/cross-entropy under attack", "smoothness": "smoothness"}[method]
    told = [entry for entry in trained.history if f"loss/{added}" in entry]
    assert told
    if method == "fgm":
        assert all(entry[f"loss/{added}"] > entry["loss/entities/cross-entropy"] for entry in told)
    metrics, plain = trained.metrics["test"], untouched.metrics["test"]
    assert metrics["loss"] == pytest.approx(plain["loss"], abs=1e-6)


@pytest.mark.parametrize("freeze", [1, "all"])
def test_fixed_layers_give_the_same_model_computed_once_or_in_each_step(stage, train, saved, untouched, freeze):
    kept, run = (
        train(stage(saved(), {"use": "transfer", "freeze": freeze, "reuse": reuse})) for reuse in (True, False)
    )
    assert kept.losses == pytest.approx(run.losses, abs=1e-5)
    for task in ("entities", "sentiment"):
        weights = run.weights(f"tasks/{task}")
        for name, found in kept.weights(f"tasks/{task}").items():
            if name.endswith("key.bias"):  # softmax leaves it without a gradient but for noise
                continue
            torch.testing.assert_close(found, weights[name], atol=1e-4, rtol=1e-3)
    trained = moved(kept, untouched)
    fixed = 1 if freeze == 1 else 2
    assert {name.split(".")[2] for name in trained if name.startswith("encoder.layer.")} == {
        str(number) for number in range(fixed, 2)
    }
    assert not any(name.startswith("embeddings.") for name in trained)
    assert any(name.startswith("pooler.") for name in trained)  # is part of a head


def test_adapters_are_of_the_body_and_taken_in(stage, train, saved, untouched):
    trained = train(stage(saved(), {"use": "lora", "rank": 2}))
    names = moved(trained, untouched)
    adapted = {name for name in names if not name.startswith("pooler.")}
    assert {name.split(".")[-2] for name in adapted} == {"query", "value"}
    before, after = untouched.weights(), trained.weights()
    assert all(torch.linalg.matrix_rank(after[name] - before[name], rtol=1e-4) <= 2 for name in adapted)
    assert "classifier.weight" in moved(trained, untouched, "tasks/entities")
    for task in ("entities", "sentiment"):
        own = trained.weights(f"tasks/{task}")
        assert all(torch.equal(own[f"bert.{name}"], after[name]) for name in adapted)


def test_layers_join_in_from_the_top(steps, stage, train, saved):
    recipe = stage(saved(), {"use": "unfreeze", "every": 0.3}, {"use": "layer-rates", "decay": 2.0}, {"use": "steps"})
    train(recipe)
    learning = [
        {int(name.split(".")[3]) for name in kept["gradients"] if name.startswith("body.encoder.layer.")}
        for kept in steps.kept
    ]
    assert learning[0] == set()
    assert learning[7] == {1}
    assert learning[-1] == {0, 1}
    kept = steps.kept[-2]["rates"]
    top, low, embeddings, head = (
        kept[name]
        for name in (
            "body.encoder.layer.1.output.dense.weight",
            "body.encoder.layer.0.output.dense.weight",
            "body.embeddings.word_embeddings.weight",
            "task_entities.classifier.weight",
        )
    )
    assert (head / top, top / low, low / embeddings) == pytest.approx((1, 2, 2))


def test_heads_have_the_rates_of_their_tasks(steps, stage, train, saved):
    tasks = {
        "entities": {"use": "token-classification", "data": "tweets", "column": "words", "target": "tags"},
        "sentiment": {"use": "text-classification", "data": "reviews", "target": "sentiment", "head": "own"},
    }
    tasks["sentiment"]["head_learning_rate"] = 0.01
    train(stage(saved(), {"use": "steps"}, tasks=tasks, schedule="constant", warmup=0.0))
    rates = steps.kept[-1]["rates"]
    assert rates["task_sentiment.classifier.weight"] == 0.01
    assert {rate for name, rate in rates.items() if name != "task_sentiment.classifier.weight"} - {0.01} == {1e-3}


def test_techniques_go_together_with_surgery(stage, train, saved, untouched):
    techniques = (
        {"use": "lora", "rank": 2},
        {"use": "adversarial", "method": "free-lb", "steps": 2},
        {"use": "pcgrad"},
    )
    trained = train(stage(saved(), *techniques, accumulate=4, balancing="uncertainty"), held_out=True)
    assert any("pairs of tasks in conflict" in entry for entry in trained.history)
    assert {name.split(".")[-2] for name in moved(trained, untouched) if "pooler" not in name} == {"query", "value"}


def test_states_are_kept_of_language_models_rows_too(stage, train, saved):
    tasks = {
        "words": {"use": "causal-language-model", "data": "reviews", "max_length": 32},
        "sentiment": {"use": "text-classification", "data": "reviews", "target": "sentiment", "head": "own"},
    }
    kept, run = (
        train(stage(saved("llama"), {"use": "transfer", "freeze": 1, "reuse": reuse}, tasks=tasks, batch_size=4))
        for reuse in (True, False)
    )
    assert kept.notes["words: packing"].startswith("none")  # each row stands in a sequence of its own
    assert len(kept.losses) > 10
    assert len(run.losses) > 10


def test_rows_whose_tokens_are_hidden_anew_each_time_are_not_kept(stage, train, saved):
    tasks = {
        "words": {"use": "masked-language-model", "data": "reviews", "max_length": 32},
        "sentiment": {"use": "text-classification", "data": "reviews", "target": "sentiment", "head": "own"},
    }
    with pytest.raises(RecipeError, match="whose hidden tokens are others each time"):
        train(stage(saved(), {"use": "transfer", "freeze": 1}, tasks=tasks))


def test_surgery_waits_while_heads_learn_alone_at_first(steps, stage, train, saved):
    unfreeze, accumulate = {"use": "unfreeze", "every": 0.4}, 4
    trained = train(stage(saved(), unfreeze, {"use": "pcgrad"}, {"use": "steps"}, accumulate=accumulate, batch_size=2))
    assert not any(name.startswith("body.encoder") for name in steps.kept[0]["gradients"])
    assert any(name.startswith("body.encoder") for name in steps.kept[-1]["gradients"])
    assert any("pairs of tasks in conflict" in entry for entry in trained.history)
