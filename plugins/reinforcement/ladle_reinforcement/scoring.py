"""Several rewards together: what each says of answers, and their weighted sum."""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ladle import OptionError

from .conversations import answer_text
from .reward import Prompt, Reward, Rows


class Score:
    """One reward as TRL calls it: a function of prompts, completions and the columns of their rows.

    It remembers what it was asked last.
    """

    def __init__(self, reward: Reward, name: str, number: int) -> None:
        self.reward = reward
        self.number = number
        self.__name__ = name  # what TRL calls its curves
        self.prompts: list[Prompt] = []
        self.answers: list[str] = []
        self.scores: list[float] = []

    def __call__(self, prompts: list[Prompt], completions: list[Prompt], row: Rows, **_: Any) -> list[float]:
        self.prompts, self.answers = prompts, [answer_text(completion) for completion in completions]
        self.scores = self.of(self.prompts, self.answers, row)
        return self.scores

    def of(self, prompts: list[Prompt], answers: list[str], rows: Rows) -> list[float]:
        """A number for each answer; NaN where nothing can be said. Raises OptionError for what is no number."""
        try:
            found = self.reward.score(prompts, answers, rows)
        except OptionError as error:
            error.option = ("reward", self.number, *error.path)
            raise
        scores = [math.nan if score is None else float(score) for score in found]
        if len(scores) != len(answers) or any(map(math.isinf, scores)):
            raise OptionError(
                f"`{self.__name__}` gave no finite number for each of {len(answers)} answers, but {len(scores)} "
                f"numbers, {sum(map(math.isinf, scores))} of them infinite",
                option=("reward", self.number),
                help="this is a fault of the plugin; tell its author",
            )
        return scores


class Scorer:
    """All rewards of a recipe."""

    def __init__(self, rewards: Sequence[Reward]) -> None:
        seen: collections.Counter[str] = collections.Counter()
        self.each: list[Score] = []
        for number, reward in enumerate(rewards):
            name = reward.called()
            seen[name] += 1
            self.each.append(Score(reward, name if seen[name] == 1 else f"{name}-{seen[name]}", number))
        self.weights = [reward.weight for reward in rewards]

    @property
    def names(self) -> list[str]:
        return [score.__name__ for score in self.each]

    @property
    def tell_right(self) -> list[int]:
        """The places of the rewards by which an answer is right or wrong."""
        return [number for number, score in enumerate(self.each) if score.reward.tells_right]

    def __call__(self, prompts: list[Prompt], answers: list[str], rows: Rows) -> np.ndarray:
        """What each reward says of each answer, [answers, rewards]; NaN where it says nothing."""
        return np.array([score.of(prompts, answers, rows) for score in self.each], float).T

    def last(self) -> tuple[list[Prompt], list[str], np.ndarray]:
        """The prompts, answers and scores of the training's last batch of answers."""
        return self.each[0].prompts, self.each[0].answers, np.array([score.scores for score in self.each], float).T

    def sums(self, scores: np.ndarray) -> np.ndarray:
        """The weighted sum of scores [answers, rewards], [answers]: without those that are NaN; NaN if all are."""
        sums = np.nansum(scores * self.weights, axis=1)
        return np.where(np.isnan(scores).all(1), np.nan, sums)
