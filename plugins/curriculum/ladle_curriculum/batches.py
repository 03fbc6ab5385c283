"""What a curriculum keeps of a trainer's own batches: how many rows are in each, and what is repeated or packed."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset

_PROBED = 2000  # rows at most, short and long ones, whose batches tell whether there is a budget
_PACKS = 64  # in each group of rows that is packed by itself, about: the last pack of a group is seldom full
_GROUPS = 8  # at least, as long as each has a few packs

Inner = Callable[[Any], Iterable[list[int]]]
"""What a trainer answers to `sampler`, for any rows."""


class Batches:
    """Batches whose places are free: which unit stands in each is for a schedule to say.

    A unit is a row; or, where the trainer fills batches up to a budget, the rows that it packs into one of them.
    """

    def __init__(self, places: list[np.ndarray], rows: int, packs: list[list[int]] | None = None) -> None:
        self.places = places
        """Of each batch the numbers of its places, in the order in which a unit stands there for the first time; one
        that a trainer repeats has the same number again, in this batch or a later one."""
        self.packs = packs
        """The rows of each unit, if it is not a row."""
        self.graded = self.once = np.arange(rows if packs is None else len(packs))
        """The units that may be chosen by difficulty, and those in which each row is once, as the trainer has it."""
        ends = np.maximum.accumulate([batch.max() + 1 for batch in places])
        self.starts = np.concatenate([[0], ends])
        """How many places have come before each batch, and in the end."""
        self.sizes = np.ones(rows, int) if packs is None else np.array([len(pack) for pack in packs])
        """How many rows each unit is."""

    def __len__(self) -> int:
        return len(self.places)

    @property
    def is_plain(self) -> bool:
        """Whether a batch is rows, each once."""
        return self.packs is None and int(self.starts[-1]) == sum(map(len, self.places))

    def rows(self, batch: int, chosen: np.ndarray) -> list[int]:
        """The rows of a batch, given the unit for each place, [places]."""
        units = chosen[self.places[batch]].tolist()
        return units if self.packs is None else [row for unit in units for row in self.packs[unit]]

    def of_units(self, values: np.ndarray) -> np.ndarray:
        """Values [rows] as values [units]: of the rows in a pack, their mean; without those that are NaN."""
        if self.packs is None:
            return values
        return np.array([_mean(values[pack]) for pack in self.packs])


def batches_of(inner: Inner, rows: Dataset, scores: np.ndarray | None = None, only_graded: bool = False) -> Batches:
    """The trainer's batches of `rows`.

    If it packs rows, and there are `scores` [rows] by which these can be chosen, it packs those that are near each
    other in one more time, so that hard rows are not in one pack with easy ones. Such packs are seldom as full: with
    `only_graded` there are as many batches as there are of them, to hold every row; otherwise as many as ever.
    """
    own = [list(batch) for batch in inner(rows)]
    if _has_budget(inner, rows, own):
        if scores is None:
            return _of_packs(own, len(own), len(rows))
        graded = _packed(inner, rows, np.argsort(scores, kind="stable"), len(own))
        if only_graded:
            return _of_packs(graded, len(graded), len(rows))
        batches = _of_packs(graded + own, len(own), len(rows))
        batches.graded, batches.once = np.split(batches.once, [len(graded)])
        return batches
    own.sort(key=len, reverse=True)  # of several processes each gets a batch of one size
    numbers: dict[int, int] = collections.defaultdict(lambda: len(numbers))
    return Batches([np.array([numbers[row] for row in batch]) for batch in own], len(rows))


def _of_packs(packs: list[list[int]], count: int, rows: int) -> Batches:
    """So many batches of one pack each."""
    return Batches([np.array([number]) for number in range(count)], rows, packs)


def _has_budget(inner: Inner, rows: Dataset, own: list[list[int]]) -> bool:
    """Whether it depends on the length of rows how many are in a batch."""
    sizes = [len(batch) for batch in own]
    if sum(size < max(sizes) for size in sizes) > 1:
        return True
    if "length" not in rows.column_names or len(rows) < 2:
        return False
    order = np.argsort(rows.with_format("numpy")["length"][:], kind="stable")
    few = min(len(order) // 2, _PROBED)
    short, long = (sorted(map(len, inner(rows.select(part)))) for part in (order[:few], order[len(order) - few :]))
    return short != long


def _packed(inner: Inner, rows: Dataset, order: np.ndarray, packs: int) -> list[list[int]]:
    """Packs of rows that follow each other in `order`, as the trainer packs them."""
    count = max(1, packs // _PACKS, min(_GROUPS, packs // 4))
    groups = np.array_split(order, count)
    return [group[list(pack)].tolist() for group in groups for pack in inner(rows.select(group))]


def _mean(values: np.ndarray) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")
