"""What a model's answers are worth: how well it tells wanted ones token by token, and which it gives itself."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ladle.training import Measured

from ..measures import intervals_of, resampled_sums
from .tokens import UNLEARNT

Labels = Iterable[Sequence[int]]
"""Of each row, the tokens to learn, and UNLEARNT where there is none."""

SAMPLES = 30  # answers that are shown
_LARGEST = 700.0  # what exp can take


class Told(NamedTuple):
    """How well a model tells the tokens of the answers of each row."""

    loss: np.ndarray
    """[rows], the sum over its tokens."""
    right: np.ndarray
    """[rows], how many tokens were the likeliest to the model."""
    tokens: np.ndarray
    """[rows], how many there are."""


class Answer(NamedTuple):
    """What a model answered to a prompt."""

    prompt: str
    wanted: str
    given: str

    @property
    def is_exact(self) -> bool:
        """Whether it is the wanted answer, white space around it aside."""
        return self.wanted.strip() == self.given.strip()


def measure_answers(told: Told, answers: Sequence[Answer]) -> Measured:
    """Perplexity and accuracy over the tokens of all rows' answers; of generated `answers` the share of exact ones.

    `loss` is the mean cross-entropy of a token, of which perplexity is the exponential.
    """
    sums = np.stack(told, axis=1).astype(np.float64)
    metrics = _rates(sums.sum(0))
    intervals = intervals_of(metrics, map(_rates, resampled_sums(sums)))
    if answers:
        right = sum(answer.is_exact for answer in answers)
        metrics["exact_match"] = right / len(answers)
        intervals["exact_match"] = _wilson(right, len(answers))
        metrics["generated_rows"] = len(answers)
    return Measured(
        metrics={**metrics, "rows": len(sums)},
        intervals=intervals,
        tables={"answers": [answer._asdict() for answer in answers[:SAMPLES]]} if answers else {},
    )


def _rates(sums: np.ndarray) -> dict[str, float]:
    loss, right, tokens = sums
    return {"perplexity": _exp(loss / tokens), "token_accuracy": float(right / tokens), "loss": float(loss / tokens)}


def _exp(loss: float) -> float:
    return math.exp(min(loss, _LARGEST))


def _wilson(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), which is honest for few rows and shares of 0 and 1 too."""
    z, share = 1.96, right / count
    middle = share + z * z / (2 * count)
    margin = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    low, high = ((middle + side * margin) / (1 + z * z / count) for side in (-1, 1))
    return max(0.0, min(low, share)), min(1.0, max(high, share))


def commonest_tokens(train: Labels, test: Labels, vocabulary: int) -> dict[str, float]:
    """The metrics of telling every token of an answer by how often it stands in those of the train split alone.

    A token that was never seen counts as seen once (Laplace).
    """
    counts = np.bincount(np.concatenate(list(map(_learnt, train))), minlength=vocabulary) + 1.0
    wanted = np.concatenate(list(map(_learnt, test)))
    loss = float(-np.log(counts[wanted] / counts.sum()).mean())
    accuracy = float((wanted == counts.argmax()).mean())
    return {"perplexity": _exp(loss), "token_accuracy": accuracy, "loss": loss}


def commonest_answer(train: Labels, asked: Labels) -> float:
    """In which share of `asked` the commonest answer of the train split is the wanted one."""
    [(commonest, _)] = collections.Counter(_learnt(row).tobytes() for row in train).most_common(1)
    return float(np.mean([_learnt(row).tobytes() == commonest for row in asked]))


def _learnt(labels: Sequence[int]) -> np.ndarray:
    row = np.asarray(labels)
    return row[row != UNLEARNT]
