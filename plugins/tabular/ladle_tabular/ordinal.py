"""Categories as numbers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from ladle import OptionError

from .categories import counted, places
from .choosing import ColumnExtractor

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Columns, Rows


class Ordinal(ColumnExtractor):
    """Turn the categories of a column into numbers from 0, in the column itself.

    The numbers follow the sorted categories of the train split, or an order that the recipe gives. Null, and what is
    not among the categories, become -1.
    """

    takes = ("text", "integer")
    takes_all = ("text",)

    order: dict[str, list[str | int]] = Field(
        default={},
        description='For a column its categories from least to greatest, such as { size = ["S", "M", "L"] }; '
        "columns that are not here are sorted.",
    )

    @model_validator(mode="after")
    def _each_once(self) -> Ordinal:
        for name, categories in self.order.items():
            if twice := [value for value, count in Counter(categories).items() if count > 1]:
                raise OptionError(f"the order of `{name}` has {twice[0]!r} twice", option="order")
        return self

    def chosen(self, given: Columns) -> list[str]:
        names = super().chosen(given)
        for name, categories in self.order.items():
            if name not in names and (self.columns or given.known):
                raise OptionError(
                    f"`order` is given for `{name}`, which is not encoded",
                    option="order",
                    help=f"the columns to encode are {', '.join(names)}; say so in `columns` if they shall be others",
                )
            expected = {"text": str, "integer": int}.get(given.get(name, "any"), object)
            if wrong := [value for value in categories if not isinstance(value, expected)]:
                raise OptionError(f"column `{name}` holds {given[name]}, not {wrong[0]!r}", option="order")
        return names

    def columns_after(self, given: Columns) -> Columns:
        after = given
        for name in self.chosen(given):
            after = after.having(name, "integer")
        return after

    def fit(self, train: Rows) -> dict[str, list[Any]]:
        """The categories of each column, in order."""
        from ladle import columns_of

        names = self.chosen(columns_of(train.schema))
        counts = counted(train, [name for name in names if name not in self.order])
        return {name: self.order[name] if name in self.order else sorted(counts[name]) for name in names}

    def extract_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        from ladle import with_column

        for name, categories in self.learnt(batch):
            batch = with_column(batch, name, pa.array(places(batch[name], categories)))
        return batch
