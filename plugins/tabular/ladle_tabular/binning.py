"""Numbers as vectors that say in which bin they fall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ladle import Usual

from .choosing import ColumnExtractor
from .numbers import as_numbers, finite_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from ladle import Columns, Rows


class Bins(ColumnExtractor):
    """Turn each number column into a vector column, NAME_bins, with a place for each bin of its values.

    A network learns a jump or a bend at any border, where a single number gives it one slope: on tables this often
    closes most of the gap to boosted trees (Gorishniy, Rubachev and Babenko 2022). The borders are quantiles of the
    train split; where most rows share a value, quantiles of the different values. The last place is for null and NaN.
    """

    takes = ("number",)
    takes_all = ("number", "integer")

    count: Annotated[int, Usual(2, 500)] = Field(
        default=32, ge=2, le=1000, description="Most bins of a column; equal borders are one."
    )
    shape: Literal["steps", "slopes"] = Field(
        default="steps",
        description="`steps`: a 1 at the place of the bin; `slopes`: a bin holds 1 if the number is beyond it, 0 if it "
        "is before it, and inside the share of the way through it.",
    )
    keep: bool = Field(default=False, description="Whether the columns stay beside their vectors.")

    def columns_after(self, given: Columns) -> Columns:
        names = self.chosen(given)
        after = given
        for name in names:
            after = after.having(_vector_name(name), "vector")
        return after if self.keep else after.without(names)

    def fit(self, train: Rows) -> dict[str, list[float]]:
        """The borders of each column's bins, the least and the greatest value included."""
        from ladle import columns_of

        return {name: _borders(finite_of(train, name), self.count) for name in self.chosen(columns_of(train.schema))}

    def extract_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import numpy as np
        import pyarrow as pa

        from ladle import with_column

        for name, borders in self.learnt(batch):
            values = as_numbers(batch[name]).to_numpy(zero_copy_only=False)
            encode = _steps if self.shape == "steps" else _slopes
            places = encode(np.where(np.isnan(values), 0, values), np.asarray(borders))
            absent = np.isnan(values)
            places[absent] = 0
            vectors = np.concatenate([places, absent[:, None]], axis=1).astype(np.float32)
            offsets = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
            batch = with_column(batch, _vector_name(name), pa.ListArray.from_arrays(offsets, vectors.ravel()))
            if not self.keep:
                batch = batch.drop_columns([name])
        return batch


def _vector_name(column: str) -> str:
    return f"{column}_bins"


def _borders(values: np.ndarray, count: int) -> list[float]:
    import numpy as np

    if not len(values):
        return [0.0, 1.0]
    borders = np.unique(np.quantile(values, np.linspace(0, 1, count + 1)))
    different = np.unique(values)
    if len(borders) <= count // 2:  # many rows share a value, and hide the others from the quantiles
        borders = np.unique(np.quantile(different, np.linspace(0, 1, min(count, len(different)) + 1)))
    return borders.tolist() if len(borders) > 1 else [float(borders[0]), float(borders[0]) + 1]


def _steps(values: np.ndarray, borders: np.ndarray) -> np.ndarray:
    """[rows, bins]: a 1 where the number falls; beyond the train split's values, in the first or last bin."""
    import numpy as np

    return np.eye(len(borders) - 1)[np.digitize(values, borders[1:-1])]


def _slopes(values: np.ndarray, borders: np.ndarray) -> np.ndarray:
    """[rows, bins]: how far through each bin the number is, from 0 to 1."""
    import numpy as np

    inside = np.clip(values, borders[0], borders[-1])
    with np.errstate(over="ignore"):  # a bin may be next to nothing wide: beyond it is 1 all the same
        return np.clip((inside[:, None] - borders[:-1]) / np.diff(borders), 0, 1)
