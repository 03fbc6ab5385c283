"""Where each key and value of a TOML text stands.

No maintained TOML reader tells the position of a key, so this walks the text beside the parsed document.
It expects valid TOML (tomli has read it before) and therefore checks nothing.
"""

from __future__ import annotations

import re
from typing import NamedTuple

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")
_ESCAPE = re.compile(r'\\(?:(["\\bfnrte])|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))')
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "e": "\x1b", '"': '"', "\\": "\\"}


class Place(NamedTuple):
    """Offsets into the text: the key, and the value it has."""

    key: tuple[int, int]
    value: tuple[int, int]
    is_set: bool = False
    """Whether they are in the settings of the command line instead."""


def find_places(text: str) -> dict[Path, Place]:
    """The place of every key, table and array item in `text`, by its path in the parsed document."""
    return _Walker(text).walk()


class Statement(NamedTuple):
    """A header, or a key with its value: the table it stands in, its path, and the offset where it begins."""

    table: Path
    path: Path
    start: int


def last_statement(text: str) -> Statement:
    """The last statement of a `text` that has one."""
    walker = _Walker(text)
    walker.walk()
    return walker.statement


class _Walker:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places: dict[Path, Place] = {}
        self.counts: dict[Path, int] = {}  # tables met so far in each array of tables
        self.statement = Statement((), (), 0)

    def walk(self) -> dict[Path, Place]:
        table: Path = ()
        self._skip(_BLANK)
        while (start := self.at) < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
                self.statement = Statement((), table, start)
            else:
                self.statement = Statement(table, self._pair(table), start)
            self._skip(_BLANK)
        return self.places

    def _skip(self, pattern: re.Pattern[str]) -> tuple[int, int]:
        start = self.at
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return start, self.at

    def _header(self) -> Path:
        start = self.at
        is_array = self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        names = [name for name, _ in self._dotted_key()]
        self._skip(_SPACE)
        self.at += 2 if is_array else 1
        place = Place((start, self.at), (start, self.at))
        path = (*self._resolve(names[:-1], place), names[-1])
        self.places.setdefault(path, place)
        if is_array:
            index = self.counts.get(path, -1) + 1
            self.counts[path] = index
            path = (*path, index)
            self.places[path] = place
        return path

    def _resolve(self, names: list[str], place: Place) -> Path:
        """The path of a header's parents: a name that is an array of tables stands for its newest table.

        Parents without a header of their own get the `place` of this one.
        """
        path: Path = ()
        for name in names:
            path = (*path, name)
            self.places.setdefault(path, place)
            if path in self.counts:
                path = (*path, self.counts[path])
        return path

    def _dotted_key(self) -> list[tuple[str, tuple[int, int]]]:
        parts = []
        while True:
            self._skip(_SPACE)
            if self.text[self.at] in "\"'":
                span = self._skip(_STRING)
                parts.append((_unquote(self.text[slice(*span)]), span))
            else:
                span = self._skip(_BARE_KEY)
                parts.append((self.text[slice(*span)], span))
            self._skip(_SPACE)
            if self.at >= len(self.text) or self.text[self.at] != ".":
                return parts
            self.at += 1

    def _pair(self, table: Path) -> Path:
        parts = self._dotted_key()
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        path = table
        for name, span in parts[:-1]:
            path = (*path, name)
            self.places.setdefault(path, Place(span, span))
        name, key = parts[-1]
        path = (*path, name)
        self.places[path] = Place(key, self._value(path))
        return path

    def _value(self, path: Path) -> tuple[int, int]:
        start = self.at
        opening = self.text[self.at]
        if opening == "[":
            self.at += 1
            index = 0
            while self._more("]"):
                item = (*path, index)
                span = self._value(item)
                self.places[item] = Place(span, span)
                index += 1
        elif opening == "{":
            self.at += 1
            while self._more("}"):
                self._pair(path)
        elif opening in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_SCALAR)
            return start, start + len(self.text[start : self.at].rstrip())
        return start, self.at

    def _more(self, closing: str) -> bool:
        """Move to the next item of an array or inline table; False, and past the bracket, at its end."""
        self._skip(_BLANK)
        if self.text[self.at] == ",":
            self.at += 1
            self._skip(_BLANK)
        if self.text[self.at] == closing:
            self.at += 1
            return False
        return True


def _unquote(quoted: str) -> str:
    if quoted[0] == "'":
        return quoted[1:-1]

    def character(match: re.Match[str]) -> str:
        simple, *codes = match.groups()
        return _ESCAPED[simple] if simple else chr(int(next(code for code in codes if code), 16))

    return _ESCAPE.sub(character, quoted[1:-1])
