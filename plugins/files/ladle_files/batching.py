"""Rows in batches: of bounded size, and without those that are bad."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from ladle.objects.values import NoSuchValueError

if TYPE_CHECKING:
    import pyarrow as pa

_BYTES = 16 << 20  # beyond which a batch takes no further row

Item = TypeVar("Item")


def batched(items: Iterable[Item], size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Items in lists, as many as a batch has rows, but fewer where `size` tells that they have many bytes."""
    from ladle.rows import BATCH_ROWS

    batch: list[Item] = []
    held = 0
    for item in items:
        batch.append(item)
        held += size(item)
        if len(batch) == BATCH_ROWS or held >= _BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def add_faults(bad: dict[int, tuple[str, str]], name: str, wrong: Mapping[int, NoSuchValueError]) -> None:
    """Add to the bad rows, with rule and reason by place, those whose value in a column is none."""
    for row, fault in wrong.items():
        reason = f"column `{name}`: {fault}"
        bad[row] = (bad[row][0], f"{bad[row][1]}; {reason}") if row in bad else (fault.rule, reason)


def batch_of(arrays: Mapping[str, pa.Array], bad: Collection[int]) -> pa.RecordBatch:
    """Columns as a batch, without the rows in `bad`."""
    import numpy as np
    import pyarrow as pa

    batch = pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
    return batch.take(pa.array(np.delete(np.arange(len(batch)), list(bad)))) if bad else batch
