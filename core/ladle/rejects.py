"""What a source or a cleaner says of a row that goes no further. Imports nothing, so that plugins may at their top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Batch = Any  # a dict of lists or a pyarrow.RecordBatch, as the component's `form` says


class Reject(NamedTuple):
    """A row that goes no further: the rule it broke, why, where it came from, and what it was."""

    rule: str
    reason: str
    file: str | None = None
    line: int | None = None
    offset: int | None = None
    raw: bytes | None = None
    id: str | None = None
    stays: str | None = None
    """For a duplicate, the id of the row that stays."""


class Cleaned(NamedTuple):
    """A batch of the length it had, and for the positions in it that shall go, why."""

    batch: Batch
    rejects: Mapping[int, Reject] = {}
    counts: Mapping[str, int] = {}
    """What else the report shall count, such as what was taken out of texts, by kinds."""
