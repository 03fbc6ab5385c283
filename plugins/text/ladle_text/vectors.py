"""Vectors as Arrow columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def vector_column(vectors: np.ndarray, there: np.ndarray) -> pa.ListArray:
    """A vector column that is null where a row is not `there`.

    `vectors`, of shape (rows that are there, width), belong to the other rows in order; `there` is one boolean a row.
    """
    import numpy as np
    import pyarrow as pa

    ends = np.cumsum(there, dtype=np.int64) * vectors.shape[1]
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, vectors.astype(np.float32, copy=False).ravel(), mask=pa.array(~there))
