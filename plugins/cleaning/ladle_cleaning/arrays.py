"""What the cleaners share: texts and masks of Arrow columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# White space as Python's str.split sees it; RE2's \s knows only the ASCII part.
SPACE = r"[\s\x0b\x1c-\x1f\x{85}\p{Z}]"


def positions(mask: pa.Array) -> list[int]:
    """Where `mask` is true."""
    import pyarrow.compute as pc

    return pc.indices_nonzero(mask).to_pylist()


def plain(column: pa.Array) -> pa.Array:
    """A column with its values in place, where it held numbers that stand for them (Arrow's dictionaries)."""
    import pyarrow as pa

    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def as_text(column: pa.Array) -> pa.Array:
    """A text column, or one without any value, as texts."""
    import pyarrow as pa

    column = plain(column)
    return column if is_text(column) else column.cast(pa.string())


def is_text(column: pa.Array) -> bool:
    """Whether a column holds texts."""
    import pyarrow as pa

    return pa.types.is_string(column.type) or pa.types.is_large_string(column.type)


def collapsed(texts: pa.Array) -> pa.Array:
    """Texts with every run of white space as one space."""
    import pyarrow.compute as pc

    return pc.replace_substring_regex(texts, SPACE + "+", " ")


def unmarked(texts: pa.Array, markers: Sequence[str]) -> pa.Array:
    """Texts with null for those that, spaces around aside, are one of `markers`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not markers:
        return texts
    marks = pa.array([marker.strip() for marker in markers], texts.type)
    marked = pc.is_in(pc.utf8_trim_whitespace(texts), value_set=marks)
    return pc.if_else(marked, pa.scalar(None, texts.type), texts)


def with_texts(texts: pa.Array, where: pa.Array, new: Sequence[str]) -> pa.Array:
    """Texts with others in the places where a mask is true."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.replace_with_mask(texts, pc.fill_null(where, False), pa.array(new, texts.type)) if new else texts


def quoted(names: Sequence[str]) -> str:
    """Names as messages show them."""
    return ", ".join(f"`{name}`" for name in names)
