from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ladle import registry
from ladle.errors import RecipeError, StageError
from ladle_transfer.transfer import Transfer

KINDS = ["bert", "roberta", "distilbert", "llama", "gpt2"]


def stage(folder, freeze: int | None = 2, *, reuse: bool = True, techniques: str = "", options: str = "") -> str:
    """A train stage on the model in a folder, with `transfer` after other techniques."""
    transfer = f'[[train.technique]]\nuse = "transfer"\nfreeze = {freeze}\nreuse = {str(reuse).lower()}\n'
    defaults = {"epochs": "2", "learning_rate": "1e-3", "head": '"own"', "batch_size": "8", "device": '"cpu"'}
    given = dict(line.split(" = ", 1) for line in options.splitlines())
    lines = [f"{name} = {value}" for name, value in (defaults | given).items()]
    return (
        '[[train]]\nuse = "text-classification"\ndata = "rows"\n'
        + f'model = {{ pretrained = "{folder}" }}\n'
        + "\n".join(lines)
        + f"\n{techniques}"
        + (transfer if freeze else "")
    )


def layer_of(name: str) -> int | None:
    found = re.search(r"(?:layers?|h)\.(\d+)\.", name)
    return int(found[1]) if found else None


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_lower_layers_do_not_move_by_a_bit_and_upper_ones_do(kind, reuse, saved, train):
    import torch

    before = train(stage(saved(kind), None, options="epochs = 0")).weights()
    after = train(stage(saved(kind), 2, reuse=reuse)).weights()
    assert set(after) == set(before)
    below = {name for name in before if "embed" in name or "wte" in name or "wpe" in name or layer_of(name) in (0, 1)}
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert below < set(before)
    assert still == below


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("head", ["own", "mean"])
@pytest.mark.parametrize("kind", KINDS)
def test_kept_outputs_train_the_same_model_as_layers_that_run(kind, head, dropout, saved, train):
    import torch

    kept, run = (
        train(stage(saved(kind, dropout), 2, reuse=reuse, options=f'head = "{head}"')) for reuse in (True, False)
    )
    assert len(kept.losses) == 10
    assert kept.losses == pytest.approx(run.losses, abs=1e-5)
    weights = run.weights()
    for name, found in kept.weights().items():
        torch.testing.assert_close(found, weights[name], atol=1e-4, rtol=1e-3, msg=name)
    assert kept.metrics["test"]["loss"] == pytest.approx(run.metrics["test"]["loss"], abs=1e-4)
    assert kept.metrics["training"]["trainable_parameters"] == run.metrics["training"]["trainable_parameters"]


@pytest.mark.parametrize("accumulate", [1, 4])
def test_kept_outputs_go_with_accumulation(accumulate, saved, train):
    options = f"accumulate = {accumulate}\nbatch_size = {8 // accumulate}"
    losses = train(stage(saved("bert"), options=options)).losses
    assert losses == pytest.approx(train(stage(saved("bert"), options=options, reuse=False)).losses, abs=1e-5)


@pytest.mark.parametrize("reuse", [True, False])
def test_each_row_passes_the_lower_layers_once_if_their_output_is_reused(reuse, saved, train, watching):
    watch = '[[train.technique]]\nuse = "watching"\n'
    train(stage(saved("bert"), 2, reuse=reuse, techniques=watch, options="epochs = 3"))
    measured = 3 * 8 + 8 + 12  # validation after each epoch and at the end, test at the end
    probe = 1
    assert sum(watching.worked) == probe + measured + (40 if reuse else 3 * 40)


def test_kept_outputs_are_in_a_mapped_file_and_used_again(saved, train):
    from ladle_transfer.states import KeptStates

    first = train(stage(saved("bert")))
    (kept,) = first.runs.store.root.rglob("states.bin")
    made = kept.stat().st_mtime_ns
    train(stage(saved("bert"), options="learning_rate = 1e-2\nepochs = 1\nbatch_size = 4"))
    train(stage(saved("bert"), options='head = "mean"'))
    assert list(first.runs.store.root.rglob("states.bin")) == [kept]
    assert kept.stat().st_mtime_ns == made
    states = KeptStates(kept.parent)
    if sys.platform == "linux":
        assert str(kept) in Path("/proc/self/maps").read_text()
    assert states.states.shape == (states.starts[-1], 32)
    assert len(states.starts) == 40 + 1
    train(stage(saved("bert"), 3))
    assert len(list(first.runs.store.root.rglob("states.bin"))) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_saved_model_is_whole_and_is_what_was_measured(kind, saved, train):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from ladle_supervised.measures import measure_classes

    trained = train(stage(saved(kind)))
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
@pytest.mark.parametrize("fails", [True, False])
def test_nothing_is_left_on_the_model_even_if_training_fails(fails, reuse, saved, train, watching):
    watch = f'[[train.technique]]\nuse = "watching"\n{"fail_at = 3" if fails else ""}\n'
    recipe = stage(saved("bert"), reuse=reuse, techniques=watch)
    if fails:
        with pytest.raises(StageError, match="told to fail"):
            train(recipe)
    else:
        train(recipe)
    model, handle = watching.seen[0]
    handle.remove()
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert "forward" not in vars(module)


