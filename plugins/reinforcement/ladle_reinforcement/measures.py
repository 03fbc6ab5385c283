"""Means and shares, with 95 % intervals over rows."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ladle.training import Measured

_TWO_SIDED = 1.96  # standard errors to either side of a 95 % interval

Interval = tuple[float, float]


def mean_of(values: np.ndarray) -> tuple[float, Interval]:
    """The mean of values [rows], NaN aside, with its interval; NaN if there is none."""
    there = values[~np.isnan(values)]
    if not len(there):
        return math.nan, (math.nan, math.nan)
    mean = float(there.mean())
    error = float(there.std(ddof=1)) / math.sqrt(len(there)) if len(there) > 1 else math.inf
    return mean, (mean - _TWO_SIDED * error, mean + _TWO_SIDED * error)


def share_of(are_so: np.ndarray) -> tuple[float, Interval]:
    """The share of rows that are so, [rows], with its interval, which is honest at 0 and 1 too (Wilson 1927)."""
    count, share, z = len(are_so), float(np.mean(are_so)), _TWO_SIDED
    middle = share + z * z / (2 * count)
    margin = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    low, high = ((middle + side * margin) / (1 + z * z / count) for side in (-1, 1))
    return share, (max(0.0, min(low, share)), min(1.0, max(high, share)))


def measured(found: Mapping[str, tuple[float, Interval]], rows: int) -> Measured:
    """Metrics with their intervals, without those that say nothing."""
    said = {name: (value, interval) for name, (value, interval) in found.items() if not math.isnan(value)}
    return Measured(
        metrics={name: value for name, (value, _) in said.items()} | {"rows": rows},
        intervals={name: interval for name, (_, interval) in said.items() if all(map(math.isfinite, interval))},
    )
