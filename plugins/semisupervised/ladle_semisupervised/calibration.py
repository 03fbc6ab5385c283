"""Confidence as hits deserve: corrected on known labels that nothing was learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.model_selection import StratifiedKFold

from ladle import OptionError

UNLABELLED = -1
_FOLDS = 5
_STEEPEST = 5.0  # largest logarithm of the factor that confidence is corrected by, up or down


def fifths(numbers: np.ndarray, classes: Sequence[Any]) -> list[np.ndarray]:
    """The places of the rows with a class in `numbers` [n], in five parts (fewer, for a rare class) as alike as can be.

    Raises OptionError if a class has but one row.
    """
    places = np.flatnonzero(numbers != UNLABELLED)
    counts = np.bincount(numbers[places], minlength=len(classes))
    if counts.min() < 2:
        raise OptionError(
            f"the class `{classes[counts.argmin()]}` has only one known label in the train split",
            option="into",
            help="at least two of each class are needed: one to learn from, one to check the confidence by",
        )
    folds = StratifiedKFold(min(_FOLDS, counts.min())).split(places, numbers[places])
    return [places[part] for _, part in folds]


def without(numbers: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The classes [n] as if those at `places` were not known."""
    rest = numbers.copy()
    rest[places] = UNLABELLED
    return rest


def best_factor(logits: np.ndarray, numbers: np.ndarray) -> float:
    """What logits [n, classes] are to be multiplied by so that they suit the classes [n] best (Guo et al. 2017).

    As with Platt (1999) the rows count as right a little less often than they are, so that few never make for
    certainty.
    """
    rows, classes = logits.shape
    wrong = 1 / (rows + 2)
    targets = np.full(logits.shape, wrong / (classes - 1))
    targets[np.arange(rows), numbers] = 1 - wrong

    def loss(log_factor: float) -> float:
        return -float((targets * log_softmax(np.exp(log_factor) * logits, axis=1)).sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-_STEEPEST, _STEEPEST), method="bounded").x))
