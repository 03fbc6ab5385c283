"""What a model is tested on, as the hashes of its shingles."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from .arrays import as_text
from .shingles import Shingles

if TYPE_CHECKING:
    from ladle import Rows


class Match(NamedTuple):
    """What a text shares with texts that are tested on."""

    shared: int
    """How many of its shingles."""
    runs: int
    """How many it has."""
    row: str
    """The row that has the first of them, by its id."""
    of: str
    """Where that row is."""
    text: str
    """The first of them."""


class Evaluation:
    """Texts that are tested on; of each shingle its hash is kept, and a row that has it."""

    def __init__(self, unit: str, length: int) -> None:
        self._shingles = Shingles(unit, length)
        self._unit, self._length = unit, length
        self._hashes: list[np.ndarray] = []
        self._owners: list[np.ndarray] = []
        self._rows: list[str] = []
        self._places: list[tuple[str, int]] = []
        """Where rows are, each with the number of the first of them."""

    def add(self, place: str, rows: Rows, column: str) -> None:
        """Take in the texts of a column."""
        self._places.append((place, len(self._rows)))
        for batch in rows.select([column]).batches("arrow"):
            for first, hashes, ends in self._shingles.of([self._bare(batch[column])]):
                owners = np.repeat(np.arange(first, first + len(ends) - 1), np.diff(ends))
                self._hashes.append(hashes)
                self._owners.append((owners + len(self._rows)).astype(np.int32))
            self._rows += batch["_id"].to_pylist()

    def __len__(self) -> int:
        return sum(map(len, self._hashes))

    @cached_property
    def _index(self) -> tuple[np.ndarray, np.ndarray]:
        """The different hashes, in order, and of the rows that have each the one with the lowest id."""
        hashes, owners = np.concatenate(self._hashes), np.concatenate(self._owners)
        ranks = np.argsort(np.argsort(self._rows, kind="stable"))
        order = np.lexsort((ranks[owners], hashes))
        known, first = np.unique(hashes[order], return_index=True)
        return known, owners[order][first]

    def matches(self, texts: pa.Array) -> Iterator[tuple[int, Match]]:
        """Those of some texts that share something, by their places."""
        if not len(self):
            return
        known, owners = self._index
        bare = self._bare(texts)
        for first, hashes, ends in self._shingles.of([bare]):
            near = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
            shared = np.append(0, np.cumsum(known[near] == hashes))
            counts = shared[ends[1:]] - shared[ends[:-1]]
            for row in np.flatnonzero(counts):
                start, end = ends[row], ends[row + 1]
                at = start + int(np.argmax(known[near[start:end]] == hashes[start:end]))
                owner = int(owners[near[at]])
                text = self._cut(bare[first + int(row)].as_py(), at - int(start))
                place = next(place for place, begin in reversed(self._places) if begin <= owner)
                yield first + int(row), Match(int(counts[row]), int(end - start), self._rows[owner], place, text)

    def _bare(self, texts: pa.Array) -> pa.Array:
        """Texts without what does not count: case, punctuation, and white space but for one space between words."""
        lower = pl.Series(as_text(texts).cast(pa.string())).fill_null("").str.to_lowercase()
        between = " " if self._unit == "words" else ""
        return lower.str.replace_all(r"[^\pL\pM\pN]+", between).str.strip_chars().to_arrow().cast(pa.large_string())

    def _cut(self, text: str, at: int) -> str:
        """The shingle of a text that begins with a unit."""
        if self._unit == "words":
            return " ".join(text.split()[at : at + self._length])
        return text[at : at + self._length]
