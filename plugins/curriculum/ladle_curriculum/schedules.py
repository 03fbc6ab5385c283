"""Which rows stand in a trainer's batches, in the order of a curriculum.

What is drawn depends on the seed, the epoch and the place in it only, so that a training that goes on from a checkpoint
draws the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Sampler

from .batches import Batches

if TYPE_CHECKING:
    from .callbacks import Memory

_WINDOW = 50  # batches at most whose rows are drawn together, so that those of like length can share a batch
_PART = 0.02  # of the time in which difficulty rises, in which it may stand still


class Schedule(Sampler[list[int]]):
    """As many batches in an epoch as the trainer makes, of as many rows each."""

    batch_size = None  # that of the trainer's batches, which need not be the same for all
    drop_last = False

    def __init__(self, batches: Batches, seed: int, difficulty: np.ndarray, lengths: np.ndarray | None = None) -> None:
        self.batches = batches
        self.seed = seed
        self.difficulty = difficulty
        """How difficult each unit is, [units]."""
        self.lengths = lengths if batches.is_plain else None
        """By what units share batches, [units], where there is a choice."""
        self.largest = int(np.diff(batches.starts).max())
        """How many units stand in the largest batch."""
        self.epoch = 0
        self.chosen = np.zeros(0, np.int64)
        """The unit in each place of the epoch under way, [places]."""

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        self.chosen = self.choose(np.random.default_rng((self.seed, self.epoch)))
        for batch in range(len(self.batches)):
            yield self.batches.rows(batch, self.chosen)

    def choose(self, random: np.random.Generator) -> np.ndarray:
        """The unit for each place in an epoch, [places]."""
        raise NotImplementedError

    def told(self, batch: int) -> dict[str, float]:
        """What is noted of a batch of the epoch under way."""
        units = self.chosen[self.batches.places[batch]]
        return {"difficulty": float(np.nanmean(self.difficulty[units]))}

    @property
    def places(self) -> int:
        """How many places there are in an epoch."""
        return int(self.batches.starts[-1])

    def _window(self, units: int, most: int = _WINDOW) -> int:
        """Of how many batches, at most, the rows are drawn together from so many units."""
        return 1 if self.lengths is None else max(1, min(_WINDOW, most, units // self.largest))

    def _alike(self, units: np.ndarray, first: int, random: np.random.Generator) -> np.ndarray:
        """`units` for the places from batch `first` on, so that those of like length share a batch."""
        if self.lengths is None:
            return units
        units = units[np.argsort(self.lengths[units], kind="stable")]
        starts = self.batches.starts[first:] - self.batches.starts[first]
        parts = np.split(units, starts[(starts > 0) & (starts < len(units))])
        full = [part for part in parts if len(part) == len(parts[0])]
        return np.concatenate([full[number] for number in random.permutation(len(full))] + parts[len(full) :])


class Sorted(Schedule):
    """In each epoch from the easiest row to the hardest; rows of equal difficulty in random order."""

    def __init__(self, batches: Batches, seed: int, difficulty: np.ndarray, rank: np.ndarray) -> None:
        super().__init__(batches, seed, difficulty)
        self.rank = rank
        """By what units come in order, [units]."""

    def choose(self, random: np.random.Generator) -> np.ndarray:
        mixed = random.permutation(self.batches.once)[: self.places]  # a trainer may leave out what fills no batch
        return mixed[np.argsort(self.rank[mixed], kind="stable")]


class Growing(Schedule):
    """Batches drawn evenly from the rows that a pace lets take part; once these are all, each row once an epoch."""

    def __init__(
        self,
        batches: Batches,
        seed: int,
        difficulty: np.ndarray,
        lengths: np.ndarray | None,
        rank: np.ndarray,
        pace: Callable[[float], tuple[int, int]],
        until: float,
    ) -> None:
        super().__init__(batches, seed, difficulty, lengths)
        self.rank = rank
        """By what units come in order, [units]."""
        self.pace = pace
        self.until = until
        """Batches after which all rows take part."""
        self._shares = np.zeros(len(batches))

    def choose(self, random: np.random.Generator) -> np.ndarray:
        mixed = random.permutation(self.batches.graded)
        order = mixed[np.argsort(self.rank[mixed], kind="stable")]
        rows = np.cumsum(self.batches.sizes[order])  # up to each unit
        once = random.permutation(self.batches.once)
        chosen = np.empty(self.places, np.int64)
        first = 0
        while first < len(self):
            low, high = self._taking_part(first, rows)
            is_all = high - low == len(order)
            last = min(first + self._window(high - low, _WINDOW if is_all else int(self.until * _PART)), len(self))
            start, end = self.batches.starts[[first, last]]
            drawn = once[start:end] if is_all else random.choice(order[low:high], end - start, replace=False)
            chosen[start:end] = self._alike(drawn, first, random)
            self._shares[first:last] = self.batches.sizes[order[low:high]].sum() / rows[-1]
            first = last
        return chosen

    def _taking_part(self, batch: int, rows: np.ndarray) -> tuple[int, int]:
        """Which units take part in a batch of this epoch, as a range of their order; no fewer than a batch has.

        `rows` tells how many rows there are up to each unit.
        """
        low, high = self.pace((self.epoch * len(self) + batch) / self.until)
        low = min(int(np.searchsorted(rows, low, side="right")), len(rows) - self.largest)
        return low, max(int(np.searchsorted(rows, high)) + 1, low + self.largest)

    def told(self, batch: int) -> dict[str, float]:
        return {"share_of_rows": float(self._shares[batch]), **super().told(batch)}


class SelfPaced(Schedule):
    """All rows in the first epoch; then those on which the model loses no more than a threshold that grows.

    After Kumar, Packer & Koller 2010. The losses are measured when an epoch begins, and the rows below the threshold
    are gone through until the epoch has as many batches as ever. Rows that have no loss always take part.
    """

    memory: Memory
    """What was measured, by this process or by one before it."""

    def __init__(
        self,
        batches: Batches,
        seed: int,
        lengths: np.ndarray | None,
        measure: Callable[[], np.ndarray],
        start: float,
        growth: float,
    ) -> None:
        super().__init__(batches, seed, np.full(len(batches.once), np.nan), lengths)
        self.measure = measure
        """Gives the loss of each row now, [rows]."""
        self.start = start
        """The share of units that are below the first threshold."""
        self.growth = growth
        self._told: dict[str, float] = {}

    def choose(self, random: np.random.Generator) -> np.ndarray:
        easy = self._easy() if self.epoch else self.batches.once
        rounds = -(-self.places // len(easy))
        drawn = np.concatenate([random.permutation(easy) for _ in range(rounds)])
        chosen = np.empty(self.places, np.int64)
        window = self._window(len(easy))
        for first in range(0, len(self), window):
            start, end = self.batches.starts[[first, min(first + window, len(self))]]
            chosen[start:end] = self._alike(drawn[start:end], first, random)
        return chosen

    def _easy(self) -> np.ndarray:
        """The units below the threshold of this epoch; at least as many of the easiest as a batch has."""
        if self.memory.epoch != self.epoch:
            self.memory.remember(self.epoch, self.measure())
        self.difficulty = self.batches.of_units(self.memory.losses)
        if self.memory.first is None:
            self.memory.first = float(np.nanquantile(self.difficulty, self.start))
        threshold = self.memory.first * self.growth ** (self.epoch - 1)
        losses = np.nan_to_num(self.difficulty, nan=-np.inf)
        easy = np.flatnonzero(losses <= max(threshold, np.sort(losses)[self.largest - 1]))
        share = float(self.batches.sizes[easy].sum() / self.batches.sizes.sum())
        self._told = {"share_of_rows": share, "threshold": threshold}
        return easy

    def told(self, batch: int) -> dict[str, float]:
        return {**self._told, **super().told(batch)} if self.epoch else {"share_of_rows": 1.0}
