"""`${NAME}` in a recipe's texts: values from the environment, which are used and never written down."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import nearest
from .spans import Path

_VARIABLE = re.compile(r"\$\$\{|\$\{([^{}$]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = 4  # characters: a shorter value is in too many other words to be taken out of a message
_LONG = 8  # characters: a shorter one is taken out where it is a word of its own


class VariableError(LookupError):
    """A text names a variable that is none, or that the environment lacks; `help` says what to do."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.help = help


class Secrets:
    """The values that came from the environment, for keeping them out of what is told and written."""

    def __init__(self) -> None:
        self._patterns: dict[str, str] = {}
        """Texts to write instead of what patterns match."""
        self._written: dict[str, str] = {}

    def expand(self, text: str) -> str:
        """A text with the values of its variables; `$${` stands for `${`. Raises VariableError."""

        def value(found: re.Match[str]) -> str:
            return "${" if found[1] is None else self._value(found[0], found[1], is_closed=bool(found[2]))

        expanded = _VARIABLE.sub(value, text)
        if expanded != text:
            self._written[expanded] = text
        return expanded

    def written(self, value: str) -> str | None:
        """The text with variables in it that has become a value; None if none has."""
        return self._written.get(value)

    def _value(self, written: str, name: str, is_closed: bool) -> str:
        if not is_closed or not _NAME.fullmatch(name):
            message = f"`{written}` names no environment variable" if is_closed else "`${` has no `}` after it"
            raise VariableError(message, "write ${NAME} for the value of a variable, $${ for the text ${")
        if name not in os.environ:
            near = nearest(name, os.environ)
            help = f"did you mean `{near}`? If not, set it first: " if near else "set it first: "
            raise VariableError(f"the environment variable `{name}` is not set", f"{help}export {name}=…")
        value = os.environ[name]
        if len(value) >= _SECRET:
            from urllib.parse import quote, quote_plus

            forms = {value, repr(value)[1:-1], json.dumps(value)[1:-1], quote(value, safe=""), quote_plus(value)}
            for form in forms:
                pattern = re.escape(form) if len(form) >= _LONG else rf"(?<!\w){re.escape(form)}(?!\w)"
                self._patterns[pattern] = written
        return value

    def redact(self, told: Any) -> Any:
        """A text, or all texts in a JSON value, with `${NAME}` in the place of values, escaped ones included.

        Values of less than 4 characters stay, for any word may hold them; those of less than 8 are taken out where
        they are whole words.
        """
        if not self._patterns:
            return told
        if isinstance(told, str):
            for pattern in sorted(self._patterns, key=len, reverse=True):
                told = re.sub(pattern, self._patterns[pattern], told)
            return told
        if isinstance(told, Mapping):
            return {self.redact(key): self.redact(inner) for key, inner in told.items()}
        return [self.redact(inner) for inner in told] if isinstance(told, list | tuple) else told


def escaped(value: Any) -> Any:
    """A JSON value that `expand_all` makes this value of."""
    return _in_texts(value, lambda text: text.replace("${", "$${"))


def expand_all(value: Any, secrets: Secrets) -> Any:
    """A JSON value with the variables in all of its texts expanded. Raises VariableError."""
    return _in_texts(value, secrets.expand)


def _in_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _in_texts(inner, change) for key, inner in value.items()}
    return [_in_texts(inner, change) for inner in value] if isinstance(value, list) else value


def replaced(value: Any, paths: Iterable[Path], new: Callable[[Path, Any], Any]) -> Any:
    """A JSON value with others, which `new` makes of place and old value, at some of its places."""
    for path in paths:
        value = _replaced(value, path, functools.partial(new, path))
    return value


def _replaced(value: Any, path: Path, new: Callable[[Any], Any]) -> Any:
    if not path:
        return new(value)
    key, rest = path[0], path[1:]
    if isinstance(value, dict) and key in value:
        return value | {key: _replaced(value[key], rest, new)}
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return [*value[:key], _replaced(value[key], rest, new), *value[key + 1 :]]
    return value
