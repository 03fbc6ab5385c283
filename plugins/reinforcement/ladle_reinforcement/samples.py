"""Answers that were given while a model learnt, to read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import transformers

from .reward import asked
from .scoring import Scorer

if TYPE_CHECKING:
    from ladle.training import Setting

_TIMES = 10  # in a training
_ANSWERS = 4  # each time, to one prompt


class Diary(transformers.TrainerCallback):
    """Shows from time to time what was answered to a prompt, and what it earned."""

    def __init__(self, setting: Setting, scorer: Scorer, group: int) -> None:
        self.setting = setting
        self.scorer = scorer
        self.group = group

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        every = math.ceil(state.max_steps / _TIMES)
        if state.global_step == 1 or state.global_step % every == 0:
            self.setting.show(self._samples())

    def table(self) -> list[dict[str, Any]]:
        """All that was shown, in the order in which it was."""
        return [
            {"prompt": sample["prompt"], "step": entry["step"], **sample}
            for entry in self.setting.shown()
            for sample in entry["samples"]
        ]

    def _samples(self) -> list[dict[str, Any]]:
        """The best and the worst answers to the first prompt of the last batch, and what is between."""
        prompts, answers, scores = (part[: self.group] for part in self.scorer.last())
        sums = self.scorer.sums(scores)
        order = np.argsort(-sums, kind="stable")
        chosen = order[np.unique(np.linspace(0, len(order) - 1, min(_ANSWERS, len(order))).round().astype(int))]
        return [sample(self.scorer, prompts[at], answers[at], scores[at], sums[at]) for at in chosen]


def sample(scorer: Scorer, prompt: Any, answer: str, scores: np.ndarray, total: float) -> dict[str, Any]:
    """An answer with what it earned, as a report shows it; rewards that say nothing are left out."""
    each = zip(scorer.names, scores, strict=True)
    told = {"reward": float(total), **{f"reward/{name}": float(score) for name, score in each}}
    return {"prompt": asked(prompt), "answer": answer} | {n: v for n, v in told.items() if not math.isnan(v)}
