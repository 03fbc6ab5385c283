"""The order of rows, cut into batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Sampler

if TYPE_CHECKING:
    from datasets import Dataset

POOL_BATCHES = 50  # rows are sorted by length within pools this large, so that the order stays random enough
_ALIKE = 1.1  # how many times as long as the shortest row of a bucket the longest may be


class Mixed(Sampler[list[int]]):
    """All rows in batches, each epoch otherwise, but always in as many batches.

    Where no `batch_size` is said, batches differ in how many rows they have.
    """

    batch_size: int | None = None
    drop_last = False

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[list[int]]:
        yield from self.cut(np.random.default_rng((self.seed, self.epoch)))

    def cut(self, random: np.random.Generator) -> list[list[int]]:
        """The batches of one epoch."""
        raise NotImplementedError


class Shuffled(Mixed):
    """All rows in random order, another one each epoch."""

    batch_size: int

    def __init__(self, rows: int, batch_size: int, seed: int) -> None:
        super().__init__(seed)
        self.rows = rows
        self.batch_size = batch_size

    def __len__(self) -> int:
        return math.ceil(self.rows / self.batch_size)

    def cut(self, random: np.random.Generator) -> list[list[int]]:
        order = random.permutation(self.rows)
        return [order[start : start + self.batch_size].tolist() for start in range(0, self.rows, self.batch_size)]


class LengthBuckets(Shuffled):
    """Rows in random order, but those of like length together: sorted within large random pools.

    Batches come in random order again, so that short and long ones alternate; but the one with the longest row is
    the first, so that a lack of memory shows at once.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        super().__init__(len(lengths), batch_size, seed)
        self.lengths = np.asarray(lengths)

    def cut(self, random: np.random.Generator) -> list[list[int]]:
        order = random.permutation(self.rows)
        pool = self.batch_size * POOL_BATCHES
        batches = []
        for start in range(0, self.rows, pool):
            rows = order[start : start + pool]
            rows = rows[np.argsort(self.lengths[rows], kind="stable")]
            batches += [rows[at : at + self.batch_size].tolist() for at in range(0, len(rows), self.batch_size)]
        short = [batch for batch in batches if len(batch) < self.batch_size]  # one at most: several processes share
        full = [batch for batch in batches if len(batch) == self.batch_size]  # batches by their place, it comes last
        return mixed(full, lambda batch: self.lengths[batch].max(), random) + short


class TokenBudget(Mixed):
    """Batches of at most `tokens` tokens, padding included, of rows of like length; a longer row is a batch of its own.

    Rows are sorted into buckets once, each of lengths that differ by little, or of one batch; in each epoch they are
    mixed within their bucket. Batches come in random order, the largest first.
    """

    def __init__(self, lengths: Sequence[int], tokens: int, seed: int) -> None:
        super().__init__(seed)
        self.lengths = np.asarray(lengths)
        self._buckets: list[tuple[np.ndarray, int]] = []  # rows, and into how many batches they go
        order = np.argsort(self.lengths, kind="stable")
        ascending = self.lengths[order]
        start = 0
        while start < len(order):
            padded = (np.arange(len(order) - start) + 1) * ascending[start:]
            of_one_batch = np.searchsorted(padded, tokens, side="right")
            of_like_length = np.searchsorted(ascending[start:], ascending[start] * _ALIKE, side="right")
            end = start + max(of_one_batch, of_like_length)
            size = max(1, tokens // max(1, ascending[end - 1]))
            self._buckets.append((order[start:end], math.ceil((end - start) / size)))
            start = end

    def __len__(self) -> int:
        return sum(batches for _, batches in self._buckets)

    def cut(self, random: np.random.Generator) -> list[list[int]]:
        batches = [
            part.tolist() for rows, count in self._buckets for part in np.array_split(random.permutation(rows), count)
        ]
        return mixed(batches, lambda batch: len(batch) * self.lengths[batch].max(), random)


def mixed(batches: list[list[int]], size: Callable[[list[int]], float], random: np.random.Generator) -> list[list[int]]:
    """The batches in random order, but the one of the greatest size first, so that a lack of memory shows at once."""
    order = [batches[position] for position in random.permutation(len(batches))]
    first = max(range(len(order)), key=lambda position: size(order[position]), default=0)
    return order[first : first + 1] + order[:first] + order[first + 1 :]


def shuffled(dataset: Dataset, batch_size: int, seed: int) -> Shuffled:
    """Random order, in batches of like length where the data set has a column `length`."""
    if "length" in dataset.column_names:
        return LengthBuckets(dataset.with_format("numpy")["length"][:], batch_size, seed)
    return Shuffled(len(dataset), batch_size, seed)
