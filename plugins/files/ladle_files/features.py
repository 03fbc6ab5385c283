"""The features of Examples as columns: which type a column has, and the values of features in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ladle.objects.values import NoSuchValueError, time_of

from .example import FeatureKind

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle.columns import ColumnType

FeatureType = Literal["text", "bytes", "integer", "number", "boolean", "time"]

KINDS: dict[FeatureType, tuple[FeatureKind, ...]] = {
    "text": ("bytes_list",),
    "bytes": ("bytes_list",),
    "time": ("bytes_list",),
    "integer": ("int64_list",),
    "boolean": ("int64_list",),
    "number": ("float_list", "int64_list"),
}
"""The kinds of features that values of a type come from."""


class Column(NamedTuple):
    """What becomes of a feature: single values, or lists of them."""

    type: FeatureType
    is_list: bool

    @property
    def column_type(self) -> ColumnType:
        """The type of the column as recipes know it."""
        if self.is_list:
            return "vector" if self.type == "number" else "list"
        return self.type

    @property
    def arrow_type(self) -> pa.DataType:
        import pyarrow as pa

        from ladle import rows

        whole = rows.arrow_type(self.column_type)
        return whole if whole is not None else pa.list_(rows.arrow_type(self.type))

    def value_of(self, feature: Any) -> Any:
        """The value of a feature, None if it has none. Raises NoSuchValueError for a value that is not of the type."""
        kind = None if feature is None else feature.WhichOneof("kind")
        if kind is None:
            return None
        values = getattr(feature, kind).value
        if not values:
            return [] if self.is_list else None
        if kind not in KINDS[self.type]:
            raise NoSuchValueError("wrong-type", _plain(values), f"is {kind}, expected {' or '.join(KINDS[self.type])}")
        if len(values) > 1 and not self.is_list:
            raise NoSuchValueError("several-values", _plain(values), "is several values, expected one")
        read = _READ.get(self.type)
        made = list(map(read, values)) if read else list(values)
        return made if self.is_list else made[0]


def column_of(features: Iterable[Any], type_: FeatureType | None, is_list: bool | None) -> Column:
    """The column that takes features of one name; the type and whether it has lists are found out where not told."""
    told = [(kind, getattr(feature, kind).value) for feature in features if (kind := feature.WhichOneof("kind"))]
    if is_list is None:
        is_list = any(len(values) != 1 for _, values in told)
    return Column(type_ or _guess(told), is_list)


def _guess(told: list[tuple[FeatureKind, Any]]) -> FeatureType:
    """The type for most of the values: of numbers the widest, of byte strings text if all of them are UTF-8."""
    kinds = [kind for kind, values in told if values]
    if 2 * kinds.count("bytes_list") < len(kinds):
        return "number" if "float_list" in kinds else "integer"
    texts = [value for kind, values in told if kind == "bytes_list" for value in values]
    return "text" if all(map(_is_text, texts)) else "bytes"


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise NoSuchValueError("undecodable", _plain(value), f"is no utf-8 (byte {error.start + 1})") from None


def _boolean(value: int) -> bool:
    if value not in (0, 1):
        raise NoSuchValueError("bad-boolean", value, "is no boolean (0 or 1)")
    return value == 1


_READ: dict[FeatureType, Callable[[Any], Any]] = {
    "text": _text,
    "time": lambda value: time_of(_text(value)),
    "boolean": _boolean,
    "number": float,
}


def _plain(value: Any) -> Any:
    """A value as a message can show it."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, int | float) else list(map(_plain, value))
