"""Giving columns other types."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from ladle import Cleaner, Columns, OptionError, Reject

from .arrays import as_text, positions, unmarked
from .moments import ANY, ISO, meant
from .reading import from_other, from_text
from .units import Quantities, Unit, Units
from .values import shown

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Cleaned, Sample

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

    Nothing is guessed: "3.0" is the integer 3, but "3.5" is no integer and "nan" is no number; "3/4/2020" is no time
    unless the recipe says which is the day. Spaces around a text do not count. Truth values are true, t, yes, y, on, 1
    and false, f, no, n, off, 0, in any case. Texts with quantities, such as "12 lb", become numbers of one unit.
    """

    form = "arrow"

    types: dict[str, Type] = Field(default={}, description="The new type of each column, by the column's name.")
    units: dict[str, str] = Field(
        default={},
        description='Columns of texts such as "12 lb" that become numbers, each with the unit to convert into: '
        'units = { weight = "kg" }. Units of mass, length, area, volume, time, speed, temperature, energy and data are '
        "known.",
    )
    unitless: dict[str, str] = Field(
        default={},
        description="For columns of `units`, the unit of numbers that come without one; others do not convert.",
    )
    own_units: dict[str, str] = Field(
        default={}, description='Units of your own, each in terms of another: { stone = "14 lb", usd = "0.92 eur" }.'
    )
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
    time_format: str | list[str] = Field(
        default=ISO,
        description="How texts write a time: in the codes of Python's strptime (such as %d.%m.%Y), `iso` (ISO 8601), "
        '`any` ("1 March 2020", "Mar 1st, 2020 5:30 pm", "2020/3/1" and the like, ISO 8601 too), or a list of them. '
        "What they read differently is no time. A time with an offset becomes UTC.",
    )
    day_first: bool | None = Field(
        default=None,
        description="With `any`, whether 3/4/2020 is the third of April; without it, what can be two days is no time.",
    )

    @model_validator(mode="after")
    def _something_to_do(self) -> Convert:
        if not self.types and not self.units:
            raise OptionError(
                "nothing is to be converted", option="types", help='write types = { age = "integer" }, or `units`'
            )
        for name in self.units:
            if name in self.types:
                raise OptionError(
                    f"`{name}` becomes a number of {self.units[name]} already",
                    option=("types", name),
                    help="leave it out here",
                )
        for name in self.unitless:
            if name not in self.units:
                raise OptionError(
                    f"`{name}` is converted into no unit", option=("unitless", name), help="name it in `units` as well"
                )
        if self.day_first is not None and ANY not in self._formats:
            raise OptionError(
                "`day_first` is for times in any format", option="day_first", help=f'add time_format = "{ANY}"'
            )
        self._check_units()
        return self

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
    def _readable(cls, time_format: str | list[str]) -> str | list[str]:
        for format_ in [time_format] if isinstance(time_format, str) else time_format:
            if format_ in (ISO, ANY):
                continue
            try:
                if "%" not in format_:
                    raise ValueError("it has no code such as %Y")
                datetime.strptime(datetime(2000, 1, 1).strftime(format_), format_)
            except ValueError as error:
                raise OptionError(
                    f"{shown(format_)} is no format of times: {error}", help='write for example "%Y-%m-%d %H:%M"'
                ) from None
        return time_format

    @property
    def _formats(self) -> list[str]:
        return [self.time_format] if isinstance(self.time_format, str) else self.time_format

    def _check_units(self) -> None:
        for name, (into, bare) in self._units_of.items():
            if bare and bare.family != into.family:
                raise OptionError(
                    f"{self.unitless[name]} is no unit of {into.family}, as {self.units[name]} is",
                    option=("unitless", name),
                    code="unit",
                )

    @functools.cached_property
    def _known(self) -> Units:
        return Units(self.own_units, self.units.values())

    @functools.cached_property
    def _units_of(self) -> dict[str, tuple[Unit, Unit | None]]:
        """For each column of quantities the unit to convert into, and that of numbers without one."""
        return {
            name: (
                self._known.need(into, "units", name),
                self._known.need(self.unitless[name], "unitless", name) if name in self.unitless else None,
            )
            for name, into in self.units.items()
        }

    @functools.cached_property
    def _quantities(self) -> dict[str, Quantities]:
        """For each column of quantities what reads them."""
        return {
            name: Quantities(self._known, into, bare, self.decimal, self.thousands)
            for name, (into, bare) in self._units_of.items()
        }

    def columns_after(self, given: Columns) -> Columns:
        after = given
        for name, type_ in self.types.items():
            given.need(name, *_FROM[type_], option="types")
            after = after.having(name, type_)
        for name in self.units:
            given.need(name, "text", option="units")
            after = after.having(name, "number")
        return after

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        for name in [*self.types, *self.units] if self.is_light else ():
            values = [value for value in sample.values(name) if not self._is_marked(value)]
            lost = [value for value in values if self._converted_value(name, value) is None]
            if self.invalid == "null" and len(lost) > len(values) / 2:
                option = "units" if name in self.units else "types"
                message = f"{len(lost)} of {sample} become null: {self._why_not(name, lost[0])}"
                yield OptionError(message, option=(option, name), code="lost-values")

    @property
    def is_light(self) -> bool:
        return "text" not in self.types.values()

    def clean_row(self, row: dict[str, Any]) -> dict[str, Any] | Reject:
        """One row converted as `clean_batch` converts many; not into texts, which libraries write differently."""
        done, reasons = dict(row), {}
        for name in [*self.types, *self.units]:
            value = None if self._is_marked(row[name]) else row[name]
            done[name] = None if value is None else self._converted_value(name, value)
            if value is not None and done[name] is None:
                reasons[name] = value
        return self._rejected(reasons) if reasons and self.invalid == "reject" else done

    def _is_marked(self, value: Any) -> bool:
        return isinstance(value, str) and value.strip() in {marker.strip() for marker in self.markers}

    def _converted_value(self, name: str, value: Any) -> Any:
        if name in self.units:
            return self._quantities[name](value)
        if not isinstance(value, str):
            return from_other(value, self.types[name])
        if self.types[name] == "time":
            return self._only(self._meant(name, value))
        return from_text(value, self.types[name], self.decimal, self.thousands)

    @staticmethod
    def _only(moments: list[datetime]) -> datetime | None:
        return moments[0] if len(moments) == 1 else None

    def _rejected(self, values: dict[str, Any]) -> Reject:
        """The reject of a row with values, by columns, that do not convert."""
        reasons = "; ".join(self._why_not(name, value) for name, value in values.items())
        is_ambiguous = any(len(self._meant(name, value)) > 1 for name, value in values.items())
        return Reject(rule="ambiguous-time" if is_ambiguous else "no-such-type", reason=reasons)

    def _meant(self, name: str, value: Any) -> list[datetime]:
        """The times that a value of a column can mean."""
        is_time = self.types.get(name) == "time" and isinstance(value, str)
        return meant(value, self._formats, self.day_first) if is_time else []

    def _why_not(self, name: str, value: Any) -> str:
        what = f"`{name}` is {shown(value)}, which"
        if name in self.units:
            return f"{what} is no quantity in {self.units[name]}"
        if moments := [str(moment).removesuffix(" 00:00:00") for moment in self._meant(name, value)]:
            return f"{what} could be {' or '.join(moments)}"
        return f"{what} is no {self.types[name]}"

    def clean_batch(self, batch: pa.RecordBatch) -> Cleaned:
        import pyarrow.compute as pc

        from ladle import Cleaned, columns_of, with_column

        found = columns_of(batch.schema)
        lost: dict[int, dict[str, Any]] = defaultdict(dict)
        for name in [*self.types, *self.units]:
            before = batch[name]
            if found[name] in ("text", "any"):
                before = unmarked(as_text(before), self.markers)
            after = self._converted(name, before)
            if self.invalid == "reject":
                for row in positions(pc.and_(pc.is_valid(before), pc.is_null(after))):
                    lost[row][name] = before[row].as_py()
            batch = with_column(batch, name, after)
        return Cleaned(batch, {row: self._rejected(values) for row, values in lost.items()})

    def _converted(self, name: str, column: pa.Array) -> pa.Array:
        """The column with its new type, null where a value is none of it."""
        import polars as pl

        from ladle.rows import arrow_type

        from . import parsing

        series = pl.Series(column)
        type_ = self.types.get(name, "number")
        if name in self.units:
            converted = parsing.each(series, self._quantities[name], pl.Float64())
        elif series.dtype != pl.String:
            converted = parsing.cast(series, type_)
        elif type_ == "number":
            converted = parsing.numbers(series, self.decimal, self.thousands)
        elif type_ == "integer":
            converted = parsing.integers(series, self.decimal, self.thousands)
        elif type_ == "boolean":
            converted = parsing.booleans(series)
        elif type_ == "time":
            converted = parsing.each(series, lambda text: self._only(self._meant(name, text)), pl.Datetime("us"))
        else:
            converted = series
        return converted.to_arrow().cast(arrow_type(type_))
