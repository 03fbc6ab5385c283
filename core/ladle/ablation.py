"""Whether techniques help: a recipe run without each of them, with several seeds, and compared in pairs."""

from __future__ import annotations

import copy
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .errors import Problem, RecipeError
from .metrics import is_better_low
from .recipe.model import Recipe
from .runs import Run

Place = tuple[int, int]
"""Where a technique stands: the number of its train stage, and its own in it."""

_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""97.5 % points of Student's t, for 1 to 30 degrees of freedom."""
_NORMAL = 1.960


class Variant(NamedTuple):
    """A recipe with some of its techniques."""

    name: str
    kept: frozenset[Place]


class Estimate(NamedTuple):
    """A mean over seeds with its 95 % interval by Student's t; of one seed there is no interval."""

    mean: float
    low: float | None
    high: float | None


class Effect(NamedTuple):
    """What a technique does to a metric: with it minus without it, in pairs of the same seed."""

    technique: str
    metric: str
    others: str
    """What else was there: `with the others`, `alone`."""
    difference: Estimate
    verdict: str
    """`helps`, `hurts`, or `can't be told apart`."""


def techniques_of(recipe: Recipe) -> dict[Place, str]:
    """The techniques of a recipe by their places, with names of which no two are the same."""
    places = [((i, j), stage, used) for i, stage in enumerate(recipe.train) for j, used in enumerate(stage.techniques)]
    names = [used.use.rpartition(":")[2] for _, _, used in places]
    if len(set(names)) < len(names) and len({place[0] for place, _, _ in places}) > 1:
        names = [f"{stage.name}: {name}" for name, (_, stage, _) in zip(names, places, strict=True)]
    return {
        place: name if names.count(name) == 1 else f"{name} {names[: number + 1].count(name)}"
        for number, ((place, _, _), name) in enumerate(zip(places, names, strict=True))
    }


def variants_of(recipe: Recipe) -> list[Variant]:
    """All techniques, each left out, each alone, none: what is the same comes once.

    Raises RecipeError if the recipe has no technique.
    """
    names = techniques_of(recipe)
    if not names:
        message = f"the recipe `{recipe.name}` uses no technique: there is nothing to leave out"
        raise RecipeError(Problem("ablation", message, "add a [[train.technique]] table"))
    everything, nothing = frozenset(names), frozenset[Place]()
    found = {everything: "all", nothing: "none"}
    for place, name in names.items():
        found.setdefault(everything - {place}, f"without {name}")
    for place, name in names.items():
        found.setdefault(frozenset({place}), f"{name} alone")
    found[nothing] = found.pop(nothing)  # the last
    return [Variant(name, kept) for kept, name in found.items()]


def with_techniques(recipe: Recipe, variant: Variant, seed: int) -> Recipe:
    """The recipe with a variant's techniques, and another seed."""
    changed = copy.copy(recipe)
    changed.seed = seed
    changed.name = f"{recipe.name}-{variant.name.replace(' ', '-').replace(':', '')}"
    changed.train = [
        stage._replace(techniques=[used for j, used in enumerate(stage.techniques) if (i, j) in variant.kept])
        for i, stage in enumerate(recipe.train)
    ]
    return changed


def ablate(recipe: Recipe, seeds: int, run: Callable[[Recipe], Run]) -> Ablation:
    """Run every variant of a recipe, with its seed and those after it; what does not change is worked out once.

    Raises what `run` raises, and RecipeError if the recipe has no technique.
    """
    variants = variants_of(recipe)
    numbers = [recipe.seed + number for number in range(seeds)]
    runs = [
        [run(with_techniques(recipe, variant, seed)) for variant in variants] for seed in numbers
    ]  # seed by seed: if it is stopped, there are whole pairs
    return Ablation(recipe, variants, numbers, [list(of_variant) for of_variant in zip(*runs, strict=True)])


class Ablation:
    """What a recipe is worth with and without its techniques."""

    def __init__(
        self, recipe: Recipe, variants: Sequence[Variant], seeds: Sequence[int], runs: list[list[Run]]
    ) -> None:
        self.recipe = recipe
        self.variants = variants
        self.seeds = seeds
        self.runs = runs
        """For each variant its runs, seed by seed."""
        self.techniques = techniques_of(recipe)
        self._metrics = [[run.outcome["metrics"] for run in of_variant] for of_variant in runs]

    @property
    def stages(self) -> dict[str, str]:
        """The train stages that were measured, with the split they were measured on."""
        measured = self._metrics[0][0]
        splits = {
            name: next((s for s in ("test", "validation") if s in found), None) for name, found in measured.items()
        }
        return {name: split for name, split in splits.items() if split}

    def metrics(self, stage: str) -> list[str]:
        """The names of a stage's metrics."""
        return [name for name in self._metrics[0][0][stage][self.stages[stage]] if name != "rows"]

    def values(self, stage: str, metric: str, variant: Variant) -> list[float]:
        """A metric of a variant, seed by seed."""
        of_variant = self._metrics[self.variants.index(variant)]
        return [found[stage][self.stages[stage]].get(metric, math.nan) for found in of_variant]

    def effects(self, stage: str, metric: str) -> Iterator[Effect]:
        """What each technique does to a metric, and all of them together."""
        by_kept = {variant.kept: variant for variant in self.variants}
        everything, nothing = frozenset(self.techniques), frozenset[Place]()
        pairs = [(name, "with the others", everything, everything - {place}) for place, name in self.techniques.items()]
        if len(self.techniques) > 1:
            pairs += [(name, "alone", frozenset({place}), nothing) for place, name in self.techniques.items()]
            pairs.append(("all together", "", everything, nothing))
        for name, others, with_it, without_it in pairs:
            values = (self.values(stage, metric, by_kept[kept]) for kept in (with_it, without_it))
            difference = estimate([one - other for one, other in zip(*values, strict=True)])
            yield Effect(
                name, metric, others if len(self.techniques) > 1 else "", difference, verdict(metric, difference)
            )

    def as_json(self) -> dict[str, Any]:
        """Everything that was found, and the runs it was found in."""
        return {
            "recipe": self.recipe.name,
            "seeds": list(self.seeds),
            "variants": [
                {
                    "name": variant.name,
                    "techniques": [self.techniques[place] for place in sorted(variant.kept)],
                    "runs": [run.name for run in runs],
                    "metrics": {
                        stage: {metric: self.values(stage, metric, variant) for metric in self.metrics(stage)}
                        for stage in self.stages
                    },
                }
                for variant, runs in zip(self.variants, self.runs, strict=True)
            ],
            "effects": {
                stage: [
                    effect._asdict() | {"difference": effect.difference._asdict()}
                    for metric in self.metrics(stage)
                    for effect in self.effects(stage, metric)
                ]
                for stage in self.stages
            },
        }


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of values with its 95 % interval by Student's t."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(mean, None, None)
    freedom = len(values) - 1
    factor = _T95[freedom - 1] if freedom <= len(_T95) else _NORMAL
    half = factor * statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half)


def verdict(metric: str, difference: Estimate) -> str:
    """Whether a difference helps or hurts a metric, or its interval holds 0, so that it can't be told apart."""
    if difference.low is None or difference.high is None or not (difference.low > 0 or difference.high < 0):
        return "can't be told apart"
    return "hurts" if (difference.mean < 0) != is_better_low(metric) else "helps"
