"""Rows of two data sets that belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PrivateAttr, field_validator

from ladle import Columns, DataName, DataSource, OptionError

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Reject, Rows


class Join(DataSource):
    """Join two data sets of the recipe: the rows of one, with columns of the row of the other that has the same keys.

    Ids and splits stay those of the first. A row is rejected that has a null for a key or no row of the other to go
    with (`no-match`), unless `unmatched` says that it stays, or several (`several-matches`). The other's columns are
    held in memory.
    """

    left: DataName = Field(description="The data set whose rows these are.")
    right: DataName = Field(description="The data set whose columns join them.")
    on: list[str] | dict[str, str] = Field(
        min_length=1,
        description="The columns that have to be equal, whatever their types: those with the same name in both, or, as "
        "a table, each of the first with the other's. Values are compared as texts.",
    )
    columns: list[str] | dict[str, str] = Field(
        min_length=1,
        description="The other's columns to take; as a table, each with the name that it shall have.",
    )

    unmatched: Literal["reject", "keep"] = Field(
        default="reject",
        description="What becomes of a row without one of the other: with `keep` it has nulls in the columns taken.",
    )

    _data: Any = PrivateAttr(default=None)

    @field_validator("right")
    @classmethod
    def _another(cls, right: str, info: Any) -> str:
        if right == info.data.get("left"):
            raise OptionError("a data set cannot be joined with itself", option="right", help="name another data set")
        return right

    @property
    def _keys(self) -> dict[str, str]:
        return self.on if isinstance(self.on, dict) else dict(zip(self.on, self.on, strict=True))

    @property
    def _taken(self) -> dict[str, str]:
        columns = self.columns
        return columns if isinstance(columns, dict) else dict(zip(columns, columns, strict=True))

    def columns_of(self, data: Mapping[str, Columns]) -> Columns:
        left, right = data[self.left], data[self.right]
        for ours, theirs in self._keys.items():
            left.need(ours, option="on")
            right.need(theirs, option="on")
        after = left
        for theirs, name in self._taken.items():
            type_ = right.need(theirs, option="columns")
            if name in left:
                raise OptionError(
                    f"`{self.left}` has a column `{name}` already",
                    option="columns",
                    item=name,
                    help=f'give it another name: columns = {{ {theirs} = "…" }}',
                )
            after = after.having(name, type_)
        return after

    def reading(self, data: Mapping[str, Rows]) -> Join:
        copy = self.model_copy()
        copy._data = data
        return copy

    def read(self) -> Iterator[pa.RecordBatch | Reject]:
        import pyarrow as pa

        other = self._data[self.right].select([*self._keys.values(), *self._taken]).table()
        keys = _keys_of(other, list(self._keys.values()))
        counts = Counter(keys)
        places = {key: place for place, key in enumerate(keys) if key is not None}
        for batch in self._data[self.left].whole_batches():
            ours = _keys_of(batch, list(self._keys))
            fits = [self._fits(counts[key] if key is not None else 0) for key in ours]
            kept = batch.filter(pa.array(fits, pa.bool_()))
            rows = pa.array([places.get(key) for key, fit in zip(ours, fits, strict=True) if fit], pa.int64())
            for theirs, name in self._taken.items():
                kept = kept.append_column(name, other[theirs].combine_chunks().take(rows))
            yield kept
            yield from self._rejects(batch, ours, fits, counts)

    def _fits(self, partners: int) -> bool:
        """Whether a row stays that so many of the other's rows could join."""
        return partners == 1 or (partners == 0 and self.unmatched == "keep")

    def _rejects(
        self, batch: pa.RecordBatch, keys: list[str | None], fits: list[bool], counts: Mapping[str | None, int]
    ) -> Iterator[Reject]:
        from ladle import Reject
        from ladle.rows import ID, ORIGIN, SYSTEM, as_json

        for place, key in enumerate(keys):
            if fits[place]:
                continue
            row = batch.slice(place, 1).to_pylist()[0]
            said = ", ".join(f"`{name}` = {row[name]!r}" for name in self._keys)
            rule, reason = "no-match", f"`{self.right}` has no row for {said}"
            if key is not None and counts[key]:
                rule, reason = "several-matches", f"`{self.right}` has {counts[key]} rows for {said}"
            raw = as_json({name: value for name, value in row.items() if name not in SYSTEM})
            yield Reject(rule, reason, **(row[ORIGIN] or {}), id=row[ID], raw=raw)


def _keys_of(rows: Any, names: list[str]) -> list[str | None]:
    """For each row its key; None where a part of it is null."""
    columns = [rows[name].to_pylist() for name in names]
    return [None if None in values else "\x1f".join(map(str, values)) for values in zip(*columns, strict=True)]
