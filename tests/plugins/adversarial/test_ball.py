"""How far embeddings may move: norms that depend on a row's own tokens alone."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle_adversarial.ball import Ball, noise

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=4)


def mask_of(lengths: list[int], longest: int = 0) -> torch.Tensor:
    return (torch.arange(max(longest, *lengths)) < torch.tensor(lengths).unsqueeze(1)).float()


def norms(moves: torch.Tensor, per_token: bool) -> torch.Tensor:
    return moves.norm(dim=-1) if per_token else moves.flatten(1).norm(dim=1)


@pytest.mark.parametrize("per_token", [False, True])
@given(lengths=LENGTHS, radius=st.floats(1e-3, 1e3), scale=st.sampled_from([1e-30, 1e-6, 1.0, 1e6]))
@settings(max_examples=40, deadline=None)
def test_directions_have_norm_1_and_moves_stay_within_the_ball(per_token, lengths, radius, scale):
    ball, mask = Ball(radius, per_token), mask_of(lengths)
    gradient = torch.randn(*mask.shape, 5) * scale
    direction = ball.direction(gradient, mask)
    assert not direction[mask == 0].any()
    found = norms(direction, per_token)
    torch.testing.assert_close(found, mask if per_token else torch.ones(len(lengths)), rtol=1e-5, atol=1e-6)
    far = ball.project(direction * radius * 3)
    torch.testing.assert_close(norms(far, per_token), found * radius, rtol=1e-5, atol=1e-6)
    near = direction * radius * 0.5
    assert torch.equal(ball.project(near), near)
    start = ball.start(noise(mask.long(), mask, 5, seed=3), mask)
    assert (norms(start, per_token) <= radius * (1 + 1e-5)).all()
    assert not start[mask == 0].any()


@pytest.mark.parametrize("per_token", [False, True])
def test_padding_changes_no_norm(per_token):
    ball, tokens = Ball(1.0, per_token), torch.randint(2, 90, (3, 6))
    mask = mask_of([6, 2, 4])
    gradient = torch.randn(3, 6, 8)
    more = torch.nn.functional.pad(mask, (0, 5))
    rubbish = torch.nn.functional.pad(gradient, (0, 0, 0, 5), value=7.0)
    expected = ball.direction(gradient, mask)
    torch.testing.assert_close(ball.direction(rubbish, more)[:, :6], expected)
    start = ball.start(noise(tokens, mask, 8, 1), mask)
    padded = torch.nn.functional.pad(tokens, (0, 5), value=9)
    assert torch.equal(ball.start(noise(padded, more, 8, 1), more)[:, :6], start)
    left = torch.nn.functional.pad(tokens, (5, 0)), torch.nn.functional.pad(mask, (5, 0))
    assert torch.equal(ball.start(noise(*left, 8, 1), left[1])[:, 5:], start)


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_what_is_no_direction_moves_nothing(value):
    gradient = torch.ones(2, 3, 4)
    gradient[0] = value
    direction = Ball(1.0).direction(gradient, torch.ones(2, 3))
    assert not direction[0].any()
    assert direction[1].norm().item() == pytest.approx(1.0)


def test_noise_is_uniform_and_follows_from_the_row_and_the_seed():
    tokens, mask = torch.randint(0, 30_000, (40, 50)), torch.ones(40, 50)
    found = noise(tokens, mask, 64, seed=5)
    assert (found.min().item(), found.max().item()) == (pytest.approx(-1, abs=1e-3), pytest.approx(1, abs=1e-3))
    assert found.mean().item() == pytest.approx(0, abs=0.01)
    counts = torch.histc(found, bins=20, min=-1, max=1)
    assert (counts / counts.mean() - 1).abs().max() < 0.05
    for shift in ((0, 0, 1), (0, 1, 0), (1, 0, 0)):  # neither dimensions, tokens nor rows are like each other
        moved = found.roll(shift, dims=(0, 1, 2))
        assert abs(torch.corrcoef(torch.stack([found.flatten(), moved.flatten()]))[0, 1].item()) < 0.02
    assert torch.equal(noise(tokens[7:9], mask[7:9], 64, seed=5), found[7:9])
    assert not torch.equal(noise(tokens, mask, 64, seed=6), found)
    swapped = tokens[:1].flip(1)
    assert not torch.equal(noise(swapped, mask[:1], 64, seed=5), found[:1].flip(1))
