from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from ladle.errors import RecipeError, StageError
from ladle_transfer.transfer import Transfer

KINDS = ["bert", "roberta", "distilbert", "llama", "gpt2"]
WATCHING = {"use": "watching"}


def transfer(freeze: int | str = 2, **options):
    return {"use": "transfer", "freeze": freeze, **options}


def layer_of(name: str) -> int | None:
    found = re.search(r"(?:layers?|h)\.(\d+)\.", name)
    return int(found[1]) if found else None


@pytest.mark.parametrize(
    ("kind", "head", "dropout"),
    [
        ("bert", "own", 0.3),
        ("bert", "mean", 0.0),
        ("gpt2", "own", 0.3),
        *(pytest.param(kind, "own", 0.3, marks=pytest.mark.slow) for kind in ("roberta", "distilbert", "llama")),
        *(pytest.param(kind, "mean", 0.3, marks=pytest.mark.slow) for kind in KINDS),
    ],
)
def test_kept_outputs_train_the_same_model_as_layers_that_run_and_lower_ones_do_not_move_by_a_bit(
    kind, head, dropout, saved, stage, train
):
    import torch

    start = train(stage(saved(kind, dropout), head=head, epochs=0)).weights()
    kept, run = (train(stage(saved(kind, dropout), transfer(reuse=reuse), head=head)) for reuse in (True, False))
    assert len(kept.losses) == 10
    assert kept.losses == pytest.approx(run.losses, abs=1e-5)
    assert kept.metrics["training"]["trainable_parameters"] == run.metrics["training"]["trainable_parameters"]
    kept, run = kept.weights(), run.weights()
    assert set(kept) == set(start)
    for name, found in kept.items():
        torch.testing.assert_close(found, run[name], atol=1e-4, rtol=1e-3, msg=name)
    below = {name for name in start if "embed" in name or "wte" in name or "wpe" in name or layer_of(name) in (0, 1)}
    for after in (kept, run):
        assert {name for name in start if torch.equal(start[name], after[name])} == below


@pytest.mark.parametrize("reuse", [True, False])
def test_each_row_passes_the_lower_layers_once_if_their_output_is_reused(reuse, saved, stage, train, watching):
    train(stage(saved("bert"), WATCHING, transfer(reuse=reuse), epochs=3), held_out=True)
    measured = 3 * 8 + 8 + 12  # validation after each epoch and at the end, test at the end
    probe, trial = 1, 2 * 3
    assert sum(watching.worked) == probe + measured + (trial + 40 if reuse else 3 * 40)


