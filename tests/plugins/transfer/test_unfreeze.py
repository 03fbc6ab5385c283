from __future__ import annotations

import re

import pytest

from ladle.errors import RecipeError

STEPS = {"use": "steps"}
HEAD = {"bert.pooler.dense", "classifier"}


def unfreeze(**options):
    return {"use": "unfreeze", **options}


def parts(names):
    """The layers and other parts that parameters belong to."""
    found = set()
    for name in names:
        layer = re.search(r"\.(?:layers?|h)\.(\d+)\.", name)
        found.add(int(layer[1]) if layer else "embeddings" if "embeddings" in name else name.rpartition(".")[0])
    return found


def test_a_layer_joins_in_after_each_epoch_from_the_top(saved, stage, train, steps):
    train(stage(saved("bert"), unfreeze(), STEPS, epochs=6))
    trained = [parts(step["gradients"]) for step in steps]
    assert len(trained) == 6 * 5
    for epoch, joined in enumerate([set(), {3}, {3, 2}, {3, 2, 1}, {3, 2, 1, 0}, {3, 2, 1, 0, "embeddings"}]):
        assert all(own == HEAD | joined for own in trained[epoch * 5 : epoch * 5 + 5])


def test_what_has_not_joined_in_does_not_move_and_does_not_decay(saved, stage, train, steps):
    import torch

    trained = train(stage(saved("bert"), unfreeze(), STEPS, epochs=3, weight_decay=0.5, learning_rate=1e-2))
    first, last = steps[0]["weights"], trained.weights()
    still = {name for name in first if torch.equal(first[name], last[name])}
    assert parts(still) == {0, 1, "embeddings"}
    assert not parts(still) & parts(set(first) - still)
    assert trained.notes["groups of layers whose turn to be trained does not come"] == 3
    assert trained.metrics["training"]["trainable_parameters"] == trained.metrics["training"]["parameters"]


def test_all_parameters_have_their_optimiser_group_from_the_start(saved, stage, train, steps):
    train(stage(saved("bert"), unfreeze(), STEPS, epochs=1))
    assert set(steps[0]["rates"]) == set(steps[0]["weights"])


def test_layers_join_in_after_a_share_of_the_steps_several_at_a_time(saved, stage, train, steps):
    train(stage(saved("bert"), unfreeze(every=0.3, layers=2), STEPS, epochs=2))
    joined = [parts(step["gradients"]) - HEAD for step in steps]
    assert joined == [set()] * 3 + [{2, 3}] * 3 + [{0, 1, 2, 3}] * 3 + [{0, 1, 2, 3, "embeddings"}]


def test_a_head_without_weights_of_its_own_lets_the_highest_layer_begin(saved, stage, train, steps):
    start = saved("gpt2", head="ForCausalLM")
    train(stage(start, unfreeze(layers=5), STEPS, use="causal-language-model", packing="off", epochs=2))
    assert parts(steps[0]["gradients"]) == {"transformer.ln_f"}
    assert parts(steps[-1]["gradients"]) == {"transformer.ln_f", 0, 1, 2, 3, "transformer.wte", "transformer.wpe"}


def test_layers_that_stay_fixed_do_not_join_in(saved, stage, train, steps):
    fixed = {"use": "transfer", "freeze": 2}
    for techniques in ((fixed, unfreeze(every=0.2)), (unfreeze(every=0.2), fixed)):
        train(stage(saved("bert"), *techniques, STEPS))
        assert parts(steps[-1]["gradients"]) == HEAD | {2, 3}
        assert parts(steps[0]["gradients"]) == HEAD


def test_adapters_join_in_with_their_layers(saved, stage, train, steps):
    train(stage(saved("bert"), {"use": "lora"}, unfreeze(every=0.2), STEPS))
    joined = [{part for part in parts(step["gradients"]) if isinstance(part, int)} for step in steps]
    assert joined[::2] == [set(), {3}, {2, 3}, {1, 2, 3}, {0, 1, 2, 3}]
    assert all("lora" in name for name in steps[-1]["gradients"] if ".layer." in name)


@pytest.mark.parametrize("every", [0.0, 1.0, -0.5, 3])
def test_what_is_no_share_is_refused(every, saved, stage, read):
    with pytest.raises(RecipeError, match="is no share of the steps"):
        read(stage(saved("bert"), unfreeze(every=every)))
