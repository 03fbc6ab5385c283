"""What databases give as columns of Arrow: the kinds of columns, which one a column is of, and its values in it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa

KindName = Literal["text", "integer", "number", "boolean", "time", "bytes", "json", "decimal"]
Values = Any  # a sequence of values as a driver gives them, or a pyarrow.Array

_EXACT = 2**53  # beyond it, not every whole number has a float of its own
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_QUICK_TIME = r"\A[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?)?\z"
_QUICK: dict[KindName, set[type]] = {
    "text": {str},
    "integer": {int},
    "number": {float, int},
    "boolean": {bool},
    "time": {datetime},
    "bytes": {bytes},
    "decimal": {Decimal},
}
_UNTAKEN = (ValueError, TypeError, OverflowError, NotImplementedError)  # how Arrow says that it does not take a value
_STRANGE = "is of another type than those before it"
_BYTES = (bytes, bytearray, memoryview)
_GUESSES: list[tuple[set[type], KindName]] = [  # the first whose types are all that there are
    ({bool}, "boolean"),
    ({int}, "integer"),
    ({int, float, Decimal}, "number"),
    ({datetime, date}, "time"),
    (set(_BYTES), "bytes"),
    ({list, tuple, dict}, "json"),
]


@dataclass(frozen=True)
class Kind:
    """What the values of a column are.

    `time` is to the microsecond, in UTC where there was a zone; `json` a value of JSON, as text or parsed; `decimal` an
    exact number, of which the database may tell how many digits it has and how many of them are behind the point.
    """

    name: KindName
    digits: tuple[int, int] | None = None

    def arrow(self) -> pa.DataType:
        """The type in Arrow; a number where a decimal has no digits told, or more than Arrow's 38."""
        import pyarrow as pa

        from ladle.rows import arrow_type

        if self.name == "decimal":
            whole, fraction = self.digits or (0, 0)
            return pa.decimal128(whole, fraction) if 0 <= fraction <= whole and 0 < whole <= 38 else pa.float64()
        return arrow_type("text" if self.name == "json" else self.name)


class NoSuchValueError(Exception):
    """What a database gave is no value of a kind; `rule` is the name of what is wrong."""

    def __init__(self, rule: str, value: object, why: str) -> None:
        super().__init__(f"{shown(value)} {why}")
        self.rule = rule


def shown(value: object) -> str:
    """A value as messages show it: texts in quotes, and not all of a long one."""
    text = str(tellable(value))
    text = text if len(text) <= 60 else f"{text[:59]}…"
    return f'"{text}"' if isinstance(value, str) else text


def tellable(value: Any) -> Any:
    """A value, or of an Arrow one what it is in Python; of text that is no UTF-8, the bytes are written \\udcNN."""
    value = getattr(value, "as_py", lambda: value)()
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def kind_of(type_: sa.types.TypeEngine[Any], has_decimals: bool) -> Kind | None:
    """The kind of a column by its type in the database; None if that says nothing."""
    import sqlalchemy as sa

    told: list[tuple[tuple[type, ...], KindName]] = [
        ((sa.JSON, sa.ARRAY), "json"),
        ((sa.Boolean,), "boolean"),
        ((sa.Integer,), "integer"),
        ((sa.Float,), "number"),
        ((sa.DateTime, sa.Date), "time"),
        ((sa.LargeBinary, sa.BINARY, sa.VARBINARY), "bytes"),
    ]
    for types, name in told:
        if isinstance(type_, types):
            return Kind(name)
    if isinstance(type_, sa.Numeric):
        is_told = type_.precision is not None and type_.scale is not None
        digits = (type_.precision, type_.scale) if is_told else None
        return Kind("decimal", digits) if has_decimals else Kind("number")
    return None if isinstance(type_, sa.types.NullType) else Kind("text")


