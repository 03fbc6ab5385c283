"""Optimiser groups: what decays, at which rate, and that nothing trainable is left out or counted twice."""

from __future__ import annotations

import pytest
import torch

from ladle.errors import StageError
from ladle.training import decay_groups
from ladle.training.parameters import check_groups


def small_model() -> torch.nn.Module:
    model = torch.nn.Sequential()
    model.add_module("body", torch.nn.Linear(4, 4))
    model.add_module("norm", torch.nn.LayerNorm(4))
    model.add_module("head", torch.nn.Linear(4, 2))
    return model


def test_matrices_decay_and_nothing_else():
    groups = decay_groups(small_model(), 0.1)
    assert {(group["weight_decay"], tuple(p.ndim for p in group["params"])) for group in groups} == {
        (0.1, (2, 2)),
        (0.0, (1, 1, 1, 1)),
    }


def test_a_prefix_may_have_a_rate_of_its_own():
    model = small_model()
    groups = decay_groups(model, 0.1, {"head": 0.5})
    rates = {id(p): group.get("lr") for group in groups for p in group["params"]}
    assert {name: rates[id(p)] for name, p in model.named_parameters()} == {
        "body.weight": None,
        "body.bias": None,
        "norm.weight": None,
        "norm.bias": None,
        "head.weight": 0.5,
        "head.bias": 0.5,
    }


def test_fixed_parameters_are_in_no_group():
    model = small_model()
    model.body.requires_grad_(False)
    groups = decay_groups(model, 0.1)
    assert sum(len(group["params"]) for group in groups) == 4
    check_groups(model, groups)


@pytest.mark.parametrize("change", [lambda groups: groups[:-1], lambda groups: [*groups, groups[0]]])
def test_a_parameter_left_out_or_counted_twice_is_named(change):
    model = small_model()
    with pytest.raises(StageError, match=r"exactly one optimiser group; these do not: .*body\."):
        check_groups(model, change(decay_groups(model, 0.1)))
