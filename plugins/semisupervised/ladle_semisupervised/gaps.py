"""What labelers share that fill the gaps in a column of labels, and say how sure they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from ladle import Columns, Labeler

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Rows

Found = dict[int, tuple[Any, float]]
"""By the place of a row in its batch: a label, as its column has it, and the confidence in it from 0 to 1."""
_HELD_OUT = ("validation", "test")


class GapFiller(Labeler):
    """Gives labels to rows that have none; labels that are known stay."""

    form = "arrow"

    origin_of_new: ClassVar[str]
    """What the column `origin` says of the labels that this labeler gives."""

    into: str = Field(default="label", description="The column with the labels that are known, whose gaps are filled.")
    threshold: float = Field(
        default=0.8, ge=0, le=1, description="Confidence below which a row stays without a label (null)."
    )
    confidence: str | None = Field(
        default=None,
        description="The column that gets the confidence in each new label, null for the others; the name of the label "
        "column and `_confidence` if left out.",
    )
    origin: str | None = Field(
        default=None,
        description="The column that says where each label came from: `given`, `self-training`, `propagation` or "
        "`model`; the name of the label column and `_origin` if left out.",
    )
    held_out: bool = Field(
        default=False,
        description="Whether rows of the validation and test splits get labels too. A model is then measured by how "
        "often it agrees with them.",
    )

    @property
    def confidence_column(self) -> str:
        return f"{self.into}_confidence" if self.confidence is None else self.confidence

    @property
    def origin_column(self) -> str:
        return f"{self.into}_origin" if self.origin is None else self.origin

    def columns_after(self, given: Columns) -> Columns:
        if self.confidence_column in given:
            given.need(self.confidence_column, "number", option="confidence")
        if self.origin_column in given:
            given.need(self.origin_column, "text", option="origin")
        after = super().columns_after(given)
        return after.having(self.confidence_column, "number").having(self.origin_column, "text")

    def finder(self) -> Callable[[pa.RecordBatch, list[int]], Found]:
        """What finds labels, where it is sure enough, for rows at some places of a batch with the core's columns."""
        raise NotImplementedError

    def label_data(self, data: Rows) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        from ladle.rows import ID, SPLIT

        find = self.finder()
        for whole in data.whole_batches():
            batch = whole.select([ID, *data.columns])
            known = plain(batch[self.into]) if self.into in data.columns else pa.nulls(len(batch), pa.string())
            splits = whole[SPLIT].to_pylist()
            gaps = [
                at
                for at, label in enumerate(known.to_pylist())
                if label is None and (self.held_out or splits[at] not in _HELD_OUT)
            ]
            yield self._filled(batch, known, find(whole, gaps) if gaps else {})

    def _filled(self, batch: pa.RecordBatch, known: pa.Array, found: Found) -> pa.RecordBatch:
        import pyarrow as pa
        import pyarrow.compute as pc

        from ladle import with_column

        def column(values: dict[int, Any], type_: pa.DataType) -> pa.Array:
            return pa.array([values.get(at) for at in range(len(batch))], type_)

        labels = column({at: label for at, (label, _) in found.items()}, known.type)
        confidence = column({at: sure for at, (_, sure) in found.items()}, pa.float64())
        origin = column(dict.fromkeys(found, self.origin_of_new), pa.string())
        if self.confidence_column in batch.schema.names:
            confidence = pc.coalesce(confidence, batch[self.confidence_column].cast(pa.float64()))
        if self.origin_column in batch.schema.names:
            origin = pc.coalesce(origin, batch[self.origin_column].cast(pa.string()))
        origin = pc.coalesce(origin, pc.if_else(known.is_valid(), "given", pa.scalar(None, pa.string())))
        batch = with_column(batch, self.into, pc.coalesce(known, labels))
        batch = with_column(batch, self.confidence_column, confidence)
        return with_column(batch, self.origin_column, origin)


def plain(labels: Any) -> Any:
    """A column of labels in one piece, without dictionary encoding, and with a type."""
    import pyarrow as pa

    labels = labels.combine_chunks() if isinstance(labels, pa.ChunkedArray) else labels
    if pa.types.is_null(labels.type):  # of a column that nothing is in yet
        return labels.cast(pa.string())
    return labels.dictionary_decode() if pa.types.is_dictionary(labels.type) else labels