class Column:
    """A column of a result: its name, and its kind as far as it is known."""

    def __init__(self, name: str, kind: Kind | None = None) -> None:
        self.name = name
        self.kind = kind
        self._json: pa.DataType | None = None
        """Of parsed JSON, the type that takes all values so far."""

    def array(self, values: Values) -> tuple[pa.Array, dict[int, NoSuchValueError]]:
        """Values in Arrow; where one is none of the column's kind, null and the fault.

        A kind that nobody has told is that of the first values that there are.
        """
        import pyarrow as pa

        if self.kind is None:
            self.kind = _guessed(values)
        if self.kind is None:
            return pa.nulls(len(values)), {}
        if self.kind.name == "json":
            return self._parsed(values.to_pylist() if isinstance(values, pa.Array) else values)
        return _converted(values, self.kind)

    def _parsed(self, values: Sequence[Any]) -> tuple[pa.Array, dict[int, NoSuchValueError]]:
        """JSON in the type that its values have; text, still JSON, if the first of them have no type in common."""
        import pyarrow as pa

        parsed, faults = _each(values, _from_json)
        try:
            found = pa.array(parsed)
            self._json = _both(self._json, found.type)
            return found.cast(self._json), faults
        except _UNTAKEN:
            if self._json is None or pa.types.is_null(self._json):
                self.kind = Kind("text")
                return _converted(values, self.kind)
        parsed, strange = _each(parsed, self._widened)
        array, untaken = _taken(parsed, self._json, "wrong-type", _STRANGE)
        return array, faults | strange | untaken

    def _widened(self, value: Any) -> Any:
        """A value of JSON, for which the type is widened if it can be."""
        import pyarrow as pa

        try:
            self._json = _both(self._json, pa.array([value]).type)
        except _UNTAKEN:
            raise NoSuchValueError("wrong-type", value, _STRANGE) from None
        return value


def _guessed(values: Values) -> Kind | None:
    classes = set(map(type, values)) - {type(None)}
    if not classes:
        return None
    return Kind(next((name for types, name in _GUESSES if classes <= types), "text"))


def _converted(values: Values, kind: Kind) -> tuple[pa.Array, dict[int, NoSuchValueError]]:
    import pyarrow as pa

    arrow = kind.arrow()
    with suppress(*_UNTAKEN):
        if (quick := _quick(values, kind, arrow)) is not None:
            return quick, {}
    one = _ONE[kind.name]
    if kind.name == "decimal" and pa.types.is_floating(arrow):
        one = _float_of_decimal
    converted, faults = _each(values.to_pylist() if isinstance(values, pa.Array) else values, one)
    rule, why = _UNFIT[kind.name]
    array, untaken = _taken(converted, arrow, rule, why.format(arrow))
    return array, faults | untaken


def _taken(values: list[Any], arrow: pa.DataType, rule: str, why: str) -> tuple[pa.Array, dict[int, NoSuchValueError]]:
    """Values in an Arrow type; where it does not take one, null and the fault."""
    import pyarrow as pa

    with suppress(*_UNTAKEN):
        return pa.array(values, arrow), {}

    def check(value: Any) -> Any:
        try:
            pa.array([value], arrow)
        except _UNTAKEN:
            raise NoSuchValueError(rule, value, why) from None
        return value

    kept, faults = _each(values, check)
    return pa.array(kept, arrow), faults


def _each(values: Iterable[Any], convert: Callable[[Any], Any]) -> tuple[list[Any], dict[int, NoSuchValueError]]:
    """The values converted, None where that cannot be, and why it cannot."""
    converted: list[Any] = []
    faults: dict[int, NoSuchValueError] = {}
    for row, value in enumerate(values):
        found = None
        try:
            found = None if value is None else convert(value)
        except NoSuchValueError as fault:
            faults[row] = fault
        converted.append(found)
    return converted, faults


