"""Values of one type as values of another, and null where there is no such value.

Everything works on a polars series, whose casts can give null in place of an error.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import polars as pl

TRUE = ["true", "t", "yes", "y", "on", "1"]
FALSE = ["false", "f", "no", "n", "off", "0"]


def numbers(texts: pl.Series, decimal: str, thousands: str) -> pl.Series:
    """Texts as numbers."""
    values = _numerals(texts, decimal, thousands).cast(pl.Float64, strict=False)
    return _where(values.is_finite(), values)  # 1e999 is not infinity


def integers(texts: pl.Series, decimal: str, thousands: str) -> pl.Series:
    """Texts as integers, read digit by digit: as floats large ones would change."""
    return _numerals(texts, decimal, thousands).str.replace(r"\.0*$", "").cast(pl.Int64, strict=False)


def booleans(texts: pl.Series) -> pl.Series:
    """Texts as truth values."""
    words = texts.str.strip_chars().str.to_lowercase()
    return _where(words.is_in(TRUE + FALSE), words.is_in(TRUE))


def times(texts: pl.Series, time_format: str | None) -> pl.Series:
    """Texts as times in the given format, or in ISO 8601. Each different text is read once."""
    moments = {text: _moment(text.strip(), time_format) for text in texts.unique() if text is not None}
    return pl.Series([moments.get(text) for text in texts], dtype=pl.Datetime("us"))


def cast(values: pl.Series, type_: str) -> pl.Series:
    """Values that are no texts as values of a type."""
    if type_ == "text":
        return values.cast(pl.String)
    if type_ == "time":
        return values.cast(pl.Datetime("us"))
    if type_ == "number" or values.dtype.is_decimal():
        values = values.cast(pl.Float64)
    if type_ == "integer":
        whole = _where(values.floor() == values, values) if values.dtype.is_float() else values
        return whole.cast(pl.Int64, strict=False)
    if type_ == "boolean":
        return _where(values.cast(pl.Float64).is_in([0.0, 1.0]), values == 1)
    return values


def _numerals(texts: pl.Series, decimal: str, thousands: str) -> pl.Series:
    """Numbers in texts as programs write them, null where a text is no number."""
    point, comma = re.escape(decimal), re.escape(thousands)
    grouped = rf"[0-9]{{1,3}}(?:{comma}[0-9]{{3}})+|" if thousands else ""
    number = rf"^[+-]?(?:{grouped}[0-9]*)(?:{point}[0-9]*)?(?:[eE][+-]?[0-9]+)?$"
    numerals = texts.str.strip_chars()
    numerals = _where(numerals.str.contains(number), numerals)
    return numerals.str.replace_all(thousands, "", literal=True).str.replace(decimal, ".", literal=True)


def _moment(text: str, time_format: str | None) -> datetime | None:
    try:
        moment = datetime.strptime(text, time_format) if time_format else datetime.fromisoformat(text)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):  # no time, or in UTC no time that a calendar has
        return None


def _where(valid: pl.Series, values: pl.Series) -> pl.Series:
    return pl.select(pl.when(valid).then(values)).to_series()
