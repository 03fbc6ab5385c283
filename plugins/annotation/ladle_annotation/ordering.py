"""Which rows are labelled first."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from .table import RowTable

HELD_OUT = ("validation", "test")
LOOKED_AT = 5000
"""Rows, drawn among all, that are clustered, or that a model is asked about."""


class Order(NamedTuple):
    """Places of all rows, those to be labelled first in front, and how that was found, for people."""

    places: list[int]
    how: str


def as_given(table: RowTable) -> Order:
    """Rows as they come."""
    return Order(list(range(len(table))), "as they come")


def drawn(table: RowTable, seed: int) -> Order:
    """Rows in an order that is drawn."""
    places = list(range(len(table)))
    random.Random(seed).shuffle(places)
    return Order(places, "drawn at random")


def by_centres(table: RowTable, column: str, count: int, seed: int) -> Order | None:
    """First the rows nearest to the centres of `count` clusters of vectors (k-means), the largest cluster's first.

    A few labels then tell of as many sorts of rows as there can be; the other rows follow as drawn. None if too few
    rows have a vector.
    """

    def nearest(places: Sequence[int]) -> list[int] | None:
        import numpy as np
        from sklearn.cluster import KMeans

        vectors, known = table.vectors(column, places)
        if len(known) <= count:
            return None
        found = KMeans(count, n_init=1, random_state=seed).fit(vectors)
        distances = found.transform(vectors)
        sizes = np.bincount(found.labels_, minlength=count)
        rows = (int(distances[:, cluster].argmin()) for cluster in np.argsort(-sizes, kind="stable"))
        return list(dict.fromkeys(known[row] for row in rows))

    return _in_front(table, seed, nearest, "the centres of clusters first, then drawn at random")


def by_margin(
    table: RowTable, probabilities: Callable[[Iterable[str]], Mapping[str, Mapping[str, float]]], seed: int, who: str
) -> Order | None:
    """First the rows whose two likeliest labels a model finds nearly as likely (Scheffer et al. 2001).

    `probabilities` gives those of labels, by rows, of the rows it is asked about. None if it tells none.
    """

    def unsure(places: Sequence[int]) -> list[int] | None:
        said = probabilities(table.ids[place] for place in places)
        margins = {table.place_of[row]: _margin(found.values()) for row, found in said.items() if len(found) > 1}
        return sorted(margins, key=lambda place: (margins[place], place)) or None

    return _in_front(table, seed, unsure, f"those that {who} is least sure of first")


def _margin(probabilities: Iterable[float]) -> float:
    first, second = sorted(probabilities, reverse=True)[:2]
    return first - second


def _in_front(
    table: RowTable, seed: int, choose: Callable[[Sequence[int]], list[int] | None], how: str
) -> Order | None:
    """The rows that `choose` finds among those to learn from, then the others as drawn.

    Rows to measure by come between in an order that is drawn: what is measured on them shall hold for all rows, not
    for those that are central, or hard.
    """
    places = drawn(table, seed).places
    splits = table.splits()
    learning = [place for place in places if splits[place] not in HELD_OUT]
    measuring = [place for place in places if splits[place] in HELD_OUT]
    chosen = choose(learning[:LOOKED_AT])
    if chosen is None:
        return None
    first = set(chosen)
    learning = [*chosen, *(place for place in learning if place not in first)]
    return Order(_interleaved(learning, measuring), how)


def _interleaved(many: Sequence[int], few: Sequence[int]) -> list[int]:
    """Two lists in one, each spread evenly over it."""
    ranked = [
        ((at + 0.5) / len(group), which, place)
        for which, group in enumerate((many, few))
        for at, place in enumerate(group)
    ]
    return [place for *_, place in sorted(ranked)]
