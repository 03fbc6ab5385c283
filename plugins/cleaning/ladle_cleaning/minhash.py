"""MinHash: sets as a few numbers that agree where the sets are alike, and bands of them to find alike sets by."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from .shingles import mixed

RECALL = 0.99  # of pairs that are just as alike as asked for; of those more alike it is higher
PROBES = 6

_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
_ODD = np.random.default_rng(6).integers(0, 1 << 63, 128, np.uint64) * np.uint64(2) + np.uint64(1)


class Layout(NamedTuple):
    """How sketches are cut into bands: a pair is found if all values of a band agree."""

    size: int
    """Values of a sketch, a power of two; some may be in no band."""
    bands: int
    values: int
    """Of each band."""

    @classmethod
    def finding(cls, near: float) -> Layout:
        """The longest bands that find a pair of Jaccard similarity `near` with probability RECALL.

        The longer they are, the fewer pairs are found that are less alike; sketches are longer where many would be.
        """
        size = 64 if near >= 0.75 else 128
        for values in range(16, 0, -1):
            found = near**values
            bands = 1 if found == 1 else math.ceil(math.log(1 - RECALL) / math.log1p(-found))
            if bands * values <= size:
                return cls(size, bands, values)
        raise ValueError(f"no bands find what is as little alike as {near}")


def sketches(hashes: np.ndarray, ends: np.ndarray, size: int) -> np.ndarray:
    """A sketch [size] of each of some sets, given as `shingles` gives them: [sets, size], unsigned, 64 bits.

    Two sketches agree in a value with the probability of the sets' Jaccard similarity. Every element falls into one
    place, which keeps the least hash (one permutation hashing, Li, Owen and Zhang 2012). An empty place takes what is
    in another one, or in the next if that is empty as well (Shrivastava 2017); what is empty after PROBES, in sketches
    of small sets, gets the least by a hash function of its own. The sketch of an empty set holds the greatest number
    only. `size` is a power of two, up to 128.
    """
    sizes = np.diff(ends)
    first = np.full((len(sizes), size), _EMPTY)
    place = (hashes >> np.uint64(65 - size.bit_length())).view(np.int64)
    place += np.repeat(np.arange(len(sizes)) * size, sizes)
    np.minimum.at(first.reshape(-1), place, hashes)
    sketches = first.copy()
    rest = _unfilled(sketches, np.flatnonzero(sizes))
    for probe in _probes(size):
        if not len(rest):
            return sketches
        found = sketches[rest]
        sketches[rest] = np.where(found == _EMPTY, first[rest][:, probe], found)
        rest = _unfilled(sketches, rest)
    if len(rest):
        is_rest = np.zeros(len(sizes), bool)
        is_rest[rest] = True
        values = hashes[np.repeat(is_rest, sizes)] * _ODD[:size, None]
        begins = np.cumsum(sizes[rest]) - sizes[rest]
        found = sketches[rest]
        sketches[rest] = np.where(found == _EMPTY, np.minimum.reduceat(values, begins, axis=1).T, found)
    return sketches


def _unfilled(sketches: np.ndarray, among: np.ndarray) -> np.ndarray:
    return among[sketches[among].max(1) == _EMPTY]


@cache
def _probes(size: int) -> np.ndarray:
    """For each place other ones to look into [PROBES, size]."""
    random = np.random.default_rng(size)
    return np.stack([random.permutation(size) for _ in range(PROBES)])


def band_keys(sketches: np.ndarray, layout: Layout) -> np.ndarray:
    """A 64-bit hash of each band [bands, sets] of sketches [sets, size]."""
    parts = sketches[:, : layout.bands * layout.values].reshape(-1, layout.bands, layout.values)
    return mixed(np.ascontiguousarray(np.dot(parts, _ODD[: layout.values]).T))
