"""Dropping rows by what one column holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field, FiniteFloat, field_validator, model_validator

from ladle import Cleaner, Columns, OptionError, Reads

from .arrays import is_text, plain, positions
from .values import check_value, held, shown

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Cleaned

Values = list[str | bool | int | float]


class Filter(Cleaner):
    """Drop rows of which one column does not fulfil every condition given.

    A row without a value (null, or not a number) fulfils none, unless `missing` says that it stays.
    """

    form = "arrow"

    column: Annotated[str, Reads()] = Field(description="The column to look at.")
    min: FiniteFloat | None = Field(default=None, description="The least number that stays.")
    max: FiniteFloat | None = Field(default=None, description="The greatest number that stays.")
    length: bool = Field(
        default=False, description="Whether `min` and `max` mean the characters of a text or the items of a list."
    )
    matches: str | None = Field(
        default=None, description="A regular expression of Python that is found somewhere in a text that stays."
    )
    one_of: Values = Field(default=[], alias="is", description="The only values that stay.")
    none_of: Values = Field(default=[], alias="is_not", description="Values that go.")
    missing: Literal["drop", "keep"] = Field(default="drop", description="What happens to a row without a value.")

    @field_validator("matches")
    @classmethod
    def _regular(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                raise OptionError(
                    f"{shown(pattern)} is no regular expression: {error}",
                    help="in TOML write patterns in single quotes, which leave backslashes alone",
                    code="pattern",
                ) from None
        return pattern

    @model_validator(mode="after")
    def _some_condition(self) -> Filter:
        bounds = self.min is not None or self.max is not None
        if not (bounds or self.matches is not None or self.one_of or self.none_of):
            raise OptionError(
                "a filter needs a condition",
                option="column",
                help="add one or more of `min`, `max`, `matches`, `is` and `is_not`",
            )
        if self.length and not bounds:
            raise OptionError("`length` says what `min` and `max` mean, and there is neither", option="length")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise OptionError(
                f"no number is at least {self.min:.15g} and at most {self.max:.15g}",
                option="min",
                help="exchange `min` and `max`",
            )
        return self

    def columns_after(self, given: Columns) -> Columns:
        found = given.need(self.column, option="column")
        if self.length:
            given.need(self.column, "text", "list", "vector", option="column")
        elif self.min is not None or self.max is not None:
            given.need(self.column, "number", option="column")
        if self.matches is not None:
            given.need(self.column, "text", option="column")
        for option, values in (("is", self.one_of), ("is_not", self.none_of)):
            for value in values:
                check_value(value, self.column, found, option=option)
        return given

    def clean_batch(self, batch: pa.RecordBatch) -> Cleaned:
        import pyarrow.compute as pc

        from ladle import Cleaned, Reject

        column = plain(batch[self.column])
        absent = pc.is_null(column, nan_is_null=True)
        rejects: dict[int, Reject] = {}
        if self.missing == "drop":
            gap = Reject(rule="missing", reason=f"no value in `{self.column}`")
            rejects = dict.fromkeys(positions(absent), gap)
        present = pc.invert(absent)
        for judged in self._judgements(column) if pc.any(present).as_py() else ():
            for row in positions(pc.and_(present, judged.broken)):
                rejects.setdefault(row, Reject(rule=judged.rule, reason=judged.reason(row)))
        return Cleaned(batch, rejects)

    def _judgements(self, column: pa.Array) -> Iterator[Judgement]:
        import pyarrow as pa
        import pyarrow.compute as pc

        name = f"`{self.column}`"
        if self.min is not None or self.max is not None:
            what, sizes = (f"the length of {name}", _lengths(column)) if self.length else (name, column)
            sizes = sizes.cast(pa.float64(), safe=False)
            if self.min is not None:
                yield Judgement("min", pc.less(sizes, self.min), what, sizes, f"less than min = {self.min:.15g}")
            if self.max is not None:
                yield Judgement("max", pc.greater(sizes, self.max), what, sizes, f"more than max = {self.max:.15g}")
        if self.matches is not None:
            unlike = pa.array([not re.search(self.matches, text or "") for text in column.to_pylist()], pa.bool_())
            yield Judgement("matches", unlike, name, column, f"which {shown(self.matches)} does not match")
        if self.one_of:
            others = pc.invert(_among(column, self.one_of))
            yield Judgement("is", others, name, column, "which is not among the values that stay")
        if self.none_of:
            yield Judgement("is_not", _among(column, self.none_of), name, column, "which is among the values that go")


class Judgement(NamedTuple):
    """One condition: the rows that do not fulfil it, and how to say so."""

    rule: str
    broken: pa.Array
    what: str
    values: pa.Array
    verdict: str

    def reason(self, row: int) -> str:
        return f"{self.what} is {shown(self.values[row].as_py())}, {self.verdict}"


def _among(column: pa.Array, values: Values) -> pa.Array:
    """Which of a column's values are among `values`, of which those do not count that it cannot hold."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = [scalar.as_py() for value in values if (scalar := held(value, column.type)) is not None]
    return pc.is_in(column, value_set=pa.array(known, column.type))


def _lengths(column: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.utf8_length(column) if is_text(column) else pc.list_value_length(column)
