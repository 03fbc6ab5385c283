"""Columns of tables as numbers to learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .arrays import as_text, is_text, plain

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Categories = Mapping[str, list[str] | None]
"""Columns to learn from, each with its texts, or None if it holds numbers."""

_MOST = 255  # categories of a column; the rarer ones are one more, together


def categories_of(batch: pa.RecordBatch, names: Sequence[str]) -> dict[str, list[str] | None]:
    """For each of some columns its texts, the most frequent first; None if it holds numbers."""
    columns = {name: plain(batch[name]) for name in names}
    return {
        name: by_frequency(column.to_pylist())[:_MOST] if is_text(column) else None for name, column in columns.items()
    }


def by_frequency(values: Iterable[Any]) -> list[Any]:
    """The different values, the most frequent first; of those that are as frequent the smallest."""
    counts = Counter(value for value in values if value is not None)
    return sorted(counts, key=lambda value: (-counts[value], value))


def numbers_of(batch: pa.RecordBatch, categories: Categories) -> np.ndarray:
    """Columns as numbers [rows, columns], NaN where there is no value, and in all of a column that is not there.

    A text is its place among those of its column, or the place behind them; a truth value is 0 or 1.
    """
    import numpy as np

    found = np.full((batch.num_rows, len(categories)), np.nan)
    for at, (name, texts) in enumerate(categories.items()):
        if name in batch.schema.names:
            found[:, at] = _numbers(plain(batch[name]), texts)
    return found


def _numbers(column: pa.Array, texts: list[str] | None) -> np.ndarray:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if texts is None:
        return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    column = as_text(column).cast(pa.string())
    places = pc.index_in(column, value_set=pa.array(texts, pa.string())).fill_null(len(texts)).to_numpy()
    return np.where(column.is_null().to_numpy(zero_copy_only=False), np.nan, places)
