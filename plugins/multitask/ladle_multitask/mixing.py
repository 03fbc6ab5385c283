"""From which task each batch of an epoch is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ladle.training.samplers import Mixed


def shares(sizes: Sequence[int], exponent: float) -> np.ndarray:
    """The share of batches that each task has whose size, taken to the power of `exponent`, is so large."""
    weights = np.asarray(sizes, float) ** exponent
    return weights / weights.sum()


class Passes:
    """The batches of one task, pass after pass over its rows, as its trainer cuts them."""

    def __init__(self, sampler: Any, places: np.ndarray) -> None:
        self.sampler = sampler
        self.places = places
        """Where the task's rows are in the whole data set."""

    def __len__(self) -> int:
        """How many batches a pass has."""
        return len(self.sampler)

    def batches(self, first: int) -> Iterator[list[int]]:
        """All batches from the one of this number on, without an end."""
        begun, skipped = divmod(first, len(self))
        for number in itertools.count(begun):
            if hasattr(self.sampler, "set_epoch"):
                self.sampler.set_epoch(number)
            for batch in itertools.islice(self.sampler, skipped, None):
                yield self.places[batch].tolist()
            skipped = 0


class Mixture(Mixed):
    """Batches of one task each, as many in an epoch as all tasks have in a pass.

    An epoch has of each task the number of batches that is its share, up to one more or less by chance where that is no
    whole number, in random order. A task whose batches come to an end begins anew; which come next depends on the seed
    and the epoch alone.
    """

    def __init__(self, tasks: Sequence[Passes], exponents: Sequence[float], seed: int) -> None:
        super().__init__(seed)
        self.tasks = tasks
        self.exponents = exponents
        """To which power the size of a task is taken in each epoch; in later ones as in the last."""

    def __len__(self) -> int:
        return sum(map(len, self.tasks))

    def drawn(self, epoch: int) -> np.ndarray:
        """The number of the task of each batch in an epoch, [batches]."""
        random = np.random.default_rng((self.seed, epoch))
        exponent = self.exponents[min(epoch, len(self.exponents) - 1)]
        expected = (len(self) * shares([len(task) for task in self.tasks], exponent)).round(9)
        ends = np.floor(expected.cumsum() + random.random()).astype(int)
        ends[-1] = len(self)
        counts = np.diff(ends, prepend=0)
        return random.permutation(np.repeat(np.arange(len(self.tasks)), counts))

    def __iter__(self) -> Iterator[list[int]]:
        before = sum((self._counts(epoch) for epoch in range(self.epoch)), np.zeros(len(self.tasks), int))
        streams = [task.batches(int(first)) for task, first in zip(self.tasks, before, strict=True)]
        for number in self.drawn(self.epoch):
            yield next(streams[number])

    def _counts(self, epoch: int) -> np.ndarray:
        return np.bincount(self.drawn(epoch), minlength=len(self.tasks))
