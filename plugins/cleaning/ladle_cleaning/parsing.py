"""Values of one type as values of another, and null where there is no such value.

Everything works on a polars series, whose casts can give null in place of an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from .reading import FALSE, TRUE, numeral


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


def each(texts: pl.Series, read: Callable[[str], Any], type_: pl.DataType) -> pl.Series:
    """What `read` makes of texts, each different one of which it reads once."""
    values = {text: read(text) for text in texts.unique() if text is not None}
    return pl.Series([values.get(text) for text in texts], dtype=type_)


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
    if type_ == "boolean" and values.dtype != pl.Boolean:
        return _where(values.cast(pl.Float64).is_in([0.0, 1.0]), values == 1)
    return values


def _numerals(texts: pl.Series, decimal: str, thousands: str) -> pl.Series:
    """Numbers in texts as programs write them, null where a text is no number."""
    numerals = texts.str.strip_chars()
    numerals = _where(numerals.str.contains(f"^{numeral(decimal, thousands)}$"), numerals)
    return numerals.str.replace_all(thousands, "", literal=True).str.replace(decimal, ".", literal=True)


def _where(valid: pl.Series, values: pl.Series) -> pl.Series:
    return pl.select(pl.when(valid).then(values)).to_series()
