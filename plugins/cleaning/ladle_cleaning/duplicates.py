"""Dropping rows that say the same as another row."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ladle import Cleaner, Columns, Reads

from .arrays import collapsed, is_text, plain, quoted

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from ladle import Cleaned, Rows


class Deduplicate(Cleaner):
    """Drop rows that are equal to another row, in some columns or in all.

    Each dropped row names the row that stays. Missing values are equal to each other. Rows are compared by
    128-bit hashes, so that memory holds hashes alone and no text.
    """

    form = "arrow"

    columns: Annotated[list[str], Reads()] = Field(
        default=[], description="Columns in which duplicates are equal; empty: all columns."
    )
    keep: Literal["first", "last"] = Field(default="first", description="Which of the equal rows stays.")
    ignore_case: bool = Field(default=False, description="Whether texts that differ only in case are equal.")
    ignore_space: bool = Field(
        default=False,
        description="Whether texts are equal that differ only in white space at their ends and in its amount between.",
    )

    def columns_after(self, given: Columns) -> Columns:
        for name in self.columns or given:
            given.need(name, option="columns")
        return given

    def clean_data(self, data: Rows) -> Iterable[Cleaned]:
        from ladle import Cleaned, Reject

        copies = self._copies(data.select(self.columns or data.columns))
        ids = _ids(data, copies.select(row="stays").unique().sort("row"))
        same = f"the same {quoted(self.columns)}" if self.columns else "the same in every column"
        for start, batch in _numbered(data.batches("arrow")):
            dropped = _between(copies, start, start + batch.num_rows).iter_rows()
            yield Cleaned(
                batch,
                {
                    row - start: Reject(rule="duplicate", reason=f"{same} as row {ids[stays]}", stays=ids[stays])
                    for row, stays in dropped
                },
            )

    def _copies(self, data: Rows) -> pl.DataFrame:
        """The rows to drop, in order, and for each the one that stays: both as positions in the data."""
        import polars as pl

        hashes = [self._hashes(batch) for batch in data.batches("arrow")]
        if not hashes:
            return pl.DataFrame(schema={"row": pl.UInt32, "stays": pl.UInt32})
        row = pl.col("row")
        stays = row.first() if self.keep == "first" else row.last()
        equal_rows = pl.concat(hashes).with_row_index("row").select(row, stays=stays.over("hash", "other hash"))
        return equal_rows.filter(row != pl.col("stays"))

    def _hashes(self, batch: pa.RecordBatch) -> pl.DataFrame:
        """Two 64-bit hashes of each row: one alone would take different rows for equal in large data."""
        import polars as pl

        from ladle.rows import ID

        compared = pl.DataFrame({name: self._comparable(batch[name]) for name in batch.schema.names if name != ID})
        return pl.DataFrame({"hash": compared.hash_rows(seed=1), "other hash": compared.hash_rows(seed=2)})

    def _comparable(self, column: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        column = plain(column)
        if not is_text(column):
            return column
        if self.ignore_case:
            column = pc.utf8_lower(pc.utf8_upper(column))  # both ways, for several small letters may share a capital
        return pc.utf8_trim_whitespace(collapsed(column)) if self.ignore_space else column


def _numbered(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches, each with the position in the data of its first row."""
    start = 0
    for batch in batches:
        yield start, batch
        start += batch.num_rows


def _between(rows: pl.DataFrame, start: int, end: int) -> pl.DataFrame:
    """Of a frame in the order of `row`, those from `start` to before `end`."""
    row = rows["row"]
    return rows[bisect_left(row, start) : bisect_left(row, end)]


def _ids(data: Rows, wanted: pl.DataFrame) -> dict[int, str]:
    """The ids of the rows at the positions in `wanted`, which is in order."""
    from ladle.rows import ID

    ids: dict[int, str] = {}
    for start, batch in _numbered(data.select([]).batches("arrow")):
        here = _between(wanted, start, start + batch.num_rows)["row"]
        ids |= zip(here, batch[ID].take((here - start).to_arrow()).to_pylist(), strict=True)
    return ids
