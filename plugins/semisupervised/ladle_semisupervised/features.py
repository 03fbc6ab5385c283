"""Vectors and numbers of rows as one matrix, in which each column counts alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ladle import OptionError


@dataclass(frozen=True)
class Features:
    """How the columns become numbers: centred, and each divided by what makes its variance 1 in the train split.

    A vector is divided as a whole, so that distances within it keep their proportions.
    """

    columns: list[str]
    widths: list[int]
    """How many numbers each column gives."""
    centre: list[float]
    spread: list[float]

    @classmethod
    def learnt(cls, columns: Sequence[str], train: pa.Table) -> Features:
        """Learn from rows. Raises OptionError if none has a number everywhere, or vectors differ in length."""
        widths = [_width(name, train[name]) for name in columns]
        numbers = _numbers(train, columns, widths)
        numbers = numbers[np.isfinite(numbers).all(1)]
        if not len(numbers):
            raise OptionError(
                f"no row of the train split has a number in every place of {', '.join(columns)}",
                option="columns",
                help="look at how the columns are filled",
            )
        ends = np.cumsum(widths)
        variances = [part.sum() for part in np.split(numbers.var(0), ends[:-1])]
        spread = np.repeat([float(np.sqrt(variance)) or 1.0 for variance in variances], widths)
        return cls(list(columns), widths, numbers.mean(0).tolist(), spread.tolist())

    def matrix(self, rows: pa.Table | pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the rows that have one in every place, [those, width]; and which they are, [rows]."""
        numbers = _numbers(rows, self.columns, self.widths)
        there = np.isfinite(numbers).all(1)
        return (numbers[there] - self.centre) / self.spread, there


def _width(name: str, column: Any) -> int:
    if not pa.types.is_nested(column.type):
        return 1
    lengths = pc.list_value_length(column).unique().drop_null().to_pylist()
    if len(lengths) > 1:
        raise _of_different_length(name)
    return lengths[0] if lengths else 1


def _numbers(rows: pa.Table | pa.RecordBatch, columns: Sequence[str], widths: Sequence[int]) -> np.ndarray:
    """[rows, sum of widths], NaN in the places of a column that a row lacks."""
    return np.concatenate([_of_column(n, rows[n], w) for n, w in zip(columns, widths, strict=True)], axis=1)


def _of_column(name: str, column: Any, width: int) -> np.ndarray:
    numbers = np.full((len(column), width), np.nan)
    known = column.drop_null()
    if pa.types.is_nested(column.type):
        if any(length != width for length in pc.list_value_length(known).unique().to_pylist()):
            raise _of_different_length(name)
        known = pc.list_flatten(known)
    flat = known.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    numbers[column.is_valid().to_numpy(zero_copy_only=False)] = flat.reshape(-1, width)
    return numbers


def _of_different_length(name: str) -> OptionError:
    return OptionError(f"the vectors of `{name}` differ in length from row to row", option="columns", item=name)
