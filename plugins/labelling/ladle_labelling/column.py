"""What the labelers share: one column decides about a label in another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ladle import Columns, Labeler, Makes

if TYPE_CHECKING:
    import pyarrow as pa


class ColumnLabeler(Labeler):
    """Labels rows by what one column, named by the option `column`, holds."""

    form = "arrow"

    into: Annotated[str, Makes("text")] = Field(default="label", description="The column that gets the labels.")
    overwrite: bool = Field(
        default=False, description="Whether labels that rows have already are replaced; else only gaps are filled."
    )

    def columns_after(self, given: Columns) -> Columns:
        if self.into in given and not self.overwrite:
            given.need(self.into, "text", option="into")
        return super().columns_after(given)

    def label_of(self, value: Any) -> str | None:
        """The label of one value, None where there is none to give."""
        raise NotImplementedError

    def labels(self, column: pa.Array) -> pa.Array:
        """A label (text) for each value, null where there is none to give."""
        import pyarrow as pa

        return pa.array([self.label_of(value) for value in column.to_pylist()], pa.string())

    def label_row(self, row: dict[str, Any]) -> dict[str, Any]:
        has_label = row.get(self.into) is not None and not self.overwrite
        return row if has_label else row | {self.into: self.label_of(row[self.column])}

    def label_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa
        import pyarrow.compute as pc

        from ladle import with_column

        labels = self.labels(batch[self.column])
        if self.into in batch.schema.names and not self.overwrite:
            labels = pc.coalesce(batch[self.into].cast(pa.string()), labels)
        return with_column(batch, self.into, labels)
