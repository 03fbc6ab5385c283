"""Near duplicates among texts: found by MinHash and bands, verified by the Jaccard similarity of their shingles."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa

from .clusters import Clusters
from .minhash import Layout, band_keys, sketches
from .shingles import SLICE_ROWS, Shingles

WINDOW = 32  # of the texts in one group each is compared with so many that come after it
PAIRS = SLICE_ROWS  # compared at a time
ELEMENTS = 1 << 17  # shingles that are looked at together, where single texts do not have more

_BITS = np.uint64(52)  # of a shingle's hash that are kept; the twelve others number texts or pairs
_KEPT = (np.uint64(1) << _BITS) - np.uint64(1)


class NearTexts:
    """Finds near duplicates among different texts, which are read twice.

    In memory are 8 bytes for each row and band (96 bytes at a similarity of 0.8), and 12 for each band that a text
    shares with another one. The shingles of such texts, 8 bytes each, are in a temporary file.

    The caller numbers the texts in an order that follows from what they say: then the order of rows changes nothing.
    """

    def __init__(self, near: float, unit: str, length: int) -> None:
        self.near = near
        self._shingles = Shingles(unit, length)
        self.layout = Layout.finding(near)
        self._keys: list[np.ndarray] = []
        self._groups: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, columns: list[pa.Array]) -> None:
        """The first reading: a batch of rows, their text in one or several columns."""
        sets = _gathered(self._shingles.of(columns))
        keys = [band_keys(sketches(hashes, ends, self.layout.size), self.layout) for hashes, ends in sets]
        self._keys.append(np.concatenate(keys, axis=1))

    def wanted(self, rows: np.ndarray) -> np.ndarray:
        """Which texts to read again, those that share a band with another one [texts].

        `rows` are where the texts are among the rows added [texts].
        """
        wanted = np.zeros(len(rows), bool)
        for band in range(self.layout.bands):
            wanted |= _repeated(self._keys_of(band)[rows])
        self._keys = [self._keys_of(band)[rows[wanted]] for band in range(self.layout.bands)]
        self._sets = _Sets(wanted)
        return wanted

    def _keys_of(self, band: int) -> np.ndarray:
        return np.concatenate([keys[band] for keys in self._keys])

    def read(self, columns: list[pa.Array], texts: np.ndarray) -> None:
        """The second reading: a batch of rows wanted, and the numbers of their texts."""
        for first, hashes, ends in self._shingles.of(columns):
            self._sets.add(texts[first : first + len(ends) - 1], hashes, ends)

    def join(self, clusters: Clusters) -> None:
        """Join the texts that are near duplicates."""
        self._groups = [_grouped(keys, self._sets) for keys in self._keys]
        self._keys.clear()
        self._join(clusters)

    def join_again(self, clusters: Clusters, staying: np.ndarray) -> bool:
        """Join near duplicates among the texts that are `staying` [texts, boolean]; whether there were more.

        There may be in a large group, where texts that went were between them.
        """
        if all(np.bincount(numbers).max(initial=0) <= WINDOW + 1 for _, numbers in self._groups):
            return False
        self._groups = [(texts[staying[texts]], numbers[staying[texts]]) for texts, numbers in self._groups]
        return self._join(clusters)

    def _join(self, clusters: Clusters) -> bool:
        joined = False
        for distance in range(1, WINDOW + 1):
            one, other = self._pairs(distance)
            if not len(one):
                break
            apart = clusters.apart(one, other)
            one, other = one[apart], other[apart]
            near = self._sets.similarity(one, other, self.near) >= self.near
            clusters.join(one[near], other[near])
            joined |= bool(near.any())
        return joined

    def _pairs(self, distance: int) -> tuple[np.ndarray, np.ndarray]:
        """The pairs that are at a distance from each other in the group of any band, each of them once."""
        pairs = []
        for texts, numbers in self._groups:
            same = numbers[distance:] == numbers[:-distance]
            one, other = texts[:-distance][same], texts[distance:][same]
            pairs.append(np.minimum(one, other) << 32 | np.maximum(one, other))
        distinct = _distinct(np.sort(np.concatenate(pairs)))
        return distinct >> 32, distinct & 0xFFFFFFFF

    def likeness(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The Jaccard similarity of texts that were wanted, pair by pair."""
        return self._sets.similarity(one, other)


