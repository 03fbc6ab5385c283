"""Dropping rows by what one column holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, FiniteFloat, field_validator, model_validator

from ladle import Cleaned, Cleaner, Columns, OptionError, Reads, Reject

from .arrays import is_text, plain, positions
from .values import check_value, held, is_missing, shown

if TYPE_CHECKING:
    import pyarrow as pa

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

    @property
    def is_light(self) -> bool:
        return True

    def clean_row(self, row: dict[str, Any]) -> dict[str, Any] | Reject:
        """One row judged as `clean_batch` judges many."""
        value = row[self.column]
        if is_missing(value):
            return self._gap() if self.missing == "drop" else row
        size = len(value) if self.length else value
        checks = (
            ("min", self.min is not None and size < self.min, size),
            ("max", self.max is not None and size > self.max, size),
            ("matches", self.matches is not None and not re.search(self.matches, value), value),
            ("is", bool(self.one_of) and not _is_among(value, self.one_of), value),
            ("is_not", _is_among(value, self.none_of), value),
        )
        for rule, is_broken, seen in checks:
            if is_broken:
                return Reject(rule=rule, reason=self._reason(rule, seen))
        return row

    def _gap(self) -> Reject:
        return Reject(rule="missing", reason=f"no value in `{self.column}`")

    def _reason(self, rule: str, value: object) -> str:
        what = f"`{self.column}`"
        if rule in ("min", "max"):
            what = f"the length of {what}" if self.length else what
            bound = f"less than min = {self.min:.15g}" if rule == "min" else f"more than max = {self.max:.15g}"
            return f"{what} is {shown(float(value))}, {bound}"
        verdicts = {
            "matches": f"which {shown(self.matches)} does not match",
            "is": "which is not among the values that stay",
            "is_not": "which is among the values that go",
        }
        return f"{what} is {shown(value)}, {verdicts[rule]}"

    def clean_batch(self, batch: pa.RecordBatch) -> Cleaned:
        import pyarrow.compute as pc

        column = plain(batch[self.column])
        absent = pc.is_null(column, nan_is_null=True)
        rejects: dict[int, Reject] = {}
        if self.missing == "drop":
            rejects = dict.fromkeys(positions(absent), self._gap())
        present = pc.invert(absent)
        for rule, broken, values in self._judgements(column) if pc.any(present).as_py() else ():
            for row in positions(pc.and_(present, broken)):
                rejects.setdefault(row, Reject(rule=rule, reason=self._reason(rule, values[row].as_py())))
        return Cleaned(batch, rejects)

    def _judgements(self, column: pa.Array) -> Iterator[tuple[str, pa.Array, pa.Array]]:
        """For each condition its name, the rows that do not fulfil it, and the values that tell so."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.min is not None or self.max is not None:
            sizes = (_lengths(column) if self.length else column).cast(pa.float64(), safe=False)
            if self.min is not None:
                yield "min", pc.less(sizes, self.min), sizes
            if self.max is not None:
                yield "max", pc.greater(sizes, self.max), sizes
        if self.matches is not None:
            unlike = pa.array([not re.search(self.matches, text or "") for text in column.to_pylist()], pa.bool_())
            yield "matches", unlike, column
        if self.one_of:
            yield "is", pc.invert(_among(column, self.one_of)), column
        if self.none_of:
            yield "is_not", _among(column, self.none_of), column


def _is_among(value: object, values: Values) -> bool:
    """Whether a value is one of `values`; true is not 1."""
    return any(isinstance(value, bool) == isinstance(one, bool) and value == one for one in values)


def _among(column: pa.Array, values: Values) -> pa.Array:
    """Which of a column's values are among `values`, of which those do not count that it cannot hold."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = [scalar.as_py() for value in values if (scalar := held(value, column.type)) is not None]
    return pc.is_in(column, value_set=pa.array(known, column.type))


def _lengths(column: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.utf8_length(column) if is_text(column) else pc.list_value_length(column)
