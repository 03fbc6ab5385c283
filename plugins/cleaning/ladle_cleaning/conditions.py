"""Dropping rows by what their columns hold."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, FiniteFloat, field_validator, model_validator

from ladle import Cleaned, Cleaner, Columns, OptionError, Reads, Reject
from ladle.errors import did_you_mean

from . import expressions
from .arrays import is_text, plain, positions, quoted
from .languages import LANGUAGES, language_of
from .values import check_value, held, is_missing, shown

if TYPE_CHECKING:
    import pyarrow as pa

Values = list[str | bool | int | float]


class Filter(Cleaner):
    """Drop rows that do not fulfil every condition given: on one column, or on several (`where`).

    A row without a value (null, or not a number) fulfils none, unless `missing` says that it stays.
    """

    form = "arrow"

    column: Annotated[str | None, Reads()] = Field(
        default=None, description="The column that the conditions but `where` look at."
    )
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
    language: list[str] = Field(
        default=[], description='The languages of texts that stay, by their codes: ["en", "de"].'
    )
    certainty: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="How sure a language has to be, from 0 to 1. Texts of a word or two mostly are less sure than the "
        "usual 0.1, sentences hardly ever; from 0.8 on next to none is taken for another language.",
    )
    where: str | None = Field(
        default=None,
        description="A condition over columns: \"age >= 18 and (income > 2 * rent or city in ['Rome', 'Oslo'])\". "
        "It may use `and`, `or`, `not`, comparisons, + - * /, 'good' in text, length(text), lower(text), missing(text) "
        "and column('any name').",
    )
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

    @field_validator("language")
    @classmethod
    def _known(cls, languages: list[str]) -> list[str]:
        for code in languages:
            if code not in LANGUAGES:
                help = did_you_mean(code, sorted(LANGUAGES), "the codes are")
                raise OptionError(f"{shown(code)} is no language that can be told", item=code, help=help)
        return languages

    @field_validator("where")
    @classmethod
    def _a_condition(cls, where: str | None) -> str | None:
        if where is not None:
            expressions.parsed(where)
        return where

    @model_validator(mode="after")
    def _some_condition(self) -> Filter:
        bounds = self.min is not None or self.max is not None
        of_column = bounds or self.matches is not None or self.one_of or self.none_of or self.language
        if not of_column and self.where is None:
            raise OptionError(
                "a filter needs a condition",
                option="column",
                help="add one or more of `min`, `max`, `matches`, `is`, `is_not`, `language` and `where`",
            )
        if of_column and self.column is None:
            raise OptionError("these conditions need a column to look at", option="column", help='write column = "…"')
        if self.column is not None and not of_column:
            raise OptionError(
                f"no condition is on `{self.column}`", option="column", help="`where` names its columns itself"
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

    @functools.cached_property
    def _tree(self) -> ast.expr | None:
        return None if self.where is None else expressions.parsed(self.where)

    def columns_after(self, given: Columns) -> Columns:
        if self.column is not None:
            self._check_column(self.column, given)
        if self._tree is not None:
            expressions.check(self._tree, given)
        return given

    def _check_column(self, name: str, given: Columns) -> None:
        found = given.need(name, option="column")
        if self.length:
            given.need(name, "text", "list", "vector", option="column")
        elif self.min is not None or self.max is not None:
            given.need(name, "number", option="column")
        if self.matches is not None or self.language:
            given.need(name, "text", option="column")
        for option, values in (("is", self.one_of), ("is_not", self.none_of)):
            for value in values:
                check_value(value, name, found, option=option)

    @property
    def is_light(self) -> bool:
        return not self.language  # what tells languages takes a second to load

    def clean_row(self, row: dict[str, Any]) -> dict[str, Any] | Reject:
        """One row judged as `clean_batch` judges many."""
        return self._of_column(row) or self._of_condition(row) or row

    def _of_column(self, row: Mapping[str, Any]) -> Reject | None:
        if self.column is None:
            return None
        value = row[self.column]
        if is_missing(value):
            return self._gap() if self.missing == "drop" else None
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
        return self._of_language(value) if self.language else None

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

    def _of_language(self, text: str) -> Reject | None:
        language, certainty = language_of(text)
        if certainty < self.certainty:
            return Reject(rule="language", reason=f"`{self.column}` is in no language that can be told")
        if language not in self.language:
            return Reject(rule="language", reason=f"`{self.column}` is in another language: {language}")
        return None

    def _of_condition(self, row: Mapping[str, Any]) -> Reject | None:
        if self._tree is None:
            return None
        verdict = expressions.is_true_of(self._tree, row)
        is_fulfilled = self.missing == "keep" if verdict is None else verdict
        return None if is_fulfilled else self._not_so(row, verdict)

    def _not_so(self, row: Mapping[str, Any], verdict: bool | None) -> Reject:
        """The reject of a row of which the condition is not true, or cannot be told to be (None)."""
        names = expressions.columns_in(self._tree)
        if verdict is None:
            gaps = [name for name in names if is_missing(row[name])]
            why = f"no value in {quoted(gaps)}" if gaps else "something is divided by 0"
            return Reject(rule="missing", reason=f"it cannot be told whether {self.where}: {why}")
        values = [f"`{name}` is {'missing' if is_missing(row[name]) else shown(row[name])}" for name in names]
        return Reject(rule="where", reason=f"it is not so that {self.where}: {', '.join(values)}")

    def clean_batch(self, batch: pa.RecordBatch) -> Cleaned:
        import pyarrow.compute as pc

        rejects = {} if self.column is None else self._judged(plain(batch[self.column]))
        if self._tree is not None:
            verdicts = expressions.are_true_of(self._tree, batch)
            false = pc.invert(pc.fill_null(verdicts, self.missing == "keep"))
            seen = batch.select(expressions.columns_in(self._tree)).filter(false)
            for row, values in zip(positions(false), seen.to_pylist(), strict=True):
                if row not in rejects:
                    rejects[row] = self._not_so(values, verdicts[row].as_py())
        return Cleaned(batch, rejects)

    def _judged(self, column: pa.Array) -> dict[int, Reject]:
        """The rejects of the conditions on one column."""
        import pyarrow.compute as pc

        absent = pc.is_null(column, nan_is_null=True)
        rejects: dict[int, Reject] = {}
        if self.missing == "drop":
            rejects = dict.fromkeys(positions(absent), self._gap())
        present = pc.invert(absent)
        for rule, broken, values in self._judgements(column) if pc.any(present).as_py() else ():
            for row in positions(pc.and_(present, broken)):
                rejects.setdefault(row, Reject(rule=rule, reason=self._reason(rule, values[row].as_py())))
        for row in positions(present) if self.language else ():
            if row not in rejects and (reject := self._of_language(column[row].as_py())):
                rejects[row] = reject
        return rejects

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