def _gathered(slices: Iterator[tuple[int, np.ndarray, np.ndarray]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Slices of shingles joined to larger ones, of which sketches are made in half of the time."""
    hashes: list[np.ndarray] = []
    ends: list[np.ndarray] = [np.zeros(1, np.int64)]
    for _, more, their_ends in slices:
        hashes.append(more)
        ends.append(their_ends[1:] + ends[-1][-1])
        if ends[-1][-1] >= ELEMENTS:
            yield np.concatenate(hashes), np.concatenate(ends)
            hashes, ends = [], [np.zeros(1, np.int64)]
    if hashes:
        yield np.concatenate(hashes), np.concatenate(ends)


def _repeated(keys: np.ndarray) -> np.ndarray:
    """Which of the keys come more than once."""
    ordered = pl.Series(keys).sort().to_numpy()  # in a third of the time that numpy takes
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):
        return np.zeros(len(keys), bool)
    mask = np.uint64((1 << (16 * len(twice)).bit_length()) - 1)
    table = np.zeros(int(mask) + 1, bool)  # which says of most at once that they are none of these few
    table[twice & mask] = True
    repeated = table[keys & mask]
    possible = keys[repeated]
    repeated[repeated] = twice[np.minimum(np.searchsorted(twice, possible), len(twice) - 1)] == possible
    return repeated


def _distinct(values: np.ndarray) -> np.ndarray:
    """The different ones among values in order."""
    return values[np.diff(values, prepend=values[:1] + 1) != 0]


def _grouped(keys: np.ndarray, sets: _Sets) -> tuple[np.ndarray, np.ndarray]:
    """The texts that share one band with others, group by group, in each by size; and the numbers of the groups."""
    order = np.lexsort((sets.sizes, keys))
    numbers = np.cumsum(np.diff(keys[order], prepend=keys[order[:1]]) != 0)
    several = np.bincount(numbers)[numbers] > 1
    return sets.texts[order[several]], numbers[several].astype(np.uint32)


class _Sets:
    """The shingles of texts, sorted, in a temporary file."""

    def __init__(self, texts: np.ndarray) -> None:
        self.texts = np.flatnonzero(texts)
        self.sizes = np.zeros(len(self.texts), np.int64)
        self._place = np.cumsum(texts) - 1  # of a text among those that are here
        self._starts = np.zeros(len(self.texts), np.int64)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # which goes when this does
        self._length = 0

    def add(self, texts: np.ndarray, hashes: np.ndarray, ends: np.ndarray) -> None:
        """Keep the shingles of some texts, as `shingles` gives them."""
        elements = hashes & _KEPT
        for start, end in pairwise(ends):
            elements[start:end].sort()
        elements |= np.repeat(np.arange(len(texts), dtype=np.uint64), np.diff(ends)) << _BITS
        elements = _distinct(elements)
        sizes = np.bincount((elements >> _BITS).view(np.int64), minlength=len(texts))
        places = self._place[texts]
        self.sizes[places] = sizes
        self._starts[places] = self._length + np.cumsum(sizes) - sizes
        self._file.write((elements & _KEPT).tobytes())
        self._length += len(elements)

    def similarity(self, one: np.ndarray, other: np.ndarray, least: float = 0) -> np.ndarray:
        """The Jaccard similarity of texts, pair by pair; 0 where their sizes show that it is below `least`."""
        one, other = self._place[one], self._place[other]
        sizes = np.stack([self.sizes[one], self.sizes[other]])
        similarity = np.zeros(len(one))
        [possible] = np.nonzero((sizes.min(0) >= least * sizes.max(0)) & (sizes.min(0) > 0))
        for pairs in _cut(possible, sizes.sum(0)[possible]):
            both = np.concatenate([self._elements(one[pairs]), self._elements(other[pairs])])
            both.sort(kind="stable")  # which merges the two
            shared = both[1:][both[1:] == both[:-1]] >> _BITS
            shared = np.bincount(shared.view(np.int64), minlength=len(pairs))
            similarity[pairs] = shared / (sizes.sum(0)[pairs] - shared)
        return similarity

    def _elements(self, places: np.ndarray) -> np.ndarray:
        """The shingles of some sets one after another, each with the number of its set among them."""
        self._file.flush()
        sizes = self.sizes[places]
        at = np.repeat(self._starts[places] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
        elements = np.memmap(self._file, np.uint64, mode="r")[at]
        return np.repeat(np.arange(len(places), dtype=np.uint64), sizes) << _BITS | elements


def _cut(pairs: np.ndarray, elements: np.ndarray) -> Iterator[np.ndarray]:
    """The pairs in parts of bounded length that have bounded numbers of elements."""
    total = np.cumsum(elements)
    first = 0
    while first < len(pairs):
        end = int(np.searchsorted(total, total[first] + ELEMENTS))
        yield pairs[first : (end := max(first + 1, min(end, first + PAIRS)))]
        first = end
