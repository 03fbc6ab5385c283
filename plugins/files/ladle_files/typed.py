"""Whole columns of texts as values of a type: by Arrow wherever it surely reads a text as `value_of` does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ladle.objects.values import NoSuchValueError

from .values import TextType, value_of

if TYPE_CHECKING:
    import pyarrow as pa

# Of texts of these characters alone, Arrow takes none that `value_of` does not take, and reads those it takes alike.
_CHARACTERS = {"integer": b"0123456789-", "number": b"0123456789-.eE"}
_DIGITS_AS_0 = bytes.maketrans(b"123456789", b"0" * 9)
_SHAPE = re.compile(rb"0000-00-00(?:[T ]00:00(?::00(?:\.0{1,6})?)?Z?)?")

# These texts Arrow takes for certain, and reads as `value_of` does.
_DATE = (
    r"[12][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_CLOCK = r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
_SURE = {
    "integer": r"\A-?[0-9]{1,18}\z",
    "number": r"\A-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?\z",
    "time": rf"\A{_DATE}(?:{_CLOCK})?\z",
}
_SURE_ZONED = rf"\A{_DATE}{_CLOCK}(?:Z|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])\z"


def column(texts: pa.Array, type_: TextType, missing: frozenset[str]) -> tuple[pa.Array, dict[int, NoSuchValueError]]:
    """A column of texts as an Arrow array of a type; where a text is no such value, null and the fault.

    A text that is in `missing` is null. Spaces around a value that is not text do not count.
    """
    present = _without(texts, missing)
    if type_ == "text":
        return present, {}
    if type_ == "boolean":
        return _booleans(present, missing)
    quick = _together(present, type_)
    return (quick, {}) if quick is not None else _one_by_one(present, type_, missing)


def _without(texts: pa.Array, missing: frozenset[str]) -> pa.Array:
    """The texts with null in place of those that stand for a missing value; no text is copied."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_missing = pc.is_in(texts, pa.array(sorted(missing), pa.string()))
    if not pc.any(is_missing).as_py():
        return texts
    is_there = pc.and_(pc.is_valid(texts), pc.invert(is_missing))
    return pa.Array.from_buffers(texts.type, len(texts), [is_there.buffers()[1], *texts.buffers()[1:]])


def _together(texts: pa.Array, type_: TextType) -> pa.Array | None:
    """The values, if the characters of all texts together tell that Arrow reads them as `value_of` does."""
    import pyarrow as pa
    import pyarrow.compute as pc

    characters = _characters(texts)
    zone = None
    if type_ == "time":
        count = len(texts) - texts.null_count
        size = len(characters) // max(count, 1)
        shape = characters[:size].translate(_DIGITS_AS_0)
        if not _SHAPE.fullmatch(shape) or characters.translate(_DIGITS_AS_0) != shape * count:
            return None
        if b"0" in characters[::size]:  # years that Python or Arrow has not
            return None
        zone = "UTC" if shape.endswith(b"Z") else None
    elif characters.translate(None, _CHARACTERS[type_]):
        return None
    try:
        values = _cast(texts, type_, zone)
    except pa.ArrowInvalid:
        return None
    return values if type_ != "number" or pc.all(pc.is_finite(values)).as_py() is not False else None


def _characters(texts: pa.Array) -> bytes:
    """The bytes of all texts, one after another."""
    import numpy as np

    _, offsets, data = texts.buffers()
    if data is None:
        return b""
    ends = np.frombuffer(offsets, np.int32, len(texts) + 1)
    return memoryview(data)[: ends[-1]].tobytes()


def _cast(texts: pa.Array, type_: TextType, zone: str | None = None) -> pa.Array:
    import pyarrow as pa

    from ladle.rows import arrow_type

    if zone is not None:
        texts = texts.cast(pa.timestamp("us", zone))
    return texts.cast(arrow_type(type_))


def _one_by_one(
    texts: pa.Array, type_: TextType, missing: frozenset[str]
) -> tuple[pa.Array, dict[int, NoSuchValueError]]:
    """The values of texts that are not all plain: Arrow reads those that are, each told by itself."""
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.ascii_trim(texts, " ")
    is_sure = pc.match_substring_regex(trimmed, _SURE[type_]).fill_null(True)
    present = _without(trimmed, missing)
    values = _cast(pc.if_else(is_sure, present, None), type_)
    if type_ == "time" and not pc.all(is_sure).as_py():
        is_zoned = pc.match_substring_regex(trimmed, _SURE_ZONED).fill_null(False)
        values = pc.coalesce(values, _cast(pc.if_else(is_zoned, present, None), type_, "UTC"))
        is_sure = pc.or_(is_sure, is_zoned)
    is_odd = pc.invert(is_sure)
    made, faults = _made(texts.filter(is_odd).to_pylist(), type_, missing)
    rows = pc.indices_nonzero(is_odd).to_pylist()
    values = pc.replace_with_mask(values, is_odd, pa.array(made, values.type))
    return values, {rows[place]: fault for place, fault in faults.items()}


def _booleans(texts: pa.Array, missing: frozenset[str]) -> tuple[pa.Array, dict[int, NoSuchValueError]]:
    """The values of texts of which there are few different ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = texts.dictionary_encode()
    made, faults = _made(coded.dictionary.to_pylist(), "boolean", missing)
    values = pa.array(made, pa.bool_()).take(coded.indices)
    if not faults:
        return values, {}
    rows = pc.indices_nonzero(pc.is_in(coded.indices, pa.array(list(faults), coded.indices.type)))
    codes = coded.indices.take(rows).to_pylist()
    return values, {row: faults[code] for row, code in zip(rows.to_pylist(), codes, strict=True)}


def _made(texts: list[str], type_: TextType, missing: frozenset[str]) -> tuple[list[Any], dict[int, NoSuchValueError]]:
    """The values of texts; where one is no such value, None and the fault."""
    values: list[Any] = []
    faults: dict[int, NoSuchValueError] = {}
    for place, text in enumerate(texts):
        value = None
        try:
            value = value_of(text, type_, missing)
        except NoSuchValueError as fault:
            faults[place] = fault
        values.append(value)
    return values, faults
