"""How fast difficulty rises: which rows take part at a point of the training, as a range of an order of difficulty."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def competence(passed: float, start: float, pace: Literal["linear", "root"]) -> float:
    """The share of rows, from the easiest on, that a model is up to (Platanios et al. 2019).

    `passed` is the share that is over of the time in which it rises from `start` to 1.
    """
    power = 1 if pace == "linear" else 2
    return min(1.0, (passed * (1 - start**power) + start**power) ** (1 / power))


class Competence(NamedTuple):
    """More and more rows, from the easiest on."""

    rows: int
    start: float
    pace: Literal["linear", "root"]

    def __call__(self, passed: float) -> tuple[int, int]:
        return 0, math.ceil(round(self.rows * competence(passed, self.start, self.pace), 6))


class Buckets(NamedTuple):
    """Bucket after bucket, each for as long as the others: added to those before, or in their place.

    Rows that are ever more difficult by each bucket (baby steps: Bengio et al. 2009, Spitkovsky et al. 2010).
    """

    ends: Sequence[int]
    """How many rows, from the easiest on, are in each bucket or in one before it."""
    stay: bool

    def __call__(self, passed: float) -> tuple[int, int]:
        if passed >= 1:
            return 0, self.ends[-1]
        number = int(passed * len(self.ends) + 1e-9)
        return 0 if self.stay or not number else self.ends[number - 1], self.ends[number]


def bucket_ends(scores: np.ndarray, count: int | None) -> list[int]:
    """How many rows, from the easiest on, are in each bucket or in one before it.

    `count` buckets of as many rows, but equal scores stay together, so that there may be fewer. If it is None, each
    score is a bucket where there are no more than 10, and else there are 5.
    """
    ordered = np.sort(scores)
    each = np.searchsorted(ordered, np.unique(ordered), side="right")
    if count is None and len(each) <= 10:
        return each.tolist()
    parts = count or 5
    marks = [ordered[math.ceil(len(ordered) * part / parts) - 1] for part in range(1, parts + 1)]
    return np.unique(np.searchsorted(ordered, marks, side="right")).tolist()