def test_kept_outputs_are_in_a_mapped_file_and_used_again(saved, stage, train):
    from ladle_transfer.states import KeptStates

    (kept,) = train(stage(saved("bert"), transfer(), epochs=1)).states
    made = kept.stat().st_mtime_ns
    train(stage(saved("bert"), transfer(), epochs=1, learning_rate=1e-2, batch_size=4))
    assert train(stage(saved("bert"), transfer(), epochs=1, head="mean")).states == [kept]
    assert kept.stat().st_mtime_ns == made
    states = KeptStates(kept.parent)
    if sys.platform == "linux":
        assert str(kept) in Path("/proc/self/maps").read_text()
    assert states.states.shape == (states.starts[-1], 32)
    assert len(states.starts) == 40 + 1
    assert len(train(stage(saved("bert"), transfer(3), epochs=1)).states) == 2


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_the_saved_model_is_whole_and_is_what_was_measured(kind, saved, stage, train):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from ladle_supervised.measures import measure_classes

    trained = train(stage(saved(kind), transfer()), held_out=True)
    model = AutoModelForSequenceClassification.from_pretrained(trained.model, use_safetensors=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(trained.model)
    for split, first, last in (("validation", 40, 48), ("test", 48, 60)):
        rows = _reviews()[first:last]
        with torch.inference_mode():
            logits = [model(**_inputs(tokenizer(row["text"], return_tensors="pt"))).logits[0] for row in rows]
        shares = torch.stack(logits).softmax(-1).numpy()
        truth = np.array(["np".index(row["label"]) for row in rows])
        found = measure_classes(shares, truth, ["n", "p"]).metrics
        assert trained.metrics[split] == {name: pytest.approx(value, abs=1e-5) for name, value in found.items()}
    said = trained.predict([row["text"] for row in rows])
    assert [answer["probabilities"]["p"] for answer in said] == pytest.approx(shares[:, 1].tolist(), abs=1e-4)


def _inputs(tokens):
    return {name: tokens[name] for name in ("input_ids", "attention_mask")}


def _reviews():
    words, starts = ("good", "bad", "fine", "awful"), ("the", "a", "very")
    return [
        {"text": f"{starts[n % 3]} film is {words[n % 4]} {'of day ' * (n % 5)}".strip(), "label": "np"[n % 2 == 0]}
        for n in range(60)
    ]


@pytest.mark.parametrize("reuse", [True, False])
def test_layers_are_found_where_layers_above_are_checkpointed(reuse, saved, stage, train):
    arguments = {"gradient_checkpointing": True}
    losses = train(stage(saved("bert"), transfer(reuse=reuse), epochs=1, arguments=arguments)).losses
    assert losses == pytest.approx(train(stage(saved("bert"), transfer(reuse=reuse), epochs=1)).losses, abs=1e-6)


# What is refused


@pytest.mark.parametrize(("kind", "freeze"), [*((kind, 4) for kind in KINDS), ("bert", 9)])
def test_freezing_all_layers_by_their_number_is_refused_by_the_check(kind, freeze, saved, stage, read):
    with pytest.raises(RecipeError) as raised:
        read(stage(saved(kind), transfer(freeze)))
    [problem] = raised.value.problems
    assert problem.message == f"freeze = {freeze} leaves no layer to train: the model has 4"
    assert (problem.span.text, problem.help) == (
        f"freeze = {freeze}",
        'write at most 3, or "all" to train the head alone',
    )


def test_freezing_all_layers_of_a_model_that_the_check_does_not_see(saved, stage, train):
    with pytest.raises(StageError, match=r"freeze = 4 leaves no layer to train: \w+ has 4") as raised:
        train(stage(saved("bert"), name="first", epochs=0) + stage("first", transfer(4)))
    assert raised.value.problems[0].help == 'write at most 3, or "all" to train the head alone'


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        (0, "0 is no number of layers to freeze"),
        (2.5, "expected a whole number, found 2.5"),
        ("most", "\"most\" is not one of 'all'"),
    ],
)
def test_what_is_no_number_of_layers_is_refused(freeze, message, read, stage, saved):
    with pytest.raises(RecipeError, match=message):
        read(stage(saved("bert"), transfer(freeze)))


def test_what_moves_embeddings_needs_layers_that_run(read, stage, saved):
    with pytest.raises(RecipeError) as raised:
        read(stage(saved("bert"), {"use": "moving"}, transfer()))
    (problem,) = raised.value.problems
    assert problem.message == "`moving` needs embeddings, which `transfer` takes away as it is set"
    assert problem.span.text == 'use = "moving"'
    assert read(stage(saved("bert"), {"use": "moving"}, transfer(reuse=False))).train[0].techniques[0].use == "moving"


def test_a_technique_that_changes_tokens_unsaid_is_found_out(saved, stage, train):
    with pytest.raises(StageError, match="rows stand together, or their tokens are changed") as raised:
        train(stage(saved("bert"), {"use": "hiding"}, transfer()))
    (problem,) = raised.value.problems
    assert problem.help == "write reuse = false"
    assert (problem.span.line, problem.span.text) == (17, "[[train.technique]]")
    train(stage(saved("bert"), {"use": "hiding"}, transfer(reuse=False), epochs=1))


