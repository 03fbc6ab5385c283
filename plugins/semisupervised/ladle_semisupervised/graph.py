"""Rows joined with their nearest neighbours, and what spreads between them."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import softmax
from sklearn.neighbors import NearestNeighbors
from sklearn.semi_supervised import LabelSpreading

_NOTHING = 1e-12  # stands for a share of 0, which has no logarithm
_STEPS = 2000  # enough for a reach of 0.99 to come within a millionth


def neighbour_graph(matrix: np.ndarray, neighbours: int) -> sparse.csr_matrix:
    """[n, n]: 1 where of two rows [n, width] one is among the nearest neighbours of the other; no row is its own."""
    count = min(neighbours, len(matrix) - 1)
    graph = NearestNeighbors(n_neighbors=count).fit(matrix).kneighbors_graph(mode="connectivity")
    return graph.maximum(graph.T).tocsr()


def spread(graph: sparse.csr_matrix, numbers: np.ndarray, reach: float) -> np.ndarray:
    """What share each class has of all that has come to a row, [n, classes]; all 0 where nothing has.

    `numbers` [n] are the known classes, of which none is missing, -1 elsewhere. Zhou et al. (2004): F = (1 - a)
    (1 - a S)^-1 Y, in which S is the graph divided by the roots of both rows' degrees, worked out step by step.
    """
    rows = len(numbers)
    spreading = LabelSpreading(kernel=lambda *_: graph, alpha=reach, max_iter=_STEPS, tol=1e-6 * rows)
    return spreading.fit(np.zeros((rows, 1)), numbers).label_distributions_  # the graph is all that it looks at


def logarithms(shares: np.ndarray) -> np.ndarray:
    """Of shares [n, classes]; the same for every class where all are 0."""
    return np.log(np.maximum(shares, _NOTHING))


def sharpened(shares: np.ndarray, factor: float) -> np.ndarray:
    """Shares [n, classes] to this power, brought to a sum of 1: the probability of each class; all 0 stay 0."""
    return softmax(factor * logarithms(shares), axis=1) * shares.any(1, keepdims=True)


class Neighbours:
    """Judges rows by the `shares` [n, classes] of their nearest neighbours among `rows` [n, width]."""

    def __init__(self, rows: np.ndarray, shares: np.ndarray, neighbours: int, factor: float) -> None:
        self.shares = shares
        self.factor = factor
        self.nearest = NearestNeighbors(n_neighbors=min(neighbours, len(rows))).fit(rows)

    def __call__(self, matrix: np.ndarray) -> np.ndarray:
        """The probability of each class, [rows, classes], by the neighbours' shares; all 0 if these have none."""
        if not len(matrix):
            return np.zeros((0, self.shares.shape[1]))
        near = self.shares[self.nearest.kneighbors(matrix, return_distance=False)].sum(1)
        return sharpened(near, self.factor)


def packed(matrix: np.ndarray) -> dict[str, Any]:
    """A matrix as JSON: the bytes of its numbers (float32) as base64, a third of the size of figures."""
    numbers = np.ascontiguousarray(matrix, np.dtype("<f4"))
    return {"width": matrix.shape[1], "numbers": base64.b64encode(numbers).decode("ascii")}


def unpacked(told: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(told["numbers"]), np.dtype("<f4")).reshape(-1, told["width"])
