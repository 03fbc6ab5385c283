"""How delimited text is usually written, and what its first rows tell of another way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from .finding import has_suffix
from .values import guess

_DELIMITERS = "\t;,|:"
_MOST = 0.8  # share of the rows that have to agree
_YEAR = re.compile("[12][0-9]{3}")
_TYPES: dict[type, tuple[str, ...]] = {
    bool: ("boolean",),
    int: ("integer",),
    float: ("integer", "number"),
    datetime: ("time",),
}


def usual_delimiter(path: Path) -> str:
    """The delimiter of files whose names end like that."""
    return "\t" if has_suffix(path, (".tsv", ".tab")) else ","


def parted_by(header: str | None, lines: Sequence[str]) -> str:
    """The delimiter that parts what was read as one column, each line into as many; "" if there is none."""
    whole = lines if header is None else [header, *lines]
    for delimiter in _DELIMITERS:
        count = whole[0].count(delimiter) if lines else 0
        if count and sum(line.count(delimiter) == count for line in whole) >= _MOST * len(whole):
            return delimiter
    return ""


def is_like_row(names: Sequence[str], values: Sequence[Any]) -> bool:
    """Whether the names of columns look like another row of values: wherever these are no text, nor is the name.

    Years may well be names.
    """
    told = [(name, _TYPES[type(value)]) for name, value in zip(names, values, strict=True) if type(value) in _TYPES]
    is_value = all(guess([name], frozenset()) in types for name, types in told)
    return bool(told) and is_value and not all(_YEAR.fullmatch(name) for name, _ in told)
