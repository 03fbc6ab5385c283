"""JSON by the letter of RFC 8259: no NaN, no key twice in an object, no half characters, bounded depth."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

MAX_DEPTH = 64
_HALF_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class FlawError(Exception):
    """A value that is not to be read; where it ends is known, so that reading can go on after it."""

    def __init__(self, rule: str, reason: str, end: int) -> None:
        super().__init__(reason)
        self.rule = rule
        self.end = end


class Decoder:
    """Reads JSON values."""

    def __init__(self) -> None:
        self._flaw: tuple[str, str] | None = None
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_constant=self._constant)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for place, key in enumerate(keys) if key in keys[:place])
            self._flaw = ("duplicate-key", f"the key `{twice}` is given twice in one object")
        return found

    def _constant(self, name: str) -> None:
        self._flaw = ("not-finite", f"{name} is no JSON value")

    def value_at(self, text: str, at: int) -> tuple[Any, int]:
        """The value that begins at a place of a text, and where it ends.

        Raises FlawError for a value that is complete but not to be read, ValueError (its subclass JSONDecodeError
        with a place) or RecursionError where there is no whole value.
        """
        self._flaw = None
        value, end = self._decoder.raw_decode(text, at)
        if _is_deeper(value, MAX_DEPTH):
            self._flaw = ("too-deep", f"lists and objects are nested more than {MAX_DEPTH} deep")
        elif _HALF_ESCAPE.search(text, at, end) and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
            self._flaw = ("half-character", "an escape such as \\ud83d is only half of a character")
        if self._flaw:
            raise FlawError(*self._flaw, end)
        return value, end

    def object_at(self, text: str, at: int) -> tuple[dict[str, Any], int]:
        """The object that begins at a place of a text, and where it ends.

        Raises what `value_at` raises, FlawError also for a value that is no object.
        """
        value, end = self.value_at(text, at)
        if not isinstance(value, dict):
            raise FlawError("not-an-object", "valid JSON, but no object", end)
        return value, end

    def object_of(self, text: str) -> dict[str, Any]:
        """The object that is all of a text. Raises FlawError if there is none, or it is not to be read."""
        try:
            value, end = self.object_at(text, 0)
        except json.JSONDecodeError as error:
            raise FlawError("invalid-json", f"no valid JSON: {error.msg} (character {error.pos + 1})", 0) from None
        except RecursionError:
            raise FlawError("too-deep", "lists and objects are nested too deep", 0) from None
        except ValueError:
            raise FlawError("integer-too-large", "an integer has thousands of digits", 0) from None
        if end != len(text):
            raise FlawError("invalid-json", f"no valid JSON: something follows the value (character {end + 1})", end)
        return value


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value
