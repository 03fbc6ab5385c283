"""Types of JSON values: the one that takes all of some values, whether a value is of one, and Arrow's for it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .values import MAX_INTEGER, MIN_INTEGER, NoSuchValueError, time_of

if TYPE_CHECKING:
    import pyarrow as pa

    from ..columns import ColumnType


@dataclass(frozen=True)
class Shape:
    """A type; `json` takes every value and keeps it as text: a text as it is, all else as JSON."""

    kind: str
    item: Shape | None = None
    """Of a list: the type of what is in it."""
    fields: dict[str, Shape] = field(default_factory=dict)
    """Of a record: the types by key."""


NULL = Shape("null")
_SIMPLE = {type(None): "null", str: "text", bool: "boolean", int: "integer", float: "number"}
_CLASSES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (float, int),
    "time": (str,),
    "null": (),
}
_COLUMN_TYPES: dict[str, ColumnType] = {
    "null": "text",
    "text": "text",
    "json": "text",
    "boolean": "boolean",
    "integer": "integer",
    "number": "number",
    "time": "time",
    "record": "record",
}


def shape_of(value: Any) -> Shape:
    """The type that a value is written in."""
    if isinstance(value, list):
        return Shape("list", together(map(shape_of, value)))
    if isinstance(value, dict):
        return Shape("record", fields={key: shape_of(inner) for key, inner in value.items()})
    return Shape(_SIMPLE[type(value)])


def together(shapes: Iterable[Shape]) -> Shape:
    """The narrowest type that takes the values of all: number for integers and numbers, json for a mixture."""
    whole = NULL
    for shape in shapes:
        whole = _both(whole, shape)
    return whole


def _both(one: Shape, other: Shape) -> Shape:
    if other in (one, NULL):
        return one
    if one == NULL:
        return other
    if {one.kind, other.kind} == {"integer", "number"}:
        return Shape("number")
    if one.kind != other.kind:
        return Shape("json")
    if one.item and other.item:
        return Shape("list", _both(one.item, other.item))
    keys = dict.fromkeys([*one.fields, *other.fields])
    return Shape("record", fields={key: _both(one.fields.get(key, NULL), other.fields.get(key, NULL)) for key in keys})


def settled(shape: Shape) -> Shape:
    """The type with text in place of what no value told."""
    if shape == NULL:
        return Shape("text")
    item = settled(shape.item) if shape.item else None
    return Shape(shape.kind, item, {key: settled(inner) for key, inner in shape.fields.items()})


def column_type(shape: Shape) -> ColumnType:
    """The type of a column as recipes know it."""
    if shape.kind == "list":
        return "vector" if shape.item == Shape("number") else "list"
    return _COLUMN_TYPES[shape.kind]


def arrow_type(shape: Shape) -> pa.DataType:
    """The type of a column in Arrow: 64-bit numbers, microseconds for times, lists and structs."""
    import pyarrow as pa

    from .. import rows

    if shape.item:
        return pa.list_(arrow_type(shape.item))
    if shape.kind == "record":
        return pa.struct([(key, arrow_type(inner)) for key, inner in shape.fields.items()])
    return rows.arrow_type(column_type(shape))


def check(value: Any, shape: Shape) -> None:
    """Raises NoSuchValueError if a value is not of a type."""
    if value is None or shape.kind == "json":
        return
    if shape.kind == "list" and isinstance(value, list):
        for inner in value:
            check(inner, shape.item or NULL)
    elif shape.kind == "record" and isinstance(value, dict):
        for key, inner in value.items():
            if key not in shape.fields:
                raise NoSuchValueError("unknown-key", key, "is a key that its first rows do not have")
            check(inner, shape.fields[key])
    elif type(value) not in _CLASSES.get(shape.kind, ()):
        why = f"is {column_type(shape_of(value))}, expected {column_type(shape)}"
        raise NoSuchValueError("wrong-type", value, why)
    elif isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        raise NoSuchValueError("integer-too-large", value, "is outside of the 64 bits of an integer")
    elif isinstance(value, float) and not math.isfinite(value):
        raise NoSuchValueError("not-finite", value, "is larger than any number")
    elif shape.kind == "time":
        time_of(value)


def converter(shape: Shape) -> Callable[[Any], Any] | None:
    """What makes of a JSON value the one that Arrow is given; None where they are the same."""
    if shape.kind == "json":
        return lambda value: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if shape.kind in ("time", "number"):
        return time_of if shape.kind == "time" else float
    if shape.item and (inner := converter(shape.item)):
        return lambda values: [None if value is None else inner(value) for value in values]
    works = {key: work for key, of_key in shape.fields.items() if (work := converter(of_key))}
    if works:
        return lambda record: {
            key: works[key](value) if key in works and value is not None else value for key, value in record.items()
        }
    return None


def column(values: list[Any], shape: Shape) -> tuple[pa.Array, dict[int, NoSuchValueError]]:
    """Values as an Arrow array; where one is not of the type, null and the fault."""
    import pyarrow as pa

    faults: dict[int, NoSuchValueError] = {}
    if shape.kind not in ("text", "boolean") or not set(map(type, values)) <= {*_CLASSES[shape.kind], type(None)}:
        for row, value in enumerate(values):
            try:
                check(value, shape)
            except NoSuchValueError as fault:
                faults[row] = fault
        if faults:
            values = [None if row in faults else value for row, value in enumerate(values)]
    work = converter(shape)
    if work:
        values = [None if value is None else work(value) for value in values]
    return pa.array(values, arrow_type(shape)), faults
