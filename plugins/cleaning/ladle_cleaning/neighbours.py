"""Telling a value by the rows that are most alike (Troyanskaya et al. 2001, "KNNimpute")."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from .tabular import Categories, categories_of, numbers_of

_TOGETHER = 256  # rows whose distances from all others are in memory at once
_APART = 1e-12  # what makes of two rows as near the one nearer that was known first


def learn(known: pa.RecordBatch, name: str, using: Sequence[str]) -> dict[str, Any]:
    """What has to be kept of rows with a value of `name`, to tell it of others by the columns `using`: JSON values."""
    values = known[name].cast(pa.float64()) if pa.types.is_decimal(known[name].type) else known[name]
    categories = categories_of(known, using)
    rows = numbers_of(known, categories).tolist()
    return {
        "categories": categories,
        "rows": [[None if math.isnan(number) else number for number in row] for row in rows],
        "values": values.to_pylist(),
    }


class Neighbours:
    """Rows whose value is known."""

    def __init__(self, learnt: dict[str, Any], k: int) -> None:
        """`learnt` is what `learn` gave; `k` rows tell a value together."""
        self._categories: Categories = learnt["categories"]
        self._known = np.array(learnt["rows"], float)
        is_text = [texts is not None for texts in self._categories.values()]
        with np.errstate(invalid="ignore"):
            spread = np.fmax.reduce(self._known) - np.fmin.reduce(self._known)
        self._spread = np.where(is_text | ~(spread > 0), 1, spread)
        self._values = learnt["values"]
        self._k = min(k, len(self._values))

    def tell(self, batch: pa.RecordBatch) -> list[Any]:
        """For each row the mean of the values of the `k` nearest, or the commonest of these if they are no numbers.

        Distances are Gower's (1971): the mean over the columns that both rows have, of numbers by their difference as a
        share of the column's range, of others 0 if they are equal and 1 if not. Of values as common the nearest counts.
        """
        return [_summed_up([self._values[at] for at in near]) for near in self._nearest(batch)]

    def _nearest(self, batch: pa.RecordBatch) -> Iterator[np.ndarray]:
        rows = numbers_of(batch, self._categories)
        for start in range(0, len(rows), _TOGETHER):
            distances = self._distances(rows[start : start + _TOGETHER])
            near = np.argpartition(distances, self._k - 1, axis=1)[:, : self._k]
            order = np.argsort(np.take_along_axis(distances, near, axis=1), axis=1)
            yield from np.take_along_axis(near, order, axis=1)

    def _distances(self, rows: np.ndarray) -> np.ndarray:
        """[rows, known rows]; no two of a row are the same."""
        total = np.zeros((len(rows), len(self._known)))
        compared = np.zeros_like(total)
        for at, spread in enumerate(self._spread):
            apart = np.minimum(np.abs(rows[:, at, None] - self._known[None, :, at]) / spread, 1)
            is_there = ~np.isnan(apart)
            total += np.where(is_there, apart, 0)
            compared += is_there
        means = np.divide(total, compared, out=np.ones_like(total), where=compared > 0)
        return means + np.arange(len(self._known)) * _APART


def _summed_up(values: list[Any]) -> Any:
    if isinstance(values[0], str | bool):
        return Counter(values).most_common(1)[0][0]  # of several the one that comes first
    return sum(values) / len(values)
