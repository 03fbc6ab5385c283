"""A component's table as one could begin to write it: needed options filled in, all others commented out."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from math import ceil
from typing import Any

from pydantic.fields import FieldInfo

from ..components import Component
from ..options import DataReference, Usual, marked
from ..registry import CALLED
from ..schema import option_schema

NAME = "NAME"
"""Stands for a name that the reader chooses."""
UNKNOWN = "…"
"""Stands for a text that the reader has to fill in."""

_WIDTH = 100  # columns of a line
_OF_TABLES = (*CALLED, "split")
_COMMENT = 32  # the column in which comments on options begin
_BEGINNING = re.compile(r".*?(?:[.;](?=\s)|$)", re.DOTALL)  # of a description
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def example(
    component: type[Component],
    use: str,
    data: str = NAME,
    values: Mapping[str, Any] | None = None,
    notes: Mapping[str, str] | None = None,
    is_short: bool = False,
) -> str:
    """A TOML table that uses a component, with a comment on every option.

    `values` are options to set; others that are needed get a value that shows what goes there. The rest follows,
    commented out, with its default: such lines begin with `#` and no space, so that taking it off sets the option.
    `notes` take the place of options' descriptions, of which a short table has the beginning only. `data` is the name
    of the data set that the table belongs to.
    """
    values, notes = values or {}, notes or {}
    schema = option_schema(component)
    fields = {field.alias or name: field for name, field in component.model_fields.items()}
    lines = [*prose(component.summary()), header(component.kind, data), f"use = {toml(use)}"]
    options = schema.get("properties", {})
    is_set = {name: name in values or name in schema.get("required", ()) for name in options}
    for name in sorted(options, key=is_set.__getitem__, reverse=True):
        about = options[name]
        value = values[name] if name in values else _shown(about, schema.get("$defs", {}), fields[name], data)
        note = notes.get(name) or _described(about, is_set[name] or "default" in about, is_short)
        lines += option(name, value, note, is_set[name])
    return "\n".join(lines) + "\n"


def header(kind: str, data: str = NAME) -> str:
    """The header of the table for a component of a kind, or for a split; a comment for one that an option holds."""
    if kind not in _OF_TABLES:
        return f"# in an option that holds a {kind}:"
    if kind in ("trainer", "technique"):
        return "[[train]]" if kind == "trainer" else "[[train.technique]]"
    path = f"data.{_key(data)}.{kind}"
    return f"[{path}]" if kind in ("source", "split") else f"[[{path}]]"


def option(name: str, value: Any, note: str = "", is_set: bool = True) -> list[str]:
    """The lines that set an option, or would if they were no comment, with a note beside."""
    lines = _assignment(name, value, "    " if is_set else "")
    lines = lines if is_set else [f"#{line}" for line in lines]
    wrapped = _wrapped(note, _WIDTH - _COMMENT - 2)
    if wrapped and len(lines[-1]) < _COMMENT:
        lines[-1] = f"{lines[-1]:<{_COMMENT}}# {wrapped.pop(0)}"
    return lines + [" " * _COMMENT + f"# {line}" for line in wrapped]


def prose(text: str) -> list[str]:
    """A text as comment lines."""
    return [f"# {line}" for line in _wrapped(text, _WIDTH - 2)]


def toml(value: Any) -> str:
    """A JSON value as TOML writes it in one line; without nulls, which TOML has not."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(toml(item) for item in value if item is not None)}]"
    if isinstance(value, dict):
        inside = ", ".join(f"{_key(name)} = {toml(item)}" for name, item in value.items() if item is not None)
        return f"{{ {inside} }}" if inside else "{}"
    return repr(value)


def _assignment(name: str, value: Any, indent: str) -> list[str]:
    """`name = value`, a list that is too long on several lines."""
    line = f"{_key(name)} = {toml(value)}"
    if len(line) < _WIDTH or not isinstance(value, list):
        return [line]
    lines = [f"{_key(name)} = ["]
    for item in value:
        if len(lines) == 1 or len(lines[-1]) + len(toml(item)) + 2 >= _WIDTH:
            lines.append(f"{indent}{toml(item)},")
        else:
            lines[-1] += f" {toml(item)},"
    return [*lines, "]"]


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else toml(name)


def _wrapped(text: str, width: int) -> list[str]:
    printable = "".join(c if c.isprintable() else " " for c in text)
    return textwrap.wrap(printable, width, break_long_words=False, break_on_hyphens=False)


def _described(about: dict[str, Any], has_default: bool, is_short: bool) -> str:
    text = about.get("description", "")
    if is_short:
        text = f"{_BEGINNING.findall(text)[0].rstrip('.;')}." if text else ""
    choices = [toml(choice) for choice in about.get("enum", ())]
    if not all(choice.strip('"') in text for choice in choices):
        text = f"{text.removesuffix('.')} ({', '.join(choices)}).".lstrip()
    return text if has_default else f"{text} Not set by default.".lstrip()


def _shown(about: dict[str, Any], parts: dict[str, Any], field: FieldInfo, data: str) -> Any:
    """The default of an option, or a value that shows what it takes."""
    if "default" in about:
        return about["default"]
    if marked(field.metadata, DataReference):
        return data
    for usual in marked(field.metadata, Usual):
        if about.get("type") in ("integer", "number"):
            middle = (usual.low * usual.high) ** 0.5 if usual.low > 0 else usual.high / 2
            rounded = float(f"{middle:.1g}")
            return ceil(rounded) if about["type"] == "integer" else rounded
    return _filled(about, parts)


def _filled(about: dict[str, Any], parts: dict[str, Any]) -> Any:
    """A value of the kind that a schema asks for: the first of its examples, of its choices, or the least."""
    if "uses" in about:
        return _held(about["uses"])
    if examples := about.get("examples") or about.get("enum"):
        return examples[0]
    if "$ref" in about:
        name = about["$ref"].rpartition("/")[2]
        others = {other: part for other, part in parts.items() if other != name}  # or there may be no end to it
        return _filled(parts.get(name, {}), others)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in about:
            return _filled(about[key][0], parts)
    known = [about[key] for key in ("const", "default") if key in about]
    return known[0] if known else _of_type(about, parts)


def _held(uses: dict[str, Any]) -> Any:
    """What an option shows that holds components."""
    table = uses.get("default", {"use": NAME})
    if "default" in uses or uses["form"] == "one":
        return table
    return [table] if uses["form"] == "list" else {NAME: table}


def _of_type(about: dict[str, Any], parts: dict[str, Any]) -> Any:
    kind = about.get("type")
    value: Any = UNKNOWN
    if kind in ("integer", "number"):
        value = _number(about, 1 if kind == "integer" else 0.5)
    elif kind == "boolean":
        value = True
    elif kind == "array":
        value = [_filled(about.get("items", {}), parts)] * max(1, about.get("minItems", 1))
    elif kind == "object":
        keys = about.get("properties", {})
        value = {key: _filled(keys[key], parts) for key in about.get("required") or list(keys)[:1]}
        value = value or {NAME: _filled(about.get("additionalProperties") or {}, parts)}
    return value


def _number(about: dict[str, Any], step: float) -> float:
    """The number at a bound of a schema, or beside it; 1 if there is none."""
    bounds = {"minimum": 0, "exclusiveMinimum": step, "maximum": 0, "exclusiveMaximum": -step}
    return next((about[bound] + beside for bound, beside in bounds.items() if bound in about), 1)
