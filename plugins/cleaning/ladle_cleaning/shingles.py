"""Texts as sets of shingles, runs of words or characters, each as a 64-bit hash: no text becomes a Python object.

A run of bytes is hashed as a polynomial modulo 2^64, read off two prefix sums, so that all runs of many texts are
hashed in a few passes over their bytes. A hash depends on the run alone: not on the machine, nor on the texts around.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .arrays import as_text

SLICE_BYTES = 1 << 17  # of texts at a time, so that what is worked out on the way stays in the processor's cache
SLICE_ROWS = 1 << 12

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)


class Shingles:
    """Cuts texts into shingles: runs of `length` units, which are `words` or `characters`.

    Fewer units are one shingle, and none are none. Words are what white space (as Python's `str.split` sees it) and
    control characters separate. Memory is taken for a slice of texts, 128 KiB or one long text, 25 times over.
    """

    def __init__(self, unit: str, length: int) -> None:
        self._cut = _words if unit == "words" else _characters
        self._length = length
        self._room = np.empty((2, 2 * SLICE_BYTES), np.uint64)  # taken once: the system is slow to give pages

    def of(self, columns: list[pa.Array]) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """The shingles of a text per row, which joins `columns` (null is an empty text), slice by slice.

        A slice is the number of its first row, the hashes of all shingles [n] (unsigned, 64 bits), and where those of
        each row begin and end among them [rows + 1].
        """
        text, bounds = _joined(columns)
        first, last = 0, len(bounds) - 1
        while first < last:
            end = int(np.searchsorted(bounds, bounds[first] + SLICE_BYTES, side="right")) - 1
            end = max(first + 1, min(end, first + SLICE_ROWS))
            here = bounds[first : end + 1]
            yield first, *self._runs(text[here[0] : here[-1]], here - here[0])
            first = end

    def _runs(self, text: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        starts, stops = self._cut(text)
        units = self._hashes(text, starts, stops)
        first = np.searchsorted(starts, bounds[:-1])
        last = np.searchsorted(starts, bounds[1:] - 1)  # but for the space that each text ends with
        counts = last - first
        counts = np.where(counts > self._length, counts - self._length + 1, np.minimum(counts, 1))
        ends = np.concatenate([[0], np.cumsum(counts)])
        begin = np.arange(ends[-1]) + np.repeat(first - ends[:-1], counts)
        return self._hashes(units, begin, np.minimum(begin + self._length, np.repeat(last, counts))), ends

    def _hashes(self, values: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """A hash of each run of `values`."""
        count = len(values)
        has_room = count < self._room.shape[1]
        weighted, sums = self._room[:, : count + 1] if has_room else np.empty((2, count + 1), np.uint64)
        weighted[:count] = values
        weighted[:count] *= _powers(_BASE, count)
        sums[0] = 0
        np.cumsum(weighted[:count], out=sums[1:])
        hashes = (sums[stops] - sums[starts]) * _powers(_INVERSE, count + 1)[starts]
        hashes += np.uint64(1)  # or one that is 0 would not count in runs of these
        return mixed(hashes)


def mixed(hashes: np.ndarray) -> np.ndarray:
    """Hashes [n] that differ in all their bits where the given ones, which are overwritten, differ in one."""
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(0xD6E8FEB86659FD93)
    hashes ^= hashes >> np.uint64(29)
    return hashes


def _joined(columns: list[pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of the texts of all rows, a space after each column, and where each row begins and ends [rows + 1]."""
    end, space = (pa.scalar(text, pa.large_string()) for text in ("", " "))
    columns = [as_text(column).cast(pa.large_string()) for column in columns]
    joined = pc.binary_join_element_wise(*columns, end, space, null_handling="replace", null_replacement="")
    _, bounds, text = joined.buffers()
    return np.frombuffer(text or b"", np.uint8), np.frombuffer(bounds, np.int64)[: len(joined) + 1]


def _words(text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where words begin and end in texts that each end with a space."""
    space = text <= ord(" ")
    if text.max(initial=0) >= 0x80:
        _mark_wide_spaces(text, space)
    edges = np.flatnonzero(np.diff(space, prepend=True))
    return edges[::2], edges[1::2]


def _mark_wide_spaces(text: np.ndarray, space: np.ndarray) -> None:
    """Note in `space` the white space that takes two or three bytes."""
    for lead, (length, is_space) in _wide_spaces().items():
        found = np.flatnonzero(text == lead)
        found = found[is_space[text[found + 1], text[found + 2]]]
        for byte in range(length):
            space[found + byte] = True


@cache
def _wide_spaces() -> dict[int, tuple[int, np.ndarray]]:
    """White space beyond ASCII by the byte it begins with: how many bytes it has, and for which next two it is some."""
    tables: dict[int, tuple[int, np.ndarray]] = {}
    for space in [char.encode() for char in map(chr, range(0x80, 0x3001)) if char.isspace()]:
        _, is_space = tables.setdefault(space[0], (len(space), np.zeros((256, 256), bool)))
        is_space[(space[1], space[2]) if len(space) == 3 else space[1]] = True
    return tables


def _characters(text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where characters begin and end."""
    starts = np.flatnonzero((text & 0xC0) != 0x80)
    return starts, np.append(starts[1:], len(text))


def _powers(base: int, count: int) -> np.ndarray:
    usual = 2 * SLICE_BYTES
    return _usual_powers(base, usual)[:count] if count <= usual else _counted_powers(base, count)


def _counted_powers(base: int, count: int) -> np.ndarray:
    powers = np.full(count, base, np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers, out=powers)


_usual_powers = cache(_counted_powers)
