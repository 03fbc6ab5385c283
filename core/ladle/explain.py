"""Which stages of a recipe would be worked out, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .components import Writer
from .differences import reasons
from .graph import Stage
from .lock import locked_stage
from .recipe import Recipe
from .runner import is_done
from .runs import Runs


@dataclass(frozen=True)
class Explained:
    """What would become of one stage: nothing if it is done, else it is worked out for these reasons."""

    stage: Stage
    reasons: list[str]

    @property
    def is_done(self) -> bool:
        return not self.reasons

    def as_json(self) -> dict[str, Any]:
        return {
            "stage": self.stage.name,
            "use": self.stage.use,
            "is_done": self.is_done,
            "reasons": self.reasons,
        }


def explain(recipe: Recipe, stages: list[Stage], runs: Runs) -> list[Explained]:
    """Compare a recipe's stages with what the store holds, and with the last run of a recipe of this name."""
    last = next((run for run in runs if run.lock["recipe"] == recipe.name), None)
    before = {entry["name"]: entry for entry in last.lock["stages"]} if last else {}
    explained: list[Explained] = []
    for stage in stages:
        why = [] if is_done(stage, runs.store) else _why(stage, before.get(stage.name), recipe, runs)
        explained.append(Explained(stage, why))
    return explained


def _why(stage: Stage, before: Mapping[str, Any] | None, recipe: Recipe, runs: Runs) -> list[str]:
    if runs.store.holds(stage.key) and isinstance(stage.component, Writer):
        return [f"{stage.component.path} is gone, or is not what was written"]
    if before is None:
        return ["it has not been worked out before"]
    if before["key"] == stage.key:
        begun = runs.store.has_begun(stage.key)
        return ["it was begun and not finished" if begun else "the store does not have its outcome"]
    own = list(reasons(before, locked_stage(stage, recipe.secrets)))
    inputs = zip(before["parts"]["inputs"], stage.parts["inputs"], stage.inputs, strict=False)
    other = [inner.name for old, new, inner in inputs if old != new]
    if len(before["parts"]["inputs"]) != len(stage.inputs):
        own.append(f"it reads {', '.join(inner.name for inner in stage.inputs)}")
    elif other:
        own.append(f"what it reads changed: {', '.join(other)}")
    return own
