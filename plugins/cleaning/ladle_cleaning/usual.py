"""The usual value of a column: its median, or its most frequent value, of all rows or of groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from .arrays import plain

_NONE, _BETWEEN = "\x00", "\x1f"


def median(values: pa.ChunkedArray) -> pa.Scalar:
    """The median; of whole numbers the lower one of two middle values."""
    if pa.types.is_floating(values.type):
        return pc.quantile(values.cast(pa.float64()), 0.5, interpolation="midpoint")[0]
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.uint8())
    return pc.quantile(values, 0.5, interpolation="lower")[0]


def most_frequent(values: pa.ChunkedArray) -> pa.Scalar:
    """The most frequent value; of several the one that comes first."""
    counted = pc.value_counts(values)
    counts = counted.field("counts")
    return counted.field("values")[pc.index(counts, pc.max(counts)).as_py()]


def groups_of(batch: pa.RecordBatch, by: Sequence[str]) -> pa.Array:
    """For each row a text that only those rows share that have the same values in the columns `by`, or none there.

    A column that the batch lacks has no value.
    """
    columns = [
        pc.fill_null(plain(batch[name]).cast(pa.string()), _NONE)
        if name in batch.schema.names
        else pa.array([_NONE] * batch.num_rows, pa.string())
        for name in by
    ]
    return pc.binary_join_element_wise(*columns, _BETWEEN)


def by_group(groups: pa.ChunkedArray, values: pa.ChunkedArray) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """The values of each group, in their order; groups in the order of their names."""
    order = pc.sort_indices(groups)  # equal ones stay in order
    groups, values = groups.take(order).combine_chunks(), values.take(order)
    runs = pc.run_end_encode(groups)
    starts = [0, *runs.run_ends.to_pylist()]
    for name, start, end in zip(runs.values.to_pylist(), starts, starts[1:], strict=False):
        yield name, values.slice(start, end - start)
