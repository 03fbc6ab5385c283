"""Giving columns other types."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator, model_validator

from ladle import Cleaner, Columns, OptionError

from .arrays import as_text, positions, unmarked
from .values import shown

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Cleaned

Type = Literal["text", "integer", "number", "boolean", "time"]

_FROM: dict[Type, tuple[Type, ...]] = {
    "text": ("text", "integer", "number", "boolean", "time"),
    "integer": ("text", "integer", "number", "boolean"),
    "number": ("text", "integer", "number", "boolean"),
    "boolean": ("text", "integer", "number", "boolean"),
    "time": ("text", "time"),
}


class Convert(Cleaner):
    """Give columns other types; a row whose value is none of the new type is rejected.

    Nothing is guessed: "3.0" is the integer 3, but "3.5" is no integer and "nan" is no number. Spaces around a
    text do not count. Truth values are true, t, yes, y, on, 1 and false, f, no, n, off, 0, in any case.
    """

    form = "arrow"

    types: dict[str, Type] = Field(min_length=1, description="The new type of each column, by the column's name.")
    invalid: Literal["reject", "null"] = Field(
        default="reject", description="What happens to a value that does not convert: its row goes, or it is null."
    )
    markers: list[str] = Field(
        default=[], description='Texts that stand for a missing value, such as "?" or ""; they become null.'
    )
    decimal: str = Field(default=".", description="The decimal separator of numbers in texts.")
    thousands: str = Field(
        default="", description="The separator between groups of three digits of numbers in texts, if they have one."
    )
    time_format: str | None = Field(
        default=None,
        description="How texts write a time, in the codes of Python's strptime (such as %d.%m.%Y); without it ISO "
        "8601. A time with an offset becomes UTC.",
    )

    @model_validator(mode="after")
    def _two_separators(self) -> Convert:
        for option, mark in (("decimal", self.decimal), ("thousands", self.thousands or " ")):
            if len(mark) != 1 or mark.isalnum() or mark in "+-":
                raise OptionError(
                    f"{shown(mark)} separates no numbers", option=option, help='give one character, such as "," or "."'
                )
        if self.decimal == self.thousands:
            raise OptionError(
                f"{shown(self.decimal)} cannot separate both decimals and thousands",
                option="thousands",
                help="set `decimal` as well",
            )
        return self

    @field_validator("time_format")
    @classmethod
    def _readable(cls, time_format: str | None) -> str | None:
        if time_format is not None:
            try:
                datetime.strptime(datetime(2000, 1, 1).strftime(time_format), time_format)
            except ValueError as error:
                raise OptionError(
                    f"{shown(time_format)} is no format of times: {error}", help='write for example "%Y-%m-%d %H:%M"'
                ) from None
        return time_format

    def columns_after(self, given: Columns) -> Columns:
        after = given
        for name, type_ in self.types.items():
            given.need(name, *_FROM[type_], option="types")
            after = after.having(name, type_)
        return after

    def clean_batch(self, batch: pa.RecordBatch) -> Cleaned:
        import pyarrow.compute as pc

        from ladle import Cleaned, Reject, columns_of, with_column

        found = columns_of(batch.schema)
        reasons = defaultdict(list)
        for name, type_ in self.types.items():
            before = batch[name]
            if found[name] in ("text", "any"):
                before = unmarked(as_text(before), self.markers)
            after = self._converted(before, type_)
            if self.invalid == "reject":
                for row in positions(pc.and_(pc.is_valid(before), pc.is_null(after))):
                    reasons[row].append(f"`{name}` is {shown(before[row].as_py())}, which is no {type_}")
            batch = with_column(batch, name, after)
        rejects = {row: Reject(rule="no-such-type", reason="; ".join(why)) for row, why in reasons.items()}
        return Cleaned(batch, rejects)

    def _converted(self, column: pa.Array, type_: Type) -> pa.Array:
        """The column with the new type, null where a value is none of it."""
        import polars as pl

        from ladle.rows import arrow_type

        from . import parsing

        series = pl.Series(column)
        if series.dtype != pl.String:
            converted = parsing.cast(series, type_)
        elif type_ == "number":
            converted = parsing.numbers(series, self.decimal, self.thousands)
        elif type_ == "integer":
            converted = parsing.integers(series, self.decimal, self.thousands)
        elif type_ == "boolean":
            converted = parsing.booleans(series)
        elif type_ == "time":
            converted = parsing.times(series, self.time_format)
        else:
            converted = series
        return converted.to_arrow().cast(arrow_type(type_))
