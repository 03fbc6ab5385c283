from __future__ import annotations

import re

import pytest

STEPS = {"use": "steps"}


def layer_of(name: str) -> int | str:
    layer = re.search(r"\.(?:layers?|h)\.(\d+)\.", name)
    return int(layer[1]) if layer else "embeddings" if "embed" in name or "wte" in name or "wpe" in name else "head"


@pytest.fixture
def rates(saved, stage, train, steps):
    """The rate of each part of a model at the top of the schedule, and the training."""

    def rates(kind, *techniques, ends="Model", **options):
        options = {"learning_rate": 1e-3, "arguments": {"max_steps": 1}} | options
        trained = train(stage(saved(kind, head=ends), *techniques, STEPS, **options))
        found: dict[int | str, set[float]] = {}
        for name, rate in steps[-1]["first"].items():
            found.setdefault(layer_of(name), set()).add(round(rate, 12))
        assert all(len(own) == 1 for own in found.values())
        return {part: own.pop() for part, own in found.items()}, trained

    return rates


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_each_layer_below_learns_more_slowly_by_the_same_factor(kind, rates):
    found, trained = rates(kind, {"use": "layer-rates", "decay": 2.6})
    assert found == {
        "head": 1e-3,
        **{layer: pytest.approx(1e-3 / 2.6 ** (3 - layer)) for layer in range(4)},
        "embeddings": pytest.approx(1e-3 / 2.6**4),
    }
    assert trained.notes["learning rates"] == "0.001 down to 2.19e-05"


def test_a_head_keeps_its_own_rate(rates):
    found, _ = rates("bert", {"use": "layer-rates", "decay": 2.0}, head_learning_rate=5e-2, head="mean")
    assert found == {"head": 5e-2, 3: 1e-3, 2: 5e-4, 1: 2.5e-4, 0: 1.25e-4, "embeddings": 6.25e-5}


def test_tied_embeddings_have_the_rate_of_embeddings(rates):
    found, _ = rates("gpt2", {"use": "layer-rates", "decay": 2.0}, ends="ForCausalLM", use="causal-language-model")
    assert found == {"head": 1e-3, 3: 1e-3, 2: 5e-4, 1: 2.5e-4, 0: 1.25e-4, "embeddings": 6.25e-5}


@pytest.mark.parametrize("is_first", [True, False])
def test_adapters_have_the_rates_of_their_layers(is_first, rates):
    techniques = [{"use": "layer-rates", "decay": 2.0}, {"use": "lora"}]
    found, _ = rates("bert", *(techniques if is_first else reversed(techniques)))
    assert found == {"head": 1e-3, 3: 1e-3, 2: 5e-4, 1: 2.5e-4, 0: 1.25e-4}


def test_layers_above_fixed_ones_have_the_rates_of_their_places(rates):
    found, _ = rates("bert", {"use": "transfer", "freeze": 2}, {"use": "layer-rates", "decay": 2.0})
    assert found == {"head": 1e-3, 3: 1e-3, 2: 5e-4}


def test_weight_decay_stays_what_it_was(saved, stage, train):
    from types import SimpleNamespace

    import torch
    from transformers import AutoModelForSequenceClassification

    from ladle.training import decay_groups
    from ladle_transfer.layer_rates import LayerRates

    model = AutoModelForSequenceClassification.from_pretrained(saved("bert"))
    setting = SimpleNamespace(plan=SimpleNamespace(trainer=SimpleNamespace(learning_rate=1e-3)), notes={})
    plain = decay_groups(model, 0.1)
    groups = LayerRates.model_validate({}).within(setting).parameters(lambda given: decay_groups(given, 0.1), model)

    def decays(groups):
        return {parameter: group["weight_decay"] for group in groups for parameter in group["params"]}

    assert decays(groups) == decays(plain)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert isinstance(groups[0]["params"][0], torch.nn.Parameter)
    assert [group["lr"] for group in groups] == sorted((group["lr"] for group in groups), reverse=True)
