"""Rows from a JSON document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from ladle import OptionError
from ladle.errors import did_you_mean
from ladle.objects import Fault, Found
from ladle.objects.strict_json import Decoder, FlawError

from .blocks import opened
from .object_source import ObjectSource
from .packing import damage_of

_SPACE = re.compile(r"[ \t\r\n]*")


class Json(ObjectSource):
    """Read a JSON document: an array of objects, or an object that has one under a key.

    The whole document is held in memory, also to look into it; for large data use JSON lines. Columns and types are
    found as `jsonl` finds them, and elements of the array are rejected for the same reasons. A document that is not
    valid JSON from its start to the end of the array, or not all of the encoding, cannot be read: that is an error.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    at: str | None = Field(
        default=None, description="The key that holds the array, where the document is an object and not an array."
    )

    def objects(self, path: Path) -> Iterator[Found | Fault]:
        name = self.name_of(path)
        with opened(path, name, self.encoding) as (stream, coding):
            stream.read(coding.bom)
            text, is_right = coding.decode(stream.read())
            damage = damage_of(stream)
        if damage:
            raise OptionError(f"cannot read {name}: {damage}", option="path", help="is the file whole?")
        if not is_right:
            raise OptionError(f"{name} is not all {coding.encoding}", option="encoding", help="name its encoding")
        offset, line, measured = coding.bom, 1, 0
        for value, start, end in _Document(text, name, self.at).elements():
            offset += len(text[measured:start].encode(coding.encoding))
            line += text.count("\n", measured, start)
            measured = start
            raw = text[start:end].encode(coding.encoding)
            if isinstance(value, FlawError):
                yield Fault(value.rule, str(value), line, offset, raw)
            elif isinstance(value, dict):
                yield Found(value, line, offset, raw)
            else:
                yield Fault("not-an-object", "the element of the array is no object", line, offset, raw)


class _Document:
    """A JSON text whose array is walked through."""

    def __init__(self, text: str, name: str, key: str | None) -> None:
        self.text = text
        self.name = name
        self.key = key
        self.decoder = Decoder()

    def elements(self) -> Iterator[tuple[Any, int, int]]:
        """The values in the array, or what is wrong with one, with the places where they begin and end."""
        start = self._skip(0)
        if self.key is not None:
            start = self._find(start, self.key)
        elif self.text.startswith("{", start):
            arrays = [key for key, at in self._members(start) if self.text.startswith("[", at)]
            help = f'name the key that holds it: at = "{arrays[0]}"' if arrays else "none of its keys holds an array"
            raise OptionError(f"{self.name} is an object, not an array of objects", option="path", help=help)
        if not self.text.startswith("[", start):
            what = f"the key `{self.key}` of {self.name} holds" if self.key is not None else f"{self.name} is"
            raise OptionError(f"{what} no array of objects", option="path" if self.key is None else "at")
        at = self._skip(start + 1)
        while not self.text.startswith("]", at):
            value, end = self._value(at)
            yield value, at, end
            after = self._skip(end)
            if self.text.startswith("]", after):
                at = after
                break
            at = self._skip(self._expect(",", after))
            if self.text.startswith("]", at):
                raise self._error("a comma, but no value after it", at)
        if self.key is None and (rest := self._skip(at + 1)) < len(self.text):
            raise self._error("something follows the array", rest)

    def _find(self, start: int, key: str) -> int:
        keys = []
        for found, at in self._members(start):
            if found == key:
                return at
            keys.append(found)
        raise OptionError(f"{self.name} has no key `{key}`", option="at", help=did_you_mean(key, keys, "its keys are"))

    def _members(self, start: int) -> Iterator[tuple[str, int]]:
        """The keys of the object that begins at a place, and where their values begin."""
        if not self.text.startswith("{", start):
            raise OptionError(f"{self.name} is no object", option="at", help="leave `at` out, if it is an array")
        at = self._skip(start + 1)
        while not self.text.startswith("}", at):
            if not self.text.startswith('"', at):
                raise self._error("expected a key in quotes", at)
            key, at = self._value(at)
            at = self._skip(self._expect(":", self._skip(at)))
            yield str(key), at
            at = self._skip(self._value(at)[1])
            if not self.text.startswith("}", at):
                at = self._skip(self._expect(",", at))

    def _skip(self, at: int) -> int:
        space = _SPACE.match(self.text, at)
        return space.end() if space else at

    def _expect(self, mark: str, at: int) -> int:
        if not self.text.startswith(mark, at):
            raise self._error(f"expected `{mark}`", at)
        return at + 1

    def _value(self, at: int) -> tuple[Any, int]:
        try:
            return self.decoder.value_at(self.text, at)
        except FlawError as fault:
            return fault, fault.end
        except json.JSONDecodeError as error:
            raise self._error(error.msg, error.pos) from None
        except (RecursionError, ValueError):
            raise self._error("a value is nested too deep, or has thousands of digits", at) from None

    def _error(self, what: str, at: int) -> OptionError:
        line = self.text.count("\n", 0, at) + 1
        column = at - self.text.rfind("\n", 0, at)
        return OptionError(
            f"{self.name} is no valid JSON: {what} (line {line}, column {column})",
            option="path",
            help='mend the file; if each of its lines is an object, `use = "jsonl"`',
        )
