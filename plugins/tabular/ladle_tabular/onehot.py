"""Categories as vectors with a single 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ladle import Usual

from .categories import counted, places
from .choosing import ColumnExtractor

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Columns, Rows


class OneHot(ColumnExtractor):
    """Turn each category column into a vector column, NAME_onehot, with a 1 at the place of the category.

    The categories are learnt from the train split. In a vector they stand in sorted order; then comes, if some were too
    rare to have a place of their own, one place for all others; the last place is for null. A category that
    the train split did not have is one of the others where these have a place, and all zeros where not.
    """

    takes = ("text", "integer", "boolean")
    takes_all = ("text",)

    max_categories: Annotated[int, Usual(2, 5000, why_high="the vectors are likely to fill the memory")] = Field(
        default=100, gt=0, description="Most categories with a place of their own; the rarest beyond it share one."
    )
    keep: bool = Field(default=False, description="Whether the encoded columns stay beside their vectors.")

    def columns_after(self, given: Columns) -> Columns:
        names = self.chosen(given)
        after = given
        for name in names:
            after = after.having(_vector_name(name), "vector")
        return after if self.keep else after.without(names)

    def fit(self, train: Rows) -> dict[str, dict[str, Any]]:
        """The `categories` of each column, and whether there are `others`."""
        from ladle import columns_of

        counts = counted(train, self.chosen(columns_of(train.schema)))
        return {name: self._learn(found) for name, found in counts.items()}

    def _learn(self, counts: dict[Any, int]) -> dict[str, Any]:
        commonest = sorted(counts, key=lambda value: (-counts[value], value))[: self.max_categories]
        return {"categories": sorted(commonest), "others": len(counts) > len(commonest)}

    def extract_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        from ladle import with_column

        for name, learnt in self.learnt(batch):
            vectors = _one_hot(batch[name], learnt["categories"], learnt["others"])
            batch = with_column(batch, _vector_name(name), vectors)
            if not self.keep:
                batch = batch.drop_columns([name])
        return batch


def _vector_name(column: str) -> str:
    return f"{column}_onehot"


def _one_hot(column: pa.Array, categories: list[Any], others: bool) -> pa.ListArray:
    import numpy as np
    import pyarrow as pa

    place = places(column, categories)
    if others:
        place[place < 0] = len(categories)
    width = len(categories) + others + 1
    place[column.is_null().to_numpy(zero_copy_only=False)] = width - 1
    vectors = np.zeros((len(column), width), np.float32)
    known = np.flatnonzero(place >= 0)
    vectors[known, place[known]] = 1
    return pa.ListArray.from_arrays(np.arange(len(column) + 1, dtype=np.int32) * width, vectors.ravel())