def _quick(values: Values, kind: Kind, arrow: pa.DataType) -> pa.Array | None:
    """The column by Arrow alone, if all values are such that it does what the slow way does."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(values, pa.Array):
        if values.type == arrow:
            return values
        return _of_texts(values, arrow) if kind.name in ("time", "decimal") else None
    classes = set(map(type, values)) - {type(None)}
    if classes == {str} and kind.name in ("time", "decimal"):
        return _of_texts(pa.array(values, pa.string()), arrow)
    if classes == {int} and kind.name == "boolean":
        flags = pa.array(values, pa.int64())
        return None if pc.any(pc.greater(flags, 1)).as_py() or pc.any(pc.less(flags, 0)).as_py() else flags.cast(arrow)
    return pa.array(values, arrow) if classes <= _QUICK[kind.name] else None


def _of_texts(texts: pa.Array, arrow: pa.DataType) -> pa.Array | None:
    """Texts as times or numbers, if all are written as Arrow reads them, and say what fits."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(arrow) and pc.all(pc.match_substring_regex(texts, _QUICK_TIME)).as_py() is False:
        return None
    values = texts.cast(arrow)
    if pa.types.is_floating(arrow) and pc.any(pc.greater_equal(pc.abs(values), _EXACT)).as_py():
        return None
    return values


def _wrong(value: Any, expected: str) -> NoSuchValueError:
    return NoSuchValueError("wrong-type", value, f"is {_called(value)}, expected {expected}")


def _called(value: Any) -> str:
    kind = _guessed([value])
    return kind.name if kind and (kind.name != "text" or isinstance(value, str)) else type(value).__name__


def _text(value: Any) -> str:
    if isinstance(value, _BYTES):
        raise _wrong(value, "text")
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise _wrong(value, "integer")
    return value


def _number(value: Any) -> float:
    if type(value) not in (float, int, Decimal):
        raise _wrong(value, "number")
    return _as_float(value)


def _as_float(value: float | Decimal) -> float:
    """The nearest float; of a whole number the same number."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number) and not (isinstance(value, float) or Decimal(value).is_infinite()):
        raise NoSuchValueError("number-too-large", value, "is larger than any number of 64 bits")
    if abs(number) >= _EXACT and number != value and value == int(value):
        raise NoSuchValueError("inexact-number", value, "has more digits than a number of 64 bits")
    return number


def _boolean(value: Any) -> bool:
    if type(value) is not bool and not (type(value) is int and value in (0, 1)):
        raise _wrong(value, "boolean")
    return bool(value)


def _time(value: Any) -> datetime:
    try:
        if isinstance(value, str):
            if not _TIME.fullmatch(value):
                raise NoSuchValueError("bad-time", value, "is no time in ISO 8601, of the years 1 to 9999")
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    except (ValueError, OverflowError):
        raise NoSuchValueError("bad-time", value, "is a time that no calendar has") from None
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise _wrong(value, "time")


def _bytes(value: Any) -> bytes:
    if not isinstance(value, _BYTES):
        raise _wrong(value, "bytes")
    return bytes(value)


def _float_of_decimal(value: Any) -> float:
    return _as_float(_decimal(value))


def _decimal(value: Any) -> Decimal:
    try:
        return Decimal(value if type(value) in (Decimal, int) else str(value))
    except InvalidOperation:
        raise _wrong(value, "number") from None


def _from_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise NoSuchValueError("bad-json", value, f"is no JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a key twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"it has no {name}")


def _both(one: pa.DataType | None, other: pa.DataType) -> pa.DataType:
    """The type that takes the values of both. Raises ArrowTypeError if there is none."""
    import pyarrow as pa

    schemas = [pa.schema([("value", type_)]) for type_ in (one, other) if type_ is not None]
    return pa.unify_schemas(schemas, promote_options="permissive").field(0).type


_ONE: dict[KindName, Callable[[Any], Any]] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "time": _time,
    "bytes": _bytes,
    "decimal": _decimal,
}
_UNFIT: dict[KindName, tuple[str, str]] = {  # for what Arrow's type does not take: rule, and why
    "text": ("undecodable", "is no UTF-8"),
    "integer": ("integer-too-large", "is outside of the 64 bits of an integer"),
    "number": ("bad-number", "is no number"),
    "boolean": ("bad-boolean", "is no boolean"),
    "time": ("bad-time", "is a time that no calendar has"),
    "bytes": ("bad-bytes", "is too large"),
    "decimal": ("wrong-digits", "is no {}"),
}
