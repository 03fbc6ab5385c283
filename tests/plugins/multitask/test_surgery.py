"""Gradient surgery by hand, and in a step of two tasks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ladle.errors import RecipeError, StageError
from ladle_multitask.surgery import without_conflicts

PCGRAD = {"use": "pcgrad"}
OPPOSITES = {
    "sentiment": {"use": "text-classification", "data": "reviews", "target": "sentiment", "head": "own"},
    "score": {"use": "text-regression", "data": "reviews", "target": "score", "head": "own"},
}


def surgery(*gradients, seed=0):
    total, conflicts = without_conflicts([torch.tensor(g) for g in gradients], np.random.default_rng(seed))
    return total.tolist(), conflicts


def test_two_gradients_in_conflict_lose_what_points_against_the_other():
    # (1, 0) and (-1, 1): their product is -1, their squares 1 and 2
    # (1, 0) + 1/2 (-1, 1) = (1/2, 1/2); (-1, 1) + 1/1 (1, 0) = (0, 1)
    assert surgery([1.0, 0.0], [-1.0, 1.0]) == ([0.5, 1.5], 1.0)


def test_gradients_without_conflict_are_added():
    assert surgery([1.0, 0.0], [1.0, 2.0]) == ([2.0, 2.0], 0.0)
    assert surgery([1.0, 0.0], [0.0, 2.0]) == ([1.0, 2.0], 0.0)
    assert surgery([3.0, 4.0]) == ([3.0, 4.0], 0.0)


def test_of_three_each_loses_against_the_others_as_they_were_in_random_order():
    first, second, third = np.array([1.0, 0.0]), np.array([-1.0, 1.0]), np.array([-1.0, -2.0])

    def minus(one, other):
        return one - min(0, one @ other) / (other @ other) * other

    def ways(own, one, other):
        return [minus(minus(own, one), other), minus(minus(own, other), one)]

    sums = {
        tuple((a + b + c).round(5).tolist())
        for a in ways(first, second, third)
        for b in ways(second, first, third)
        for c in ways(third, first, second)
    }
    found = {tuple(np.round(surgery(*map(np.ndarray.tolist, (first, second, third)), seed=s)[0], 5)) for s in range(60)}
    assert found == sums
    assert len(sums) > 1


def gradients(steps, stage, train, start, *techniques, seed=2, **options):
    """The gradients of the only step of a training, by the names of parameters."""
    steps.kept.clear()
    usual = {"epochs": 1, "batch_size": 4, "accumulate": 8, "clip": 0.0, "tasks": OPPOSITES}
    train(stage(start, *techniques, {"use": "steps"}, **usual | options), few=True, seed=seed)
    (kept,) = steps.kept
    return kept["gradients"]


def test_a_step_has_the_gradient_of_the_formula(steps, stage, train, saved):
    both, twice = (
        gradients(steps, stage, train, saved(), weights={"score": weight}) for weight in (1.0, 2.0)
    )  # gradients are linear in weights
    found = gradients(steps, stage, train, saved(), PCGRAD)
    shared = [name for name in both if name.startswith("body.")]
    assert len(shared) > 30
    of_score = torch.cat([(twice[name] - both[name]).flatten() for name in shared])
    of_sentiment = torch.cat([(2 * both[name] - twice[name]).flatten() for name in shared])
    product = of_score @ of_sentiment
    assert product < 0
    expected = (of_score - product / (of_sentiment @ of_sentiment) * of_sentiment) + (
        of_sentiment - product / (of_score @ of_score) * of_score
    )
    torch.testing.assert_close(torch.cat([found[name].flatten() for name in shared]), expected, atol=1e-5, rtol=1e-3)
    for name in both.keys() - set(shared):  # heads are their tasks' own
        torch.testing.assert_close(found[name], both[name], atol=1e-6, rtol=1e-4)


def test_surgery_does_not_depend_on_how_rows_are_cut(steps, stage, train, saved):
    cuts = [(8, 2), (4, 4), (2, 8), (1, 16)]
    found = [gradients(steps, stage, train, saved(), PCGRAD, batch_size=size, accumulate=count) for size, count in cuts]
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], atol=1e-6, rtol=1e-3)


def test_conflicts_are_told(stage, train, saved):
    logging = {"logging_steps": 1}
    trained = train(stage(saved(), PCGRAD, batch_size=2, accumulate=4, tasks=OPPOSITES, arguments=logging))
    told = [entry["pairs of tasks in conflict"] for entry in trained.history if "loss" in entry]
    assert set(told) <= {0.0, 0.5, 1.0}
    assert any(told)
    assert trained.metrics["training"]["steps"] == 20  # twice 40 batches, by four


def test_one_batch_a_step_is_refused(read, stage, saved):
    with pytest.raises(RecipeError, match="each step has one batch, of one task") as error:
        read(stage(saved(), PCGRAD))
    assert "accumulate = 4" in str(error.value)


def test_other_trainers_are_refused(read, alone, saved):
    recipe = alone(saved(), PCGRAD, use="text-classification", data="reviews", target="sentiment", accumulate=2)
    with pytest.raises(RecipeError, match="`pcgrad` needs tasks, which `text-classification` does not offer"):
        read(recipe)


def test_what_changes_steps_has_to_come_before(steps, stage, train, saved):
    with pytest.raises(StageError, match="`pcgrad` has to see the gradients that this technique leaves") as error:
        train(stage(saved(), PCGRAD, {"use": "doubled"}, accumulate=2))
    assert error.value.problems[0].span.text == 'use = "doubled"'
    plain, doubled = (
        gradients(steps, stage, train, saved(), *techniques, PCGRAD, accumulate=4)
        for techniques in ((), ({"use": "doubled"},))
    )
    for name, gradient in doubled.items():
        torch.testing.assert_close(gradient, 2 * plain[name], atol=1e-5, rtol=1e-3)
