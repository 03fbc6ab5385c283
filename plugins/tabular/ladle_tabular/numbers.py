"""Numbers out of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from ladle import Rows


def as_numbers(column: pa.Array) -> pa.Array:
    """A number column as floats; integers beyond 2**53 are rounded."""
    import pyarrow as pa

    return column.cast(pa.float64(), safe=False)


def finite(column: pa.Array) -> np.ndarray:
    """The numbers of a column that are neither null, NaN nor infinite."""
    import numpy as np

    values = as_numbers(column).drop_null().to_numpy(zero_copy_only=False)
    return values[np.isfinite(values)]


def finite_of(rows: Rows, name: str) -> np.ndarray:
    """The finite numbers of one column of all rows, 8 bytes each in memory."""
    import numpy as np

    pieces = [finite(batch[name]) for batch in rows.select([name]).batches("arrow")]
    return np.concatenate(pieces) if pieces else np.empty(0)
