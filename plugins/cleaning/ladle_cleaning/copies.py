"""Which rows are copies of others, exact ones or near ones, and which of them stay."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl
import pyarrow as pa

from ladle import Rows
from ladle.rows import ID, SPLIT

from .clusters import Clusters

_HELD_OUT = {"test": 0, "validation": 1}  # the others come after


class Near(Protocol):
    """Finds near copies among contents: the different things that rows say.

    Contents are numbered in an order that follows from what they are, so that the order of rows changes nothing.
    """

    def add(self, columns: list[pa.Array]) -> None:
        """The first reading: the columns of a batch of rows."""

    def wanted(self, rows: np.ndarray) -> np.ndarray:
        """Which contents to read again [contents, boolean]; `rows` are where they are among those added [contents]."""

    def read(self, columns: list[pa.Array], contents: np.ndarray) -> None:
        """The second reading: the columns of rows with wanted contents, and which these are."""

    def join(self, clusters: Clusters) -> None:
        """Join the contents that are near to each other."""

    def join_again(self, clusters: Clusters, staying: np.ndarray) -> bool:
        """Join those that are near to each other among the `staying` [contents, boolean]; whether there were any."""

    def likeness(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """How alike wanted contents are, pair by pair."""


class Choice(NamedTuple):
    """Which of several copies stays: the one worth most, the first or the last; of equal ones that of the lowest id."""

    place: int = 0
    """1: the first one, -1: the last one."""
    columns: Sequence[str] = ()
    worth: Callable[[list[pa.Array]], pa.Array] | None = None
    """What each row of a batch is worth, given these columns; null is the least."""


class Copies:
    """Looks for copies among rows, compared by what `comparable` makes of a batch of some of their columns."""

    def __init__(
        self, data: Rows, columns: list[str], comparable: Callable[[pa.RecordBatch], list[pa.Array]], near: Near | None
    ) -> None:
        self.data = data
        self.columns = columns
        self.comparable = comparable
        self.near = near

    def found(self, choice: Choice) -> pl.DataFrame:
        """The rows to drop, in order: `row`, where each is in the data; `stays`, the id of the one that stays for it;
        and `likeness`, how alike they are, which is null if they are equal.
        """
        rows = self._contents()
        clusters = Clusters(int(rows["is_first"].sum()))
        if self.near and len(rows):
            self._look_again(rows, clusters)
        while True:
            members = self._members(rows, clusters, choice)
            staying = np.ones(len(clusters.of), bool)
            staying[members["content"]] = False
            staying[members["staying content"]] = True
            if not self.near or not self.near.join_again(clusters, staying):
                break
        dropped = members.filter(pl.col("row") != pl.col("staying row")).sort("row")
        return dropped.select("row", pl.col("staying id").alias("stays"), likeness=self._likeness(dropped))

    def _contents(self) -> pl.DataFrame:
        """Of each row its place in the data, the number of its content, and whether no row before it has the same."""
        hashes = [pl.DataFrame(schema={"hash": pl.UInt64, "other hash": pl.UInt64})]
        for batch in self.data.select(self.columns).batches("arrow"):
            values = self.comparable(batch)
            frame = pl.DataFrame({str(number): column for number, column in enumerate(values)})
            # One hash of 64 bits alone would take different rows for equal in large data.
            hashes.append(pl.DataFrame({"hash": frame.hash_rows(seed=1), "other hash": frame.hash_rows(seed=2)}))
            if self.near:
                self.near.add(values)
        rows = pl.concat(hashes).with_row_index("row").sort("hash", "other hash", "row")
        is_first = pl.any_horizontal(pl.col("hash", "other hash").ne_missing(pl.col("hash", "other hash").shift()))
        rows = rows.select("row", is_first=is_first)
        return rows.with_columns(content=pl.col("is_first").cum_sum() - 1)

    def _look_again(self, rows: pl.DataFrame, clusters: Clusters) -> None:
        """Let near copies be found, reading again what may have some."""
        firsts = rows.filter("is_first")
        wanted = firsts.filter(self.near.wanted(firsts["row"].to_numpy())).sort("row")
        for start, batch in numbered(self.data.select(self.columns).batches("arrow")):
            here = between(wanted, start, start + batch.num_rows)
            if len(here):
                values = self.comparable(batch.take((here["row"] - start).to_arrow()))
                self.near.read(values, here["content"].to_numpy())
        self.near.join(clusters)

    def _members(self, rows: pl.DataFrame, clusters: Clusters, choice: Choice) -> pl.DataFrame:
        """The rows that have copies, and of each row, content and id of the copy that stays."""
        cluster = clusters.of[rows["content"]]
        has_copies = np.bincount(cluster)[cluster] > 1
        members = rows.with_columns(cluster=cluster).filter(has_copies).sort("row")
        told = [pl.DataFrame(schema={"id": pl.String, "split": pl.String, "worth": pl.Null})]
        for start, batch in numbered(self.data.whole_batches()):
            here = between(members, start, start + batch.num_rows)
            if len(here):
                known = batch.select([ID, SPLIT, *choice.columns]).take((here["row"] - start).to_arrow())
                worth = choice.worth([known[name] for name in choice.columns]) if choice.worth else pa.nulls(len(here))
                told.append(pl.DataFrame({"id": known[ID], "split": known[SPLIT], "worth": worth}))
        members = pl.concat([members, pl.concat(told, how="vertical_relaxed")], how="horizontal")
        held_out = pl.col("split").replace_strict(_HELD_OUT, default=len(_HELD_OUT))
        place = pl.col("row").cast(pl.Int64) * choice.place
        ordered = members.sort(
            "cluster", held_out, place, "worth", "id", descending=[False, False, False, True, False], nulls_last=True
        )
        staying = pl.col("row", "content", "id").first().over("cluster").name.prefix("staying ")
        return ordered.with_columns(staying)

    def _likeness(self, dropped: pl.DataFrame) -> pl.Series:
        likeness = np.full(len(dropped), np.nan)
        one, other = dropped["content"].to_numpy(), dropped["staying content"].to_numpy()
        differ = one != other
        if differ.any():
            likeness[differ] = self.near.likeness(one[differ], other[differ])
        return pl.Series(likeness).fill_nan(None)


def numbered(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches, each with the position in the data of its first row."""
    start = 0
    for batch in batches:
        yield start, batch
        start += batch.num_rows


def between(rows: pl.DataFrame, start: int, end: int) -> pl.DataFrame:
    """Of a frame in the order of `row`, those from `start` to before `end`."""
    row = rows["row"]
    return rows[bisect_left(row, start) : bisect_left(row, end)]
