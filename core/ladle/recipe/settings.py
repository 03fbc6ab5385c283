"""`--set train.0.epochs=1`: values from the command line in the places of a recipe's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import tomli

from ..errors import did_you_mean
from .problems import Problems
from .spans import Path, Place, find_places

_STEP = re.compile(r'\s*(?:"([^"]*)"|\'([^\']*)\'|([^.=\s](?:[^.=]*[^.=\s])?))\s*')


def apply(settings: Sequence[str], document: dict[str, Any], problems: Problems) -> None:
    """Set values in a parsed recipe; what cannot be set is noted as a problem."""
    start = 0
    for setting in settings:
        _Setting(setting, start, document, problems).apply()
        start += len(setting) + 1  # they are shown as the lines of one text


class _Setting:
    def __init__(self, text: str, start: int, document: dict[str, Any], problems: Problems) -> None:
        self.text = text
        self.start = start
        self.document = document
        self.problems = problems

    def apply(self) -> None:
        try:
            self.text.encode()
        except UnicodeEncodeError as error:  # bytes of another encoding on the command line
            self._problem("this is not UTF-8", "", (error.start, error.end))
            return
        steps, equals = self._steps()
        if not steps:
            self._problem("expected a key, `=` and a value", "write --set train.0.epochs=1", (0, len(self.text) or 1))
            return
        path: Path = ()
        holder: Any = self.document
        for number, (name, span) in enumerate(steps):
            is_last = number == len(steps) - 1
            key = self._find(holder, name, span, is_last)
            if key is None:
                return
            path = (*path, key)
            if is_last:
                self._set(holder, path, span, equals + 1)
            else:
                holder = holder[key]

    def _steps(self) -> tuple[list[tuple[str, tuple[int, int]]], int]:
        """The steps to the value with where they stand, and where the equals sign does."""
        steps, at = [], 0
        while found := _STEP.match(self.text, at):
            name = found.lastindex or 0
            steps.append((found[name], found.span(name)))
            at = found.end() + 1
            if self.text[at - 1 : at] == "=":
                return steps, at - 1
            if self.text[at - 1 : at] != ".":
                break
        return [], len(self.text)

    def _find(self, holder: Any, name: str, span: tuple[int, int], is_last: bool) -> str | int | None:
        """The key of a table, or the place in a list, that a step names; None with a problem noted."""
        if isinstance(holder, dict):
            if name in holder or is_last:
                return name
            known = list(holder)
        elif isinstance(holder, list) and holder:
            numbers = list(map(str, range(len(holder))))
            if name in numbers:
                return int(name)
            entries = [entry if isinstance(entry, dict) else {} for entry in holder]
            found = [number for number, entry in enumerate(entries) if entry.get("name") == name]
            found = found or [number for number, entry in enumerate(entries) if name in _uses(entry)]
            if len(found) == 1:
                return found[0]
            if found:
                help = f"write the number of one: {', '.join(map(str, found))}"
                self._problem(f"{len(found)} tables here use `{name}`", help, span)
                return None
            names = [name for entry in entries for name in (entry.get("name"), *_uses(entry)) if isinstance(name, str)]
            known = [*numbers, *dict.fromkeys(names)]
        else:
            known = []
        self._problem(f"there is no `{name}` here", did_you_mean(name, known, "there are"), span)
        return None

    def _set(self, holder: Any, path: Path, key: tuple[int, int], at: int) -> None:
        at += len(self.text[at:]) - len(self.text[at:].lstrip())
        value, places = _read(self.text[at:].rstrip())
        holder[path[-1]] = value
        known = self.problems.places
        for old in [other for other in known if other[: len(path)] == path]:
            del known[old]
        whole = (0, len(self.text[at:].rstrip()) or 1)
        known[path] = Place(self._moved(key, 0), self._moved(whole, at), is_set=True)
        for inner, place in places.items():
            key, value = (self._moved(span, at - len("_=")) for span in (place.key, place.value))
            known[(*path, *inner)] = Place(key, value, is_set=True)

    def _moved(self, span: tuple[int, int], by: int) -> tuple[int, int]:
        return self.start + by + span[0], self.start + by + span[1]

    def _problem(self, message: str, help: str, span: tuple[int, int]) -> None:
        self.problems.add_setting_error(message, help, self._moved(span, 0))


def _uses(entry: dict[str, Any]) -> list[str]:
    """What a table uses, with its package where it is written, and without."""
    use = entry.get("use")
    return list({use, use.rpartition(":")[2]}) if isinstance(use, str) else []


def _read(text: str) -> tuple[Any, dict[Path, Place]]:
    """A value as TOML reads it, with the places of what is in it; what TOML cannot read is a text."""
    line = f"_={text}"
    try:
        document = tomli.loads(line)
    except (ValueError, RecursionError):
        return text, {}
    if list(document) != ["_"]:
        return text, {}
    return document["_"], {path[1:]: place for path, place in find_places(line).items() if len(path) > 1}
