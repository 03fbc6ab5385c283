"""Collecting a recipe's problems, each with the place in the TOML text that it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from ..errors import OptionError, Problem, Span, did_you_mean, nearest
from .environment import Secrets
from .spans import Path, Place, find_places

_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text in quotes",
    "bool_type": "true or false",
    "list_type": "a list in brackets",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "path_type": "a path in quotes",
    "is_instance_of": "a path in quotes",  # no other option has a class without a form in TOML
}
_BOUNDS = {
    "finite_number": "a finite number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "a length of at least {min_length}",
    "too_long": "a length of at most {max_length}",
    "string_too_short": "at least {min_length} characters long",
    "string_too_long": "at most {max_length} characters long",
}


class Problems:
    """The problems of one recipe, and where in its text they are."""

    def __init__(self, file: str, text: str, settings: Sequence[str] = ()) -> None:
        self.file = file
        self.text = text
        self.settings = "\n".join(settings).encode(errors="replace").decode()  # to be shown, whatever they are
        self.places: dict[Path, Place] = {}
        self.found: list[Problem] = []
        self.secrets = Secrets()
        self._settled: set[Path] = set()

    def afresh(self) -> Problems:
        """The same recipe with no problem noted yet."""
        other = Problems(self.file, self.text)
        other.settings, other.places, other.secrets = self.settings, self.places, self.secrets
        return other

    def index(self) -> None:
        """Find the places of all keys: once the text is known to be valid TOML."""
        self.places = find_places(self.text)

    def add(
        self,
        code: str,
        message: str,
        help: str = "",
        at: Path = (),
        on: Literal["key", "value"] = "key",
        severity: str = "error",
    ) -> None:
        """Note a problem with the key or value at a path (or what encloses it, where the path has no place)."""
        while at and at not in self.places:
            at = at[:-1]
        if at in self._settled:
            return
        message, help = self.secrets.redact(message), self.secrets.redact(help)
        span = self.span(getattr(self.places[at], on), self.places[at].is_set) if at else self.span((0, 1))
        problem = Problem(code, message, help, span, severity)
        if problem not in self.found:
            self.found.append(problem)

    def settle(self, at: Path) -> None:
        """Note nothing more about a place: what is wrong there is told, and the rest would only follow from it."""
        self._settled.add(at)

    def span(self, offsets: tuple[int, int], is_set: bool = False) -> Span:
        """A piece of the recipe, or of the settings, as a place in its line."""
        start, end = offsets
        file, text = ("--set", self.settings) if is_set else (self.file, self.text)
        number = text.count("\n", 0, start) + 1
        column = start - (text.rfind("\n", 0, start) + 1) + 1
        line = text.split("\n")[number - 1].removesuffix("\r")  # TOML has no other end of line
        return Span(file, number, column, min(end - start, max(1, len(line) - column + 1)), line)

    def line_of(self, at: Path) -> str:
        """Where another value is that a message names."""
        place = self.places[at]
        span = self.span(place.value, place.is_set)
        return f"--set {span.line}" if place.is_set else f"line {span.line}"

    def add_syntax_error(self, reason: str, line: int, column: int) -> None:
        """Note that the text is no TOML from a place on."""
        from .syntax import explain

        mistake = explain(self.text, reason, line, column)
        span = self.span((mistake.start, mistake.start + mistake.length))
        self.found.append(Problem("syntax", mistake.message, mistake.help, span))

    def add_setting_error(self, message: str, help: str, offsets: tuple[int, int]) -> None:
        """Note that a setting of the command line names nothing."""
        self.found.append(Problem("setting", message, help, self.span(offsets, is_set=True)))

    def add_option_error(self, error: OptionError, at: Path) -> None:
        """Note what a component says of its own options."""
        place = (*at, *error.path)
        if not error.path and (*at, "use") in self.places:
            place = (*at, "use")
        self.add(error.code, str(error), error.help, self._item(place, error.item) or place, "value")

    def _item(self, place: Path, item: str) -> Path | None:
        """The path of an item of the list of texts at `place`."""
        number = 0
        while (*place, number) in self.places:
            if item and self._text_at((*place, number)).strip("\"'") in (item, self.secrets.redact(item)):
                return (*place, number)
            number += 1
        return None

    def _text_at(self, at: Path) -> str:
        place = self.places[at]
        return (self.settings if place.is_set else self.text)[slice(*place.value)]

    def add_plugin_error(self, error: Exception, use: str, at: Path) -> None:
        """Note that a component fails where it has only been asked about its options.

        In a table whose mistakes are told, it only follows from them.
        """
        if any(at[:length] in self._settled for length in range(1, len(at) + 1)):
            return
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        help = "this is a fault of the plugin; tell its author"
        self.add("plugin", f"`{use}` failed while the recipe was checked: {what}", help, (*at, "use"), "value")

    def add_validation_error(self, error: ValidationError, model: type[BaseModel], at: Path) -> None:
        """Note what pydantic says of a table that should have become a `model`."""
        expected: dict[Path, dict[str, Any]] = {}
        for detail in error.errors(include_url=False):
            place = self._place(at, detail["loc"])
            kind, context = detail["type"], detail.get("ctx", {})
            inner = _model_at(model, detail["loc"][:-1])
            if kind == "extra_forbidden":
                known = _options(inner)
                name = str(detail["loc"][-1])
                help = did_you_mean(name, known, "the options are")
                self.add("unknown-key", f"unknown key `{name}`", help, place)
            elif kind == "missing":
                name = str(detail["loc"][-1])
                self.add(
                    "missing-key",
                    f"the key `{name}` is missing",
                    _describe(_model_at(model, detail["loc"][:-1]), name),
                    place,
                )
            elif isinstance(cause := context.get("error"), OptionError):
                self.add_option_error(cause, place)
            elif kind == "literal_error":
                given, allowed = str(detail["input"]), re.findall(r"'([^']*)'", context["expected"])
                near = nearest(given, allowed) if len(given) > 3 else None  # who writes "gpu" does not mean "cpu"
                help = f"did you mean `{near}`?" if near else ""
                self.add(
                    "value", f"{self._show(detail['input'])} is not one of {context['expected']}", help, place, "value"
                )
            elif kind in _TYPES:
                expected.setdefault(place, {})[_TYPES[kind]] = detail["input"]
            elif kind in _BOUNDS:
                bound = _BOUNDS[kind].format(**{name: _plain(value) for name, value in context.items()})
                shown = self._show(detail["input"])
                self.add("value", f"{shown} is out of range: expected {bound}", "", place, "value")
            else:
                self.add("value", detail["msg"].removeprefix("Value error, "), "", place, "value")
        for place, types in expected.items():
            found = (_shorten(self._text_at(place)) if place in self.places else "this") or "nothing"
            help = self._help_with_type(place, types)
            self.add("type", f"expected {' or '.join(types)}, found {found}", help, place, "value")

    def _help_with_type(self, place: Path, types: Mapping[str, Any]) -> str:
        """What may have been meant with a value of another type than these, where that is not plain to see."""
        written = self._text_at(place) if place in self.places else ""
        is_text = all(isinstance(value, str) for value in types.values())
        if is_text and "${" in written:
            return "what comes from the environment is a text; give other values with --set"
        if not written or not self.places[place].is_set:
            return ""
        if is_text and written.startswith(("[", "{")):
            return "TOML cannot read it, so it is a text: are there quotes around each text?"
        wants_text = any("in quotes" in wanted for wanted in types)
        return f"for a text write quotes that the shell leaves: '…=\"{written}\"'" if wants_text else ""

    def _show(self, value: Any) -> str:
        value = self.secrets.redact(value)  # before it is cut
        return _shorten(f'"{value}"' if isinstance(value, str) else str(value))

    def _place(self, at: Path, location: tuple[str | int, ...]) -> Path:
        """The path of an error: pydantic adds the names of union members, which are no keys of the text."""
        place = at
        for part in location:
            if (*place, part) in self.places:
                place = (*place, part)
        return place


def _model_at(model: type[BaseModel], location: tuple[str | int, ...]) -> type[BaseModel]:
    """The model of the table at `location` in a `model`: where it may be one of several, pydantic names which."""
    choices: list[type[BaseModel]] = []
    for part in location:
        if named := [choice for choice in choices if choice.__name__ == part]:
            model = named[0]
        elif field := next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None):
            choices = _nested_models(field.annotation)
            model = choices[0] if choices else model
    return model


def _options(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _nested_models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _nested_models(argument)]


def _describe(model: type[BaseModel], name: str) -> str:
    field = next((f for n, f in model.model_fields.items() if name in (n, f.alias)), None)
    return f"`{name}`: {field.description}" if field and field.description else ""


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _shorten(text: str, width: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def check_keys(problems: Problems, table: Mapping[str, Any], known: list[str], at: Path) -> None:
    """Note the keys of a table that ladle does not know."""
    for key in table:
        if key not in known:
            problems.add(
                "unknown-key", f"unknown key `{key}`", did_you_mean(key, known, "the keys here are"), (*at, key)
            )
