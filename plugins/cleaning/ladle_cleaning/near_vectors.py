"""Near duplicates among vectors: those with a large cosine between them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ladle import OptionError

from .arrays import plain
from .clusters import Clusters

EXACT = 100_000  # vectors, up to which each is compared with each
TILE = 1 << 11
RECALL = 0.99  # of pairs that are just as alike as asked for, where not each is compared with each
CELL = 64  # vectors that a draw of planes would leave together, if they lay evenly

_SLACK = 1e-4  # more than what single precision is wrong by
_PAIRS = 1 << 12  # that are compared in double precision at a time


class NearVectors:
    """Finds near duplicates among different vectors, which are read once, into a temporary file of four bytes a number.

    Up to EXACT vectors each is compared with each, in tiles. Of more, only those are that lie on the same sides of some
    random planes (Charikar 2002), in as many draws of planes as find a pair that is just near enough with probability
    RECALL. In memory are tiles, and 24 bytes for each vector.
    """

    def __init__(self, near: float, column: str) -> None:
        self.near, self.column = near, column

    def add(self, columns: list[pa.Array]) -> None:
        """Nothing: equal vectors are told apart without this."""

    def wanted(self, rows: np.ndarray) -> np.ndarray:
        """Which vectors to read, all of them [vectors]; `rows` is where each is."""
        self.count = len(rows)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # which goes when this does
        self._vectors: np.ndarray | None = None
        return np.ones(self.count, bool)

    def read(self, columns: list[pa.Array], numbers: np.ndarray) -> None:
        """A batch of vectors, and their numbers. Raises OptionError if they are not all of one length."""
        [column] = columns
        is_there = np.flatnonzero(column.is_valid())
        column = plain(column).take(pa.array(is_there))
        lengths = pc.unique(pc.list_value_length(column)).to_pylist()
        if self._vectors is not None:
            lengths = list(dict.fromkeys([self._vectors.shape[1], *lengths]))
        if len(lengths) > 1:
            raise OptionError(
                f"the vectors of `{self.column}` differ in length: {lengths[0]} and {lengths[1]} numbers",
                option="columns",
                item=self.column,
            )
        if not lengths:
            return
        if self._vectors is None:
            shape = (self.count, lengths[0])
            self._vectors = np.memmap(self._file, np.float32, mode="w+", shape=shape)
        values = pc.fill_null(column.flatten(), np.nan).to_numpy(zero_copy_only=False)
        values = values.astype(np.float64).reshape(-1, lengths[0])
        sizes = np.linalg.norm(values, axis=1, keepdims=True)
        has_direction = np.isfinite(sizes) & (sizes > 0)
        self._vectors[numbers[is_there]] = np.divide(values, sizes, where=has_direction, out=np.zeros_like(values))

    def join(self, clusters: Clusters) -> None:
        """Join the vectors that are near duplicates."""
        if self._vectors is None:
            return
        for cell in [np.arange(self.count)] if self.count <= EXACT else self._cells():
            self._join(cell, clusters)

    def join_again(self, clusters: Clusters, staying: np.ndarray) -> bool:
        """Whether there are more near duplicates among those that stay: none are found."""
        return False

    def _join(self, cell: np.ndarray, clusters: Clusters) -> None:
        tiles = [cell[start : start + TILE] for start in range(0, len(cell), TILE)]
        for place, tile in enumerate(tiles):
            vectors = self._vectors[tile]
            for other in tiles[: place + 1]:
                cosines = vectors @ self._vectors[other].T
                one, two = np.nonzero(cosines >= self.near - _SLACK)
                is_near = cosines[one, two] >= self.near + _SLACK
                one, two = tile[one], other[two]
                clusters.join(one[is_near], two[is_near])
                one, two = one[~is_near], two[~is_near]
                apart = clusters.apart(one, two)
                one, two = one[apart], two[apart]
                is_near = self.likeness(one, two) >= self.near
                clusters.join(one[is_near], two[is_near])

    def _cells(self) -> Iterator[np.ndarray]:
        """Vectors that lie on the same sides of all planes, draw after draw."""
        planes = max(1, round(math.log2(self.count / CELL)))
        together = (1 - math.acos(min(self.near, 1)) / math.pi) ** planes
        draws = 1 if together == 1 else math.ceil(math.log(1 - RECALL) / math.log1p(-together))
        for draw in range(draws):
            normals = np.random.default_rng(draw).standard_normal((self._vectors.shape[1], planes), np.float32)
            keys = np.empty(self.count, np.int64)
            for start in range(0, self.count, TILE):
                sides = self._vectors[start : start + TILE] @ normals > 0
                keys[start : start + TILE] = sides @ (1 << np.arange(planes))
            order = np.argsort(keys, kind="stable")
            for cell in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
                if len(cell) > 1:
                    yield cell

    def likeness(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The cosine between vectors, pair by pair."""
        cosines = np.empty(len(one))
        for start in range(0, len(one), _PAIRS):
            pairs = slice(start, start + _PAIRS)
            vectors = self._vectors[one[pairs]].astype(np.float64)
            cosines[pairs] = np.einsum("ij,ij->i", vectors, self._vectors[other[pairs]].astype(np.float64))
        return cosines
