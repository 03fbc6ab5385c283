"""Recipes run with and without their techniques, and what is concluded."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.ablation import ablate, estimate, variants_of
from ladle.errors import RecipeError
from ladle.metrics import is_better_low
from ladle.recipe import load
from ladle.runner import run
from ladle.runs import Runs


def _recipe(path, registry, *techniques):
    used = "".join(f"[[train.technique]]\nuse = {technique}\n" for technique in techniques)
    path.write_text(
        f"""
        seed = 7
        [data.rows]
        source = {{ use = "rows", held_out = true, times = 4 }}
        split = {{ column = "part" }}
        [[train]]
        use = "tiny-bert"
        name = "model"
        data = "rows"
        dropout = 0.1
        in_order = false
        batch_size = 2
        epochs = 6
        learning_rate = 0.01
        device = "cpu"
        {used}
        """
    )
    return load(path, registry)[0]


def _names(variants):
    return [variant.name for variant in variants]


def test_every_technique_is_left_out_and_stands_alone(tmp_path, registry):
    path = tmp_path / "recipe.toml"
    one = _recipe(path, registry, '"fast-gradient"')
    assert _names(variants_of(one)) == ["all", "none"]
    two = _recipe(path, registry, '"fast-gradient"', '"consistency"')
    assert _names(variants_of(two)) == ["all", "without fast-gradient", "without consistency", "none"]
    three = _recipe(path, registry, '"random-mask"', '"two-gradients"', '"random-mask"')
    assert _names(variants_of(three)) == [
        "all",
        "without random-mask 1",
        "without two-gradients",
        "without random-mask 2",
        "random-mask 1 alone",
        "two-gradients alone",
        "random-mask 2 alone",
        "none",
    ]
    with pytest.raises(RecipeError, match="uses no technique: there is nothing to leave out"):
        variants_of(_recipe(path, registry))


def test_an_ablation_shares_what_does_not_change_and_pairs_its_seeds(tmp_path, registry):
    recipe = _recipe(tmp_path / "recipe.toml", registry, '"fast-gradient"', '"spoilt"\nafter = 0\ntimes = "-1"')
    events = []
    runs = Runs(tmp_path / "runs")
    found = ablate(recipe, 2, lambda variant: run(variant, runs, events.append))
    assert (found.seeds, found.stages) == ([7, 8], {"model": "test"})
    done = [e for e in events if e["event"] == "stage-ended" and e["status"] == "done"]
    assert [e["stage"] for e in done].count("model") == 8
    assert [e["stage"] for e in done if e["stage"] != "model"] == ["rows.source", "rows.split"]

    values = {variant.name: found.values("model", "loss", variant) for variant in found.variants}
    effects = {(e.technique, e.others): e for e in found.effects("model", "loss")}
    assert set(effects) == {
        ("fast-gradient", "with the others"),
        ("spoilt", "with the others"),
        ("fast-gradient", "alone"),
        ("spoilt", "alone"),
        ("all together", ""),
    }
    differences = [one - other for one, other in zip(values["all"], values["without spoilt"], strict=True)]
    assert effects["spoilt", "with the others"].difference == estimate(differences)
    assert statistics.fmean(differences) > 0  # a loss that is turned round can only grow

    again = ablate(recipe, 2, lambda variant: run(variant, runs))
    assert again.as_json() == found.as_json()


def test_what_turns_the_loss_round_hurts(tmp_path, registry):
    recipe = _recipe(tmp_path / "recipe.toml", registry, '"spoilt"\nafter = 0\ntimes = "-1"')
    found = ablate(recipe, 4, lambda variant: run(variant, Runs(tmp_path / "runs")))
    [effect] = found.effects("model", "loss")
    assert (effect.technique, effect.others, effect.verdict) == ("spoilt", "", "hurts")
    one = ablate(recipe, 1, lambda variant: run(variant, Runs(tmp_path / "runs")))
    [effect] = one.effects("model", "loss")
    assert (effect.verdict, effect.difference.low) == ("can't be told apart", None)


def test_intervals_by_hand():
    assert estimate([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2 - 4.303 / math.sqrt(3), 2 + 4.303 / math.sqrt(3)))
    assert estimate([0.5]) == (0.5, None, None)
    assert estimate([1.0] * 50) == (1.0, 1.0, 1.0)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=60))
def test_the_mean_is_within_its_interval(values):
    mean, low, high = estimate(values)
    assert low <= mean <= high


@pytest.mark.parametrize(
    ("name", "low"),
    [("loss", True), ("test_rmse", True), ("bits per byte", True), ("accuracy", False), ("macro_f1", False)],
)
def test_what_is_better(name, low):
    assert is_better_low(name) is low