@pytest.mark.parametrize("freeze", [4, 9])
@pytest.mark.parametrize("kind", KINDS)
def test_freezing_all_layers_is_refused_by_the_check(kind, freeze, saved, read):
    with pytest.raises(RecipeError) as raised:
        read(stage(saved(kind), freeze))
    [problem] = raised.value.problems
    assert problem.message == f"freeze = {freeze} leaves no layer to train: the model has 4"
    assert (problem.span.text, problem.help) == (f"freeze = {freeze}", "at most 3 here")


def test_freezing_all_layers_of_a_model_that_the_check_does_not_see(saved, train):
    first = stage(saved("bert"), None).replace("[[train]]", '[[train]]\nname = "first"', 1)
    second = stage("", 4).replace('{ pretrained = "" }', '{ stage = "first" }').replace("[[train]]", "\n[[train]]", 1)
    with pytest.raises(StageError, match=r"freeze = 4 leaves no layer to train: \w+ has 4") as raised:
        train(first + second)
    assert raised.value.problems[0].help == "at most 3 here"


def test_freezing_nothing_is_refused(read, saved):
    with pytest.raises(RecipeError, match="0 is out of range: expected more than 0"):
        read(stage(saved("bert"), 1).replace("freeze = 1", "freeze = 0"))


def test_what_moves_embeddings_needs_layers_that_run(read, saved):
    moving = '[[train.technique]]\nuse = "moving"\n'
    with pytest.raises(RecipeError) as raised:
        read(stage(saved("bert"), techniques=moving))
    (problem,) = raised.value.problems
    assert problem.message == "`moving` needs embeddings, which `transfer` takes away as it is set"
    assert problem.span.text == 'use = "moving"'
    assert read(stage(saved("bert"), techniques=moving, reuse=False)).train[0].techniques[0].use == "moving"


def test_a_trainer_without_layers_is_refused(read):
    recipe = '[[train]]\nuse = "tabular-regression"\ndata = "rows"\ncolumns = []\n'
    with pytest.raises(RecipeError, match="`transfer` needs layers, which `tabular-regression` does not offer"):
        read(recipe + '[[train.technique]]\nuse = "transfer"\nfreeze = 1\n')


def test_a_model_that_is_gone_on_from_can_be_frozen_deeper(saved, train):
    import torch

    first = stage(saved("bert"), 1).replace("[[train]]", '[[train]]\nname = "first"', 1)
    second = stage("", 3).replace('{ pretrained = "" }', '{ stage = "first" }').replace("[[train]]", "\n[[train]]", 1)
    trained = train(first + second)
    before = trained.run.model("first") / "model.safetensors"
    from safetensors.torch import load_file

    after = trained.weights()
    moved = {layer_of(name) for name, weights in load_file(before).items() if not torch.equal(weights, after[name])}
    assert moved == {3, None}


def test_no_rows_have_no_states():
    from datasets import Dataset

    empty = Dataset.from_dict({"input_ids": [], "length": []})
    assert Transfer.model_validate({"freeze": 1}).dataset(lambda split: empty, "train") is empty


def test_of_lists_in_lists_the_outer_one_holds_the_layers():
    import torch

    from ladle_transfer.layers import LowerLayers

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


def test_recipes_find_the_technique_and_its_documentation():
    offer = registry.installed().find("technique", "transfer")
    assert offer.plugin.name == "ladle-transfer"
    assert offer.load() is Transfer
    assert Transfer.summary()
    assert all(field.description for field in Transfer.model_fields.values())


def test_the_technique_loads_without_heavy_imports():
    heavy = {"numpy", "pyarrow", "torch", "transformers", "datasets"}
    code = f"import sys, ladle_transfer.transfer; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_outputs_kept_before_a_kill_are_not_worked_out_again(saved, train, monkeypatch, tmp_path):
    import torch

    from ladle_transfer import states
    from ladle_transfer.layers import LowerLayers

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
        train(stage(saved("bert")))
    kill_after = 5
    resumed = train(stage(saved("bert"))).weights()
    assert len(worked) == 5  # times 8 rows, of 40
    (tmp_path / "runs").rename(tmp_path / "others")
    kill_after = 10
    whole = train(stage(saved("bert"))).weights()
    assert len(worked) == 10
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
