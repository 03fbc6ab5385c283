"""Trainings that are cut otherwise, stopped and gone on with, or fail: with each technique, and with several."""

from __future__ import annotations

import pytest

from ladle.errors import StageError

LORA = {"use": "lora", "rank": 2, "dropout": 0.2}
UNFREEZE = {"use": "unfreeze", "every": 0.15}
RATES = {"use": "layer-rates", "decay": 2.0}
CASES = {
    "transfer": [{"use": "transfer", "freeze": 2}],
    "head alone": [{"use": "transfer", "freeze": "all"}],
    "lora": [LORA],
    "dora": [LORA | {"dora": True}],
    "unfreeze": [UNFREEZE],
    "layer-rates": [RATES],
    "lora, unfreeze, layer-rates": [LORA, UNFREEZE, RATES],
    "transfer, lora": [{"use": "transfer", "freeze": 2}, LORA],
    "lora, transfer, unfreeze": [LORA, {"use": "transfer", "freeze": 1}, UNFREEZE],
}


SLOW = {"transfer", "dora", "layer-rates", "transfer, lora", "lora, unfreeze, layer-rates"}  # others show it as well


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] if case in SLOW else []) for case in CASES]
)
def test_a_training_that_goes_on_ends_with_the_same_weights_bit_for_bit(case, saved, stage, train, tmp_path):
    import torch

    stop = {"use": "interrupted", "after": 7, "note": str(tmp_path / "note")}
    recipe = stage(saved("bert", 0.1), *CASES[case], stop)
    with pytest.raises(KeyboardInterrupt):
        train(recipe)
    resumed = train(recipe)
    assert resumed.metrics["training"]["steps"] == 10
    whole = train(recipe, runs="others").weights()
    weights = resumed.weights()
    assert set(weights) == set(whole)
    assert all(torch.equal(whole[name], weights[name]) for name in whole)


@pytest.mark.parametrize("case", ["transfer", "head alone", "lora, unfreeze, layer-rates"])
def test_a_step_s_gradient_is_the_same_however_its_rows_are_cut_and_padded(case, saved, stage, train, steps):
    import torch

    techniques = [
        technique | {"dropout": 0.0} if technique["use"] == "lora" else technique for technique in CASES[case]
    ]
    options = {"arguments": {"max_steps": 2}, "clip": 0.0, "learning_rate": 0.01}
    found = []
    for batch_size in (8, 4, 1):
        train(
            stage(
                saved("bert"),
                *techniques,
                {"use": "steps"},
                batch_size=batch_size,
                accumulate=8 // batch_size,
                **options,
            )
        )
        found.append(steps[-2]["gradients"])
    assert found[0]
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for name, gradient in found[0].items():
            torch.testing.assert_close(other[name], gradient, atol=1e-6, rtol=1e-4, msg=name)


@pytest.mark.parametrize("fails", [True, False])
@pytest.mark.parametrize("case", ["transfer", "head alone", "lora, unfreeze, layer-rates"])
def test_nothing_is_left_on_the_model_even_if_training_fails(case, fails, saved, stage, train, watching):
    recipe = stage(saved("bert"), {"use": "watching", "fail_at": 3 if fails else None}, *CASES[case], epochs=1)
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
