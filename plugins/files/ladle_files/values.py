"""Texts as values of a type: what a type takes, and which type a column has."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from ladle.objects.values import MAX_INTEGER, MIN_INTEGER, NoSuchValueError, time_of

TextType = Literal["text", "integer", "number", "boolean", "time"]

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TRUE, _FALSE = ("true", "t", "yes", "y", "on", "1"), ("false", "f", "no", "n", "off", "0")

# Narrower than what a type takes: whoever writes 007, +49 or 30 digits means no number, but a code.
_GUESS_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_GUESS_NUMBER = re.compile(
    r"-?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|(?:0|[1-9][0-9]{0,14})(?=$|[eE]))(?:[eE][+-]?[0-9]+)?"
)


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
