"""Texts as values of a type: what a type takes, which type a column has, and whole columns at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

TextType = Literal["text", "integer", "number", "boolean", "time"]

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_TRUE, _FALSE = ("true", "t", "yes", "y", "on", "1"), ("false", "f", "no", "n", "off", "0")

# Narrower than what a type takes: whoever writes 007, +49 or 30 digits means no number, but a code.
_GUESS_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_GUESS_NUMBER = re.compile(
    r"-?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|(?:0|[1-9][0-9]{0,14})(?=$|[eE]))(?:[eE][+-]?[0-9]+)?"
)

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1


class NoSuchValueError(Exception):
    """A text, or a JSON value, is no value of a type."""

    def __init__(self, rule: str, value: object, why: str) -> None:
        super().__init__(f"{shown(value)} {why}")
        self.rule = rule


def shown(value: object) -> str:
    """A value as messages show it: a text in quotes, all else as JSON, and not all of a long one."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text if len(text) <= 60 else f"{text[:59]}…"
    return f'"{text}"' if isinstance(value, str) else text


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        if _NUMBER.fullmatch(text):
            raise NoSuchValueError("fractional-integer", text, "is a number, but no integer")
        raise NoSuchValueError("bad-integer", text, "is no integer")
    if len(text) > 4000 or not MIN_INTEGER <= (value := int(text)) <= MAX_INTEGER:
        raise NoSuchValueError("integer-too-large", text, "is outside of the 64 bits of an integer")
    return value


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
            raise NoSuchValueError("not-finite", text, "is not finite, and so no number")
        raise NoSuchValueError("bad-number", text, "is no number")
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise NoSuchValueError("not-finite", text, "is larger than any number")
    return value


def _boolean(text: str) -> bool:
    if (word := text.lower()) not in _TRUE + _FALSE:
        raise NoSuchValueError("bad-boolean", text, "is no boolean (such as true, false, yes, no, 1, 0)")
    return word in _TRUE


def time_of(text: str) -> datetime:
    """A time in ISO 8601, to the microsecond; one with an offset becomes UTC. Raises NoSuchValueError if it is none."""
    if not _TIME.fullmatch(text):
        raise NoSuchValueError("bad-time", text, "is no time in ISO 8601 (such as 2024-05-31 or 2024-05-31T16:45:00)")
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise NoSuchValueError("bad-time", text, "is a time that no calendar has") from None


_READ: dict[str, Callable[[str], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "time": time_of,
}


def guess(texts: Sequence[str], missing: frozenset[str]) -> TextType:
    """The narrowest type that takes all of the texts; text for none, and for what looks like codes."""
    values = {text.strip() for text in set(texts) - missing} - missing
    if not values:
        return "text"
    if all(_GUESS_INTEGER.fullmatch(value) and MIN_INTEGER <= int(value) <= MAX_INTEGER for value in values):
        return "integer"
    if all(_GUESS_NUMBER.fullmatch(value) and _takes(_number, value) for value in values):
        return "number"
    if all(value in ("true", "false", "True", "False", "TRUE", "FALSE") for value in values):
        return "boolean"
    if all(_takes(time_of, value) for value in values):
        return "time"
    return "text"


def _takes(read: Callable[[str], Any], text: str) -> bool:
    try:
        read(text)
    except NoSuchValueError:
        return False
    return True


def value_of(text: str, type_: TextType, missing: frozenset[str]) -> Any:
    """A text as a value of a type; None if it is in `missing`. Raises NoSuchValueError if it is no such value.

    Spaces around a value that is not text do not count.
    """
    if text in missing:
        return None
    if type_ == "text":
        return text
    stripped = text.strip()
    return None if stripped in missing else _READ[type_](stripped)


def column(
    texts: Sequence[str], type_: TextType, missing: frozenset[str]
) -> tuple[pa.Array, dict[int, NoSuchValueError]]:
    """A column of texts as an Arrow array of a type; where a text is no such value, null and the fault.

    A text that is in `missing` is null. Spaces around a value that is not text do not count.
    """
    import pyarrow as pa

    from ladle.rows import arrow_type

    if type_ == "text":
        present = texts if missing.isdisjoint(texts) else [None if text in missing else text for text in texts]
        return pa.array(present, pa.string()), {}
    if (quick := _quick(texts, type_, missing)) is not None:
        return quick, {}
    values: list[Any] = []
    faults: dict[int, NoSuchValueError] = {}
    for row, text in enumerate(texts):
        value = None
        try:
            value = value_of(text, type_, missing)
        except NoSuchValueError as fault:
            faults[row] = fault
        values.append(value)
    return pa.array(values, arrow_type(type_)), faults


_QUICK = {
    "integer": r"\A-?[0-9]+\z",
    "number": r"\A-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\z",
    "time": r"\A[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?)?\z",
}


def _quick(texts: Sequence[str], type_: TextType, missing: frozenset[str]) -> pa.Array | None:
    """The column by Arrow, if every value is written in a way that Arrow reads as we do."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from ladle.rows import arrow_type

    if type_ not in _QUICK:
        return None
    present = texts if missing.isdisjoint(texts) else [None if text in missing else text for text in texts]
    array = pa.array(present, pa.string())
    if pc.all(pc.match_substring_regex(array, _QUICK[type_])).as_py() is False:
        return None
    try:
        values = array.cast(arrow_type(type_))
    except pa.ArrowInvalid:
        return None
    is_finite = type_ != "number" or pc.all(pc.is_finite(values)).as_py() is not False
    return values if is_finite else None
