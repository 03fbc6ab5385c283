"""Tasks of language models, whose heads are their bodies' embeddings, with tasks of other kinds."""

from __future__ import annotations

import json

import pytest
import torch

CAUSAL = {"use": "causal-language-model", "data": "reviews", "max_length": 32}
MASKED = {"use": "masked-language-model", "data": "reviews", "max_length": 32}
SENTIMENT = {"use": "text-classification", "data": "reviews", "target": "sentiment", "head": "own"}


@pytest.mark.parametrize(("kind", "language"), [("llama", CAUSAL), ("bert", MASKED)])
def test_a_language_model_and_a_classifier_share_body_and_embeddings(kind, language, steps, stage, train, alone, saved):
    tasks = {"words": language, "sentiment": SENTIMENT}
    trained = train(stage(saved(kind), {"use": "steps"}, tasks=tasks, batch_size=4), held_out=True)
    (model,) = steps.models
    table = model.get_input_embeddings().weight
    assert model.get_output_embeddings().weight is table
    assert sum(parameter is table for parameter in model.parameters()) == 1
    assert trained.notes["words: packing"]
    assert {"words/loss", "words/perplexity", "sentiment/accuracy"} <= set(trained.metrics["test"])
    again = train(alone(trained.model / "tasks" / "words", name="again", epochs=0, **language), held_out=True)
    for name, value in again.metrics["test"].items():
        if name != "rows":
            assert trained.metrics["test"][f"words/{name}"] == pytest.approx(value, rel=1e-5)


def test_adapters_of_all_matrices_leave_the_table_alone(stage, train, saved):
    tasks = {"words": CAUSAL, "sentiment": SENTIMENT}
    recipe = stage(saved("llama"), {"use": "lora", "targets": "linear"}, tasks=tasks, batch_size=4)
    trained = train(recipe)
    before, after = train(stage(saved("llama"), tasks=tasks, epochs=0)).weights(), trained.weights()
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert "embed_tokens.weight" not in moved
    assert "layers.0.mlp.up_proj.weight" in moved


def test_a_model_from_scratch_has_a_tokeniser_of_all_tasks_texts(stage, train):
    tasks = {"words": CAUSAL, "sentiment": SENTIMENT}
    scratch = {"scratch": "llama", "size": "tiny", "vocabulary": 80, "length": 32}
    recipe = stage("", tasks=tasks, epochs=1).replace('{ stage = "" }', "SCRATCH")
    inline = ", ".join(f"{name} = {json.dumps(value)}" for name, value in scratch.items())
    trained = train(recipe.replace("SCRATCH", f"{{ {inline} }}"))
    assert (trained.model / "tokenizer.json").is_file()


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_encoders_with_decoders_share_what_they_have(kind, steps, stage, train, alone, saved):
    options = {"use": "sequence-to-sequence", "column": "text", "generated_rows": 0}
    tasks = {"sentiment": options | {"target": "sentiment"}, "word": options | {"target": "word"}}
    trained = train(stage(saved(kind), {"use": "steps"}, tasks=tasks, data="reviews"), held_out=True)
    (model,) = steps.models
    assert (model.of("word") is model.of("sentiment")) is (kind == "t5")  # whose head is a part of its body
    again = alone(trained.model / "tasks" / "word", name="again", data="reviews", epochs=0, **tasks["word"])
    metrics = train(again, held_out=True).metrics["test"]
    assert trained.metrics["test"]["word/loss"] == pytest.approx(metrics["loss"], rel=1e-5)


def test_a_head_that_runs_on_parts_of_the_places_trains_the_same(monkeypatch, stage, train, saved):
    import ladle_unsupervised.heads

    recipe = stage(saved("llama"), tasks={"words": CAUSAL, "sentiment": SENTIMENT}, batch_size=4)
    whole = train(recipe, runs="whole")
    monkeypatch.setattr(ladle_unsupervised.heads, "AT_ONCE", 256)
    parts = train(recipe, runs="parts")
    assert parts.losses == pytest.approx(whole.losses, rel=1e-4)
