"""The order of rows, cut into batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Sampler

if TYPE_CHECKING:
    from datasets import Dataset

POOL_BATCHES = 50  # rows are sorted by length within pools this large, so that the order stays random enough


class Shuffled(Sampler[list[int]]):
    """All rows in random order, another one each epoch."""

    def __init__(self, rows: int, batch_size: int, seed: int) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.drop_last = False
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.rows / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        yield from self.cut(np.random.default_rng((self.seed, self.epoch)))

    def cut(self, random: np.random.Generator) -> list[list[int]]:
        """The batches of one epoch."""
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
        mixed = [batches[position] for position in random.permutation(len(batches))]
        longest = max(range(len(mixed)), key=lambda position: self.lengths[mixed[position]].max(), default=0)
        return mixed[longest : longest + 1] + mixed[:longest] + mixed[longest + 1 :]


def shuffled(dataset: Dataset, batch_size: int, seed: int) -> Shuffled:
    """Random order, in batches of like length where the data set has a column `length`."""
    if "length" in dataset.column_names:
        return LengthBuckets(dataset.with_format("numpy")["length"][:], batch_size, seed)
    return Shuffled(len(dataset), batch_size, seed)
