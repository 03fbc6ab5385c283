"""`${NAME}` in a recipe's texts: values from the environment, which are used and never written down."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import nearest
from .spans import Path

_VARIABLE = re.compile(r"\$?\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET = 4  # characters: a shorter value is in too many other words to be taken out of a message


class MissingVariableError(LookupError):
    """The environment lacks a variable; `help` says how to set it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the environment variable `{name}` is not set")
        near = nearest(name, os.environ)
        self.help = f"did you mean `{near}`?" if near else f"set it first: export {name}=…"


class Secrets:
    """The values that came from the environment, for keeping them out of what is told and written."""

    def __init__(self) -> None:
        self._written: dict[str, str] = {}

    def expand(self, text: str) -> str:
        """A text with the values of its variables; `$${` stands for `${`. Raises MissingVariableError."""

        def value(found: re.Match[str]) -> str:
            if found[0].startswith("$$"):
                return found[0][1:]
            name = found[1]
            if name not in os.environ:
                raise MissingVariableError(name)
            if len(os.environ[name]) >= _SECRET:
                self._written[os.environ[name]] = found[0]
            return os.environ[name]

        return _VARIABLE.sub(value, text)

    def redact(self, told: Any) -> Any:
        """A text, or all texts in a JSON value, with `${NAME}` in the place of values."""
        if isinstance(told, str):
            for value in sorted(self._written, key=len, reverse=True):
                told = told.replace(value, self._written[value])
            return told
        if isinstance(told, Mapping):
            return {key: self.redact(inner) for key, inner in told.items()}
        return [self.redact(inner) for inner in told] if isinstance(told, list | tuple) else told


def expand_all(value: Any, secrets: Secrets) -> Any:
    """A JSON value with the variables in all of its texts expanded. Raises MissingVariableError."""
    if isinstance(value, str):
        return secrets.expand(value)
    if isinstance(value, dict):
        return {key: expand_all(inner, secrets) for key, inner in value.items()}
    return [expand_all(inner, secrets) for inner in value] if isinstance(value, list) else value


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
