"""Bringing number columns to one scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from .choosing import ColumnExtractor
from .numbers import as_numbers, finite, finite_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from ladle import Columns, Rows


class Scale(ColumnExtractor):
    """Bring number columns to one scale.

    The scale is learnt from the train split. Nulls, NaNs and infinities teach nothing; nulls and NaNs stay what they
    are. A column with one value throughout the train split says nothing, and becomes 0.
    """

    takes = ("number",)
    takes_all = ("number", "integer")

    method: Literal["standard", "min-max", "robust"] = Field(
        default="standard",
        description="`standard`: mean 0 and standard deviation 1; `min-max`: from 0 to 1; `robust`: median 0 and "
        "interquartile range 1, which outliers hardly move (a pass and 8 bytes of memory a row, for each column).",
    )

    def columns_after(self, given: Columns) -> Columns:
        after = given
        for name in self.chosen(given):
            after = after.having(name, "number")
        return after

    def fit(self, train: Rows) -> dict[str, dict[str, float]]:
        """Where each column has its `centre` and how wide it is `spread`, 0 for a constant column."""
        from ladle import columns_of

        names = self.chosen(columns_of(train.schema))
        if self.method == "robust":
            return {name: _quartiles(train, name) for name in names}
        moments = _moments(train, names)
        return {
            name: found.standard() if self.method == "standard" else found.range() for name, found in moments.items()
        }

    def extract_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow.compute as pc

        from ladle import with_column

        for name, learnt in self.learnt(batch):
            values = as_numbers(batch[name])
            if learnt["spread"]:
                scaled = pc.divide(pc.subtract(values, learnt["centre"]), learnt["spread"])
            else:
                scaled = pc.if_else(pc.is_nan(values), values, 0.0)
            batch = with_column(batch, name, scaled)
        return batch


@dataclass
class Moments:
    """Mean and spread of numbers that come in pieces, merged stably (Chan, Golub and LeVeque 1979)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    """Sum of the squared deviations from the mean."""
    least: float = math.inf
    greatest: float = -math.inf

    def add(self, values: np.ndarray) -> None:
        """Take in one more piece."""
        if not len(values):
            return
        mean, count = float(values.mean()), self.count + len(values)
        gap = mean - self.mean
        self.squares += float(((values - mean) ** 2).sum()) + gap**2 * self.count * len(values) / count
        self.mean += gap * len(values) / count
        self.count = count
        self.least = min(self.least, float(values.min()))
        self.greatest = max(self.greatest, float(values.max()))

    def standard(self) -> dict[str, float]:
        """The mean and the (population) standard deviation."""
        deviation = math.sqrt(self.squares / self.count) if self.count else 0.0
        return _scale(self.mean, deviation, self.least, self.greatest)

    def range(self) -> dict[str, float]:
        """The least value and the distance from it to the greatest."""
        return _scale(self.least, self.greatest - self.least, self.least, self.greatest)


def _moments(train: Rows, names: list[str]) -> dict[str, Moments]:
    moments = {name: Moments() for name in names}
    for batch in train.select(names).batches("arrow"):
        for name in names:
            moments[name].add(finite(batch[name]))
    return moments


def _quartiles(train: Rows, name: str) -> dict[str, float]:
    """The median and the interquartile range: exact, so one column at a time is held in memory."""
    import numpy as np

    values = finite_of(train, name)
    if not len(values):
        return _scale(0.0, 0.0, 0.0, 0.0)
    low, middle, high = (float(quartile) for quartile in np.percentile(values, [25, 50, 75]))
    return _scale(middle, high - low, float(values.min()), float(values.max()))


def _scale(centre: float, spread: float, least: float, greatest: float) -> dict[str, float]:
    if least >= greatest:  # rounding may leave a constant column a tiny deviation; no value at all is constant too
        return {"centre": 0.0, "spread": 0.0}
    return {"centre": centre, "spread": spread or 1.0}  # most values alike, so without a spread: only centred
