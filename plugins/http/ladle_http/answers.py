"""What an API answers: JSON in which rows, and the way on, are found by paths such as `data.items`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from ladle.objects import Fault, Found
from ladle.objects.strict_json import Decoder, FlawError

_SPACE = re.compile(r"[ \t\r\n]*")
_DEPTH = 4  # keys in keys, as far as rows are looked for that a path misses
_LINK = re.compile(r"""<([^<>]*)>((?:\s*;\s*[\w!#$%&'*+.^`|~-]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s",;]*))?)*)""")
_LINK_PARAMETER = re.compile(r""";\s*([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*)))?""")


class NothingThereError(LookupError):
    """A path leads nowhere: to `key`, at `before`, where there are `known` keys instead, or `what`."""

    def __init__(self, key: str, before: str, known: list[str], what: str) -> None:
        super().__init__(key)
        self.key = key
        self.before = before
        self.known = known
        self.what = what


@dataclass(frozen=True)
class Answer:
    """An answer that came whole."""

    url: str
    """What was asked in the end, redirects aside: what relative URLs in it are relative to."""
    text: str
    document: Any
    """The JSON; None of JSON lines."""
    links: str = ""
    """The header `Link`."""

    def next_link(self) -> str | None:
        """The URL of the relation `next` (RFC 8288)."""
        for url, parameters in _LINK.findall(self.links):
            found: dict[str, str] = {}
            for name, quoted, plain in _LINK_PARAMETER.findall(parameters):
                found.setdefault(name.lower(), quoted or plain)  # the first counts
            if "next" in found.get("rel", "").lower().split() and "anchor" not in found:
                return str(url)
        return None


def parsed(text: str) -> Any:
    """A JSON text, read with lenience: what is wrong within a row shall not spoil the others.

    Raises ValueError if it is none.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise ValueError("lists and objects are nested too deep") from None
    except ValueError:  # an integer of thousands of digits
        return _lenient.decode(text)


def value_at(document: Any, path: str) -> Any:
    """What is at a path of keys, and of positions in lists, with full stops between. Raises NothingThereError."""
    value = document
    keys = path.split(".")
    for place, key in enumerate(keys):
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            known = list(value) if isinstance(value, dict) else []
            raise NothingThereError(key, ".".join(keys[:place]), known, what_is(value))
    return value


def what_is(value: Any) -> str:
    """A JSON value as a message names it."""
    if isinstance(value, dict):
        return f"an object with the keys {', '.join(map(str, value))}" if value else "an object without keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return {str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")


def lists_of_objects(document: Any) -> list[str]:
    """The paths to lists that seem to be rows, the shortest first."""
    level: list[tuple[str, Any]] = [("", document)]
    found = []
    for _ in range(_DEPTH):
        level = [
            (f"{path}.{key}" if path else key, v) for path, o in level if isinstance(o, dict) for key, v in o.items()
        ]
        found += [path for path, value in level if isinstance(value, list) and value and isinstance(value[0], dict)]
    return found


def list_text(text: str, path: str | None) -> str:
    """The text of the list at a path of a valid JSON text; of null, that of an empty list."""
    at = _skip(text, 0)
    if path is None:
        found = text[at:].rstrip()
    else:
        for key in path.split("."):
            at = _child(text, at, key)
        found = text[at : _value(text, at)[1]]
    return "[]" if found == "null" else found


def rows_of_list(text: str) -> Iterator[Found | Fault]:
    """The elements of a list, a valid JSON text; `line` counts them from 1."""
    decoder = Decoder()
    at = _skip(text, 1)
    for number in count(1):
        if text.startswith("]", at):
            return
        row: dict[str, Any] = {}
        fault = None
        try:
            row, end = decoder.object_at(text, at)
        except FlawError as flaw:
            fault, end = (flaw.rule, str(flaw)), flaw.end
        except ValueError:
            fault, end = ("integer-too-large", "an integer has thousands of digits"), _value(text, at)[1]
        raw = text[at:end].encode()
        yield Fault(*fault, number, None, raw) if fault else Found(row, number, None, raw)
        at = _after(text, end)


def rows_of_lines(text: str) -> Iterator[Found | Fault]:
    """The objects of JSON lines; lines count from 1."""
    decoder = Decoder()
    for number, line in enumerate(text.split("\n"), 1):
        if stripped := line.strip(" \t\r"):
            raw = line.removesuffix("\r").encode()
            try:
                yield Found(decoder.object_of(stripped), number, None, raw)
            except FlawError as flaw:
                yield Fault(flaw.rule, str(flaw), number, None, raw)


def _integer(text: str) -> float:
    return int(text) if len(text) <= 4000 else math.inf


_plain = json.JSONDecoder()
_lenient = json.JSONDecoder(parse_int=_integer)  # slower


def _value(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at a place of a valid JSON text, and where it ends."""
    try:
        return _plain.raw_decode(text, at)
    except ValueError:  # an integer of thousands of digits
        return _lenient.raw_decode(text, at)


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _after(text: str, end: int) -> int:
    """Where what follows a value begins: the next one, or the end of the list or object."""
    at = _skip(text, end)
    return _skip(text, at + 1) if text.startswith(",", at) else at


def _child(text: str, at: int, key: str) -> int:
    """Where the value of a key begins, or of a position, in the object or list that begins at a place."""
    is_list = text.startswith("[", at)
    found = at
    at = _skip(text, at + 1)
    for position in count():
        if text.startswith(("]", "}"), at):
            return found
        if is_list:
            is_it = position == int(key)
        else:
            name, at = _value(text, at)
            at = _skip(text, _skip(text, at) + 1)  # after the colon
            is_it = name == key  # of a key that is given twice, the last counts
        found = at if is_it else found
        at = _after(text, _value(text, at)[1])
    return found
