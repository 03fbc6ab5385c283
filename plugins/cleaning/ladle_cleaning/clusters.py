"""What belongs together because some of its pairs do."""

from __future__ import annotations

import numpy as np


class Clusters:
    """Things, counted from 0, that are joined to clusters; a cluster goes by the least number in it."""

    def __init__(self, count: int) -> None:
        self.of = np.arange(count)
        """The cluster of each thing."""

    def apart(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Which of the pairs are not in one cluster yet."""
        return self.of[one] != self.of[other]

    def join(self, one: np.ndarray, other: np.ndarray) -> None:
        """Make one cluster of those of both things of each pair."""
        while True:
            ones, others = self.of[one], self.of[other]
            apart = ones != others
            if not apart.any():
                return
            one, other, ones, others = one[apart], other[apart], ones[apart], others[apart]
            np.minimum.at(self.of, np.maximum(ones, others), np.minimum(ones, others))
            while not np.array_equal(self.of, nearer := self.of[self.of]):
                self.of = nearer
