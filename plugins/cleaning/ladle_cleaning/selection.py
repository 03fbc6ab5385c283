"""Keeping some columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from ladle import Cleaner, Columns, OptionError

if TYPE_CHECKING:
    import pyarrow as pa


class Select(Cleaner):
    """Keep some columns and remove the others, or the other way round."""

    form = "arrow"

    keep: list[str] = Field(default=[], description="The columns to keep, in this order.")
    drop: list[str] = Field(default=[], description="The columns to remove; all others stay.")

    @model_validator(mode="after")
    def _one_list(self) -> Select:
        if bool(self.keep) == bool(self.drop):
            raise OptionError(
                "a selection names the columns to keep or those to drop",
                option="drop" if self.drop else "keep",
                help='write either keep = ["text", "label"] or drop = ["title"]',
            )
        return self

    def columns_after(self, given: Columns) -> Columns:
        for name in self.keep or self.drop:
            given.need(name, option="keep" if self.keep else "drop")
        return given.without(set(given) - set(self._kept(given)))

    def _kept(self, given: Columns) -> list[str]:
        return self.keep or [name for name in given if name not in self.drop]

    def clean_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        from ladle import columns_of
        from ladle.rows import ID

        return batch.select([ID, *self._kept(columns_of(batch.schema))])
