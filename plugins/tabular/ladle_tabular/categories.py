"""The categories of a column: counting them in the train split, and finding them again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ladle import OptionError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from ladle import Rows

MOST_CATEGORIES = 100_000
"""Different values of one column beyond which they are hardly categories, and would fill the memory."""


def counted(train: Rows, names: list[str]) -> dict[str, Counter[Any]]:
    """How often each value of each column occurs, nulls aside.

    Raises OptionError for a column with more than MOST_CATEGORIES different values.
    """
    import pyarrow.compute as pc

    counts: dict[str, Counter[Any]] = {name: Counter() for name in names}
    for batch in train.select(names).batches("arrow"):
        for name, counter in counts.items():
            values, frequencies = pc.value_counts(batch[name].drop_null()).flatten()
            counter.update(dict(zip(values.to_pylist(), frequencies.to_pylist(), strict=True)))
            if len(counter) > MOST_CATEGORIES:
                raise OptionError(
                    f"column `{name}` has more than {MOST_CATEGORIES:,} different values: too many for categories",
                    option="columns",
                    help=f'name the columns to encode, or leave this one out: except_for = ["{name}"]',
                )
    return counts


def places(column: pa.Array, categories: list[Any]) -> np.ndarray:
    """For each value its place among `categories`, counted from 0; -1 for a null or a value that is not there."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not categories:
        return np.full(len(column), -1)
    known = pa.array(categories)
    return pc.index_in(column.cast(known.type), known).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
