"""What to do where values are missing."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from ladle import Cleaned, Cleaner, Columns, OptionError, Reject

from .arrays import is_text, plain, positions, quoted, unmarked
from .values import check_value, fits, held, is_missing, shown

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Rows

_FILLS: dict[str, tuple[Any, ...]] = {
    "median": ("integer", "number"),
    "most-frequent": ("text", "integer", "number", "boolean", "time"),
    "constant": ("text", "integer", "number", "boolean", "time"),
    "drop": (),
}


class FillMissing(Cleaner):
    """Fill in missing values, or drop the rows that lack one.

    Missing is what is null, what is not a number (NaN) and, in text columns, what `markers` lists. Medians and
    most frequent values come from the train split alone, and fill the gaps of every split.
    """

    form = "arrow"

    columns: list[str] = Field(
        default=[],
        description="Columns to look at; empty: all, or for a strategy that fills in, all that it can fill.",
    )
    strategy: Literal["median", "most-frequent", "constant", "drop"] = Field(
        description="What takes the place of a missing value: the column's median (the lower one of two middle "
        "values where a column holds whole numbers), its most frequent value (of several the one that comes first), "
        "or the constant `value`; `drop` rejects the row."
    )
    value: str | bool | int | float | datetime | date | None = Field(
        default=None, description="The constant, of the columns' type."
    )
    markers: list[str] = Field(
        default=[],
        description='Texts that stand for a missing value, such as "?"; spaces around them do not count.',
    )

    @model_validator(mode="after")
    def _value_for_constant(self) -> FillMissing:
        if self.strategy == "constant" and self.value is None:
            raise OptionError('strategy "constant" needs a `value`', option="strategy", help="add value = …")
        if self.strategy != "constant" and self.value is not None:
            raise OptionError(
                f'strategy "{self.strategy}" takes no `value`', option="value", help='set strategy = "constant"'
            )
        return self

    def columns_after(self, given: Columns) -> Columns:
        after = given
        for name in self._names(given):
            found = given.need(name, *_FILLS[self.strategy], option="columns")
            if self.strategy == "constant":
                check_value(self.value, name, found, option="value")
            if self.strategy != "drop":
                after = after.having(name, found)
        return after

    def _names(self, given: Columns) -> list[str]:
        if self.columns:
            return self.columns
        if self.strategy == "drop":
            return list(given)
        if self.strategy == "constant":
            return [name for name, type_ in given.items() if fits(self.value, type_)]
        return given.of_type(*_FILLS[self.strategy])

    @property
    def learns(self) -> bool:
        return self.strategy in ("median", "most-frequent")

    def fit(self, train: Rows) -> dict[str, Any]:
        """For each column what fills its gaps. One column at a time is held in memory."""
        from ladle import columns_of

        return {name: self._learnt(train, name) for name in self._names(columns_of(train.schema))}

    def _learnt(self, train: Rows, name: str) -> Any:
        import pyarrow as pa

        present = [_filled(self._with_nulls(batch[name])) for batch in train.select([name]).batches("arrow")]
        if not any(map(len, present)):
            raise OptionError(
                f"column `{name}` has no value in the train split, so it has no {self.strategy} value",
                option="columns",
                help='name the columns to fill, or drop this one before (`use = "select"`)',
            )
        values = pa.chunked_array(present)
        learnt = _median(values) if self.strategy == "median" else _most_frequent(values)
        value = learnt.as_py()
        return value if isinstance(value, str | bool | int | float) else learnt.cast(pa.string()).as_py()

    @property
    def is_light(self) -> bool:
        return self.strategy == "drop"

    def clean_row(self, row: dict[str, Any]) -> dict[str, Any] | Reject:
        """One row dropped, or not, as `clean_batch` drops many."""
        gaps = [name for name in self.columns or row if self._is_gap(row[name])]
        return _lacking(gaps) if gaps else row

    def _is_gap(self, value: Any) -> bool:
        if isinstance(value, str):
            return value.strip() in {marker.strip() for marker in self.markers}
        return is_missing(value)

    def clean_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch | Cleaned:
        from ladle import columns_of

        names = self._names(columns_of(batch.schema))
        return self._without_gaps(batch, names) if self.strategy == "drop" else self._filled_in(batch, names)

    def _without_gaps(self, batch: pa.RecordBatch, names: list[str]) -> Cleaned:
        lacking = defaultdict(list)
        for name in names:
            for row in positions(_gaps(self._with_nulls(batch[name]))):
                lacking[row].append(name)
        return Cleaned(batch, {row: _lacking(gaps) for row, gaps in lacking.items()})

    def _filled_in(self, batch: pa.RecordBatch, names: list[str]) -> pa.RecordBatch:
        import pyarrow as pa
        import pyarrow.compute as pc

        from ladle import with_column

        fillings = self.state if self.learns else dict.fromkeys(names, self.value)
        for name in names:
            if name not in fillings:  # at prediction rows may have columns that training had not
                continue
            column = self._with_nulls(batch[name])
            if pa.types.is_null(column.type):
                column = column.cast(pa.scalar(fillings[name]).type)
            filling = held(fillings[name], column.type)
            if filling is None:
                raise OptionError(
                    f"column `{name}` holds {column.type}, which has no place for {shown(fillings[name])}",
                    option="strategy" if self.learns else "value",
                    help='give a value that fits, or convert the column first (`use = "convert"`)',
                    code="value-type",
                )
            batch = with_column(batch, name, pc.if_else(_gaps(column), filling, column))
        return batch

    def _with_nulls(self, column: pa.Array) -> pa.Array:
        """The column with null where a text stands for a missing value."""
        column = plain(column)
        return unmarked(column, self.markers) if is_text(column) else column


def _lacking(names: list[str]) -> Reject:
    return Reject(rule="missing", reason=f"no value in {quoted(names)}")


def _gaps(column: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.is_null(column, nan_is_null=True)


def _filled(column: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return column.filter(pc.invert(_gaps(column)))


def _median(values: pa.ChunkedArray) -> pa.Scalar:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(values.type):
        return pc.quantile(values.cast(pa.float64()), 0.5, interpolation="midpoint")[0]
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.uint8())
    return pc.quantile(values, 0.5, interpolation="lower")[0]


def _most_frequent(values: pa.ChunkedArray) -> pa.Scalar:
    import pyarrow.compute as pc

    counted = pc.value_counts(values)
    counts = counted.field("counts")
    return counted.field("values")[pc.index(counts, pc.max(counts)).as_py()]
