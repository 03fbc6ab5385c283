"""Values that recipes give for columns: whether they fit, and how messages show them."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from ladle import OptionError

if TYPE_CHECKING:
    import pyarrow as pa

_CLASSES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "time": (date,),  # a datetime is a date
}


def fits(value: object, type_: str) -> bool:
    """Whether a column of this type can hold `value`."""
    if isinstance(value, bool):  # an int to Python, but no number to a reader of a recipe
        return type_ == "boolean"
    return isinstance(value, _CLASSES.get(type_, ()))


def is_missing(value: object) -> bool:
    """Whether a value is none: null, or not a number."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def check_value(value: object, column: str, type_: str, *, option: str) -> None:
    """Raise OptionError unless a column of this type can hold `value`."""
    if type_ != "any" and not fits(value, type_):
        raise OptionError(
            f"column `{column}` holds {type_}, which {shown(value)} is not",
            option=option,
            help=f"give a value of type {type_}, or name another column",
            code="value-type",
        )


def held(value: object, type_: pa.DataType) -> pa.Scalar | None:
    """The value as a column of this Arrow type holds it; None if it cannot: 300 is no 8-bit integer."""
    import pyarrow as pa

    try:
        if pa.types.is_decimal(type_):
            return pa.scalar(Decimal(str(value)), type_)
        if pa.types.is_integer(type_) or pa.types.is_floating(type_):
            return pa.scalar(value, type_)
        return pa.scalar(value).cast(type_)
    except (pa.ArrowInvalid, OverflowError):
        return None


def shown(value: object) -> str:
    """A value as messages show it: texts in quotes, and not all of a long one."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.15g}"
    if not isinstance(value, str):
        return str(value)
    return f'"{value}"' if len(value) <= 60 else f'"{value[:59]}…"'
