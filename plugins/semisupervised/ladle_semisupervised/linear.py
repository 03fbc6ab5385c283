"""A linear classifier."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression


class Linear(NamedTuple):
    """Multinomial logistic regression: `weights` [classes, width] and `intercept` [classes]."""

    weights: np.ndarray
    intercept: np.ndarray

    @classmethod
    def fitted(cls, matrix: np.ndarray, numbers: np.ndarray, shares: np.ndarray | None) -> Linear:
        """Fitted to rows [n, width] of classes [n], with an L2 penalty of 1.

        With `shares` [classes], the classes weigh as these say, however many rows each has.
        """
        weights = None if shares is None else (shares * len(numbers) / np.bincount(numbers))[numbers]
        found = LogisticRegression(max_iter=1000).fit(matrix, numbers, sample_weight=weights)
        if len(found.classes_) > 2:
            return cls(found.coef_, found.intercept_)
        halves = np.array([[-0.5], [0.5]])  # of the one logit that tells two classes apart
        return cls(halves * found.coef_, halves[:, 0] * found.intercept_)

    def times(self, factor: float) -> Linear:
        return Linear(self.weights * factor, self.intercept * factor)

    def logits(self, matrix: np.ndarray) -> np.ndarray:
        """[rows, classes]"""
        return matrix @ self.weights.T + self.intercept

    def shares(self, matrix: np.ndarray) -> np.ndarray:
        """The probability of each class, [rows, classes]."""
        return softmax(self.logits(matrix), axis=1)

    def as_json(self) -> dict[str, Any]:
        return {"weights": self.weights.tolist(), "intercept": self.intercept.tolist()}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Linear:
        return cls(np.array(told["weights"]), np.array(told["intercept"]))
