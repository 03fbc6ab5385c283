"""Single values of one type as values of another, None where there is no such value: as `parsing` does for columns."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from typing import Any

TRUE = ["true", "t", "yes", "y", "on", "1"]
FALSE = ["false", "f", "no", "n", "off", "0"]

_SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


def numeral(decimal: str, thousands: str) -> str:
    """What numbers with these separators look like (3. and .5 are some): a regular expression of Python and of Rust."""
    point, comma = re.escape(decimal), re.escape(thousands)
    grouped = rf"[0-9]{{1,3}}(?:{comma}[0-9]{{3}})+|" if thousands else ""
    return rf"[+-]?(?:{grouped}[0-9]*)(?:{point}[0-9]*)?(?:[eE][+-]?[0-9]+)?"


def from_text(text: str, type_: str, decimal: str, thousands: str) -> int | float | bool | None:
    """A text as an integer, number or boolean."""
    text = text.strip(_SPACE)
    if type_ == "boolean":
        word = text.lower()
        return word in TRUE if word in TRUE + FALSE else None
    if not re.fullmatch(numeral(decimal, thousands), text):
        return None
    digits = (text.replace(thousands, "") if thousands else text).replace(decimal, ".")
    try:
        if type_ == "integer":
            return _as_integer(int(re.sub(r"\.0*$", "", digits)))
        return _as_finite(float(digits))
    except ValueError:
        return None


def from_other(value: Any, type_: str) -> Any:
    """A value that is no text as an integer, number, boolean or time."""
    if type_ == "time":
        return _as_moment(value)
    if type_ == "number":
        return float(value)
    if type_ == "boolean":
        return value == 1 if value in (0, 1) else None
    return _as_integer(int(value)) if math.isfinite(value) and value == math.floor(value) else None


def _as_integer(value: int) -> int | None:
    return value if _SMALLEST <= value <= _LARGEST else None


def _as_finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _as_moment(value: date) -> datetime:
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
