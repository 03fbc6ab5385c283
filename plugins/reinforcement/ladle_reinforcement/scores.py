"""How near said scores are to given ones."""

from __future__ import annotations

import math

import numpy as np

from ladle.training import Measured

from .measures import mean_of, measured


def measure_scores(said: np.ndarray, given: np.ndarray) -> Measured:
    """The root of the mean squared error of scores [rows] (`loss` is that mean), and the mean absolute error."""
    squared, (low, high) = mean_of((said - given) ** 2)
    result = measured({"mae": mean_of(np.abs(said - given)), "loss": (squared, (max(0.0, low), high))}, len(given))
    result.metrics = {"rmse": math.sqrt(squared), **result.metrics}
    if math.isfinite(high):
        result.intervals["rmse"] = (math.sqrt(max(0.0, low)), math.sqrt(high))
    return result
