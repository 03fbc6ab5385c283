"""How often a content has come before: of many millions of rows, in twelve bytes each."""

from __future__ import annotations

import numpy as np


class Occurrences:
    """Counts 64-bit numbers, batch by batch.

    Sorted arrays of growing length, each more than twice as long as the next: a batch is looked up in all of them, and
    every number is merged into a longer array about as many times as there are arrays.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[np.ndarray, np.ndarray]] = []  # numbers in order, and how often each has come

    def number(self, values: np.ndarray) -> np.ndarray:
        """For each of the values, unsigned 64-bit integers [n], how often it has come by now: 1 the first time."""
        distinct, which, counts = np.unique(values, return_inverse=True, return_counts=True)
        before = np.zeros(len(distinct), np.int64)
        for numbers, times in self._runs:
            places = np.minimum(np.searchsorted(numbers, distinct), len(numbers) - 1)
            before += np.where(numbers[places] == distinct, times[places], 0)
        if len(distinct):
            self._add(distinct, counts.astype(np.uint32))
        order = np.argsort(which, kind="stable")
        starts = np.cumsum(counts) - counts
        again = np.empty(len(values), np.int64)
        again[order] = np.arange(len(values)) - starts[which[order]]  # within this batch
        return before[which] + again + 1

    def _add(self, numbers: np.ndarray, times: np.ndarray) -> None:
        while self._runs and len(self._runs[-1][0]) <= 2 * len(numbers):
            numbers, times = _merged(self._runs.pop(), (numbers, times))
        self._runs.append((numbers, times))


def _merged(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.concatenate([one[0], other[0]])
    order = np.argsort(numbers, kind="stable")
    numbers, times = numbers[order], np.concatenate([one[1], other[1]])[order]
    firsts = np.flatnonzero(np.diff(numbers, prepend=~numbers[:1]))
    return numbers[firsts], np.add.reduceat(times, firsts, dtype=np.uint32)