def test_layers_that_cannot_be_told_apart_are_refused(saved, stage, read):
    with pytest.raises(RecipeError) as raised:
        read(stage(saved("bart"), transfer()))
    (problem,) = raised.value.problems
    assert problem.message == ("the model is an encoder with a decoder: its layers do not stand one above the other")


def test_a_model_whose_layers_are_spread_over_several_lists_runs_them(saved, stage, train):
    with pytest.raises(StageError, match="uses what its lower layers say in more places than one") as raised:
        train(stage(saved("xlm"), transfer()))
    assert raised.value.problems[0].help == "write reuse = false"
    train(stage(saved("xlm"), transfer(reuse=False), epochs=1))


def test_reentrant_checkpointing_is_refused(saved, stage, read):
    arguments = {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": True}}
    for technique in (transfer(), {"use": "lora"}, {"use": "unfreeze"}):
        with pytest.raises(
            RecipeError, match="reentrant checkpointing gives no gradients to a layer above one that is"
        ):
            read(stage(saved("bert"), technique, arguments=arguments))


def test_a_trainer_without_layers_is_refused(read):
    recipe = '[[train]]\nuse = "tabular-regression"\ndata = "rows"\ncolumns = []\ntarget = "score"\n'
    for technique in ('use = "transfer"\nfreeze = 1', 'use = "unfreeze"', 'use = "layer-rates"'):
        with pytest.raises(RecipeError, match="needs layers, which `tabular-regression` does not offer"):
            read(f"{recipe}[[train.technique]]\n{technique}\n")


# Models


def test_a_model_that_is_gone_on_from_can_be_frozen_deeper(saved, stage, train):
    import torch

    trained = train(stage(saved("bert"), transfer(1), name="first", epochs=1) + stage("first", transfer(3), epochs=1))
    before, after = trained.weights("first"), trained.weights()
    assert {layer_of(name) for name in before if not torch.equal(before[name], after[name])} == {3, None}


def test_no_rows_have_no_states():
    from datasets import Dataset

    empty = Dataset.from_dict({"input_ids": [], "length": []})
    assert Transfer.model_validate({"freeze": 1}).dataset(lambda split: empty, "train") is empty


def test_of_lists_in_lists_the_outer_one_holds_the_layers():
    import torch

    from ladle_transfer.fixed import LowerLayers

    class Layer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(6))

        def forward(self, states):
            return sum(expert(states) for expert in self.experts)

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = torch.nn.Embedding(3, 4)
            self.blocks = torch.nn.ModuleList(Layer() for _ in range(3))

        def forward(self, input_ids):
            states = self.embed(input_ids)
            for block in self.blocks:
                states = block(states)
            return states

    model = Model()
    lower = LowerLayers(model, 2)
    assert lower.layers == list(model.blocks[:2])
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, _ in model.named_parameters() if name.startswith("blocks.2.")}


def test_outputs_kept_before_a_kill_are_not_worked_out_again(saved, stage, train, monkeypatch):
    import torch

    from ladle_transfer import states
    from ladle_transfer.fixed import LowerLayers

    monkeypatch.setattr(states, "_ROWS_AT_ONCE", 8)
    worked, work_out, kill_after = [], LowerLayers.output, 3

    def output(self, batch):
        if len(batch["input_ids"]) == 8:
            if len(worked) == kill_after:
                raise KeyboardInterrupt
            worked.append(8)
        return work_out(self, batch)

    monkeypatch.setattr(LowerLayers, "output", output)
    with pytest.raises(KeyboardInterrupt):
        train(stage(saved("bert"), transfer(), epochs=1))
    kill_after = 5
    resumed = train(stage(saved("bert"), transfer(), epochs=1)).weights()
    assert len(worked) == 5  # times 8 rows, of 40
    kill_after = 10
    whole = train(stage(saved("bert"), transfer(), epochs=1), runs="others").weights()
    assert len(worked) == 10
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
