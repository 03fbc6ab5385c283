"""What holds for the training steps of every trainer whose rows are texts."""

from __future__ import annotations

import pytest

TRAINERS = ("text-classification", "token-classification", "question-answering", "text-regression")
NEWER = TRAINERS[1:]  # the first is shown to do the same in the tests of the core and of ladle-transfer


@pytest.fixture
def rows_for(reviews, sentences, questions, ratings):
    """The rows that a trainer learns from."""
    return dict(zip(TRAINERS, (reviews, sentences, questions, ratings), strict=True)).__getitem__


def stage(use: str, folder, *options: str, techniques: str = "") -> str:
    lines = ["[[train]]", f'use = "{use}"', 'name = "model"', 'data = "rows"', 'device = "cpu"']
    return "\n".join([*lines, f'model = {{ pretrained = "{folder}" }}', *options, techniques]) + "\n"


SGD = ("epochs = 1", "learning_rate = 0.1", "warmup = 0.0", 'schedule = "constant"', "clip = 0.0", "weight_decay = 0.0")


@pytest.mark.parametrize("use", TRAINERS)
def test_a_step_is_the_same_however_its_rows_are_cut_into_batches(use, still_bert, rows_for, train):
    """Cut otherwise, rows are padded otherwise, and batches have other shares of the labels."""
    import torch
    from safetensors.torch import load_file

    eight = [row for row in rows_for(use) if row["split"] == "train"][:8]
    lengths = {len(str(row)) for row in eight}
    assert len(lengths) > 3
    whole, halves, single = (
        train(
            eight,
            stage(use, still_bert, *SGD, f"batch_size = {size}", f"accumulate = {8 // size}", "[train.arguments]")
            + 'optim = "sgd"\n',
        )
        for size in (8, 4, 1)
    )
    before, after = load_file(still_bert / "model.safetensors"), whole.weights()
    name = next(name for name in after if name.endswith("layer.0.output.dense.weight"))
    assert not torch.equal(after[name], before[name.partition(".")[2]])
    for other in (halves, single):
        assert other.metrics["training"]["steps"] == 1
        for name, weights in other.weights().items():
            torch.testing.assert_close(weights, after[name], atol=1e-6, rtol=1e-4, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("use", NEWER)
def test_a_training_that_goes_on_ends_with_the_same_weights(use, saved, rows_for, train, tmp_path):
    import torch

    note = tmp_path / "stopped"
    stop = f'[[train.technique]]\nuse = "stopping"\nafter = 3\nnote = "{note}"\n'
    recipe = stage(use, saved("bert"), "epochs = 2", "learning_rate = 1e-3", "batch_size = 8", techniques=stop)
    with pytest.raises(KeyboardInterrupt):
        train(rows_for(use), recipe)
    resumed = train(rows_for(use), recipe)
    assert "training-resumed" in (resumed.run.folder / "events.jsonl").read_text()
    whole = train(rows_for(use), recipe, runs="whole")
    assert "training-resumed" not in (whole.run.folder / "events.jsonl").read_text()
    found = resumed.weights()
    assert all(torch.equal(found[name], weights) for name, weights in whole.weights().items())
    assert resumed.metrics["test"] == whole.metrics["test"]


@pytest.mark.parametrize("use", NEWER)
def test_lower_layers_can_be_fixed_and_computed_once(use, still_bert, rows_for, train):
    """With ladle-transfer: the same model comes of layers that run and of their kept output."""
    import torch
    from safetensors.torch import load_file

    runs = {}
    for reuse in ("true", "false"):
        transfer = f'[[train.technique]]\nuse = "transfer"\nfreeze = 1\nreuse = {reuse}\n'
        sgd = '[train.arguments]\noptim = "sgd"\n'  # Adam makes much of a gradient that is 0 but for rounding
        recipe = stage(use, still_bert, *SGD, "batch_size = 8", techniques=sgd + transfer)
        runs[reuse] = train(rows_for(use), recipe)
    kept, run = (runs[reuse].weights() for reuse in ("true", "false"))
    for name, weights in kept.items():
        torch.testing.assert_close(weights, run[name], atol=1e-5, rtol=1e-4, msg=name)
    before = load_file(still_bert / "model.safetensors")
    own = {name: kept[f"bert.{name}"] for name in before if f"bert.{name}" in kept}  # not all have the pooler
    moved = {name for name, weights in own.items() if not torch.equal(weights, before[name])}
    assert len(moved) >= 16
    assert all(name.startswith(("encoder.layer.1.", "pooler.")) for name in moved)
    assert runs["true"].metrics["test"]["loss"] == pytest.approx(runs["false"].metrics["test"]["loss"], rel=1e-3)
    assert len(list(runs["true"].runs.store.root.rglob("states.bin"))) == 1
