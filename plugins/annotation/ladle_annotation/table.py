"""The rows to label, of which any can be looked up: they stay in the files of the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.rows import ID, SPLIT, columns_of

if TYPE_CHECKING:
    import numpy as np

    from ladle import Rows


class RowTable:
    """Rows by their places, from 0, and by their ids."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.types = columns_of(rows.schema)
        self._batches = list(rows.whole_batches())  # in memory are no more of them than is looked at
        self._ends = list(accumulate(batch.num_rows for batch in self._batches))
        self.ids: list[str] = [id_ for batch in self._batches for id_ in batch[ID].to_pylist()]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def place_of(self) -> dict[str, int]:
        """By id the place of a row."""
        return {id_: place for place, id_ in enumerate(self.ids)}

    def row(self, place: int, columns: Sequence[str]) -> dict[str, Any]:
        """Some columns of a row; those that there are not are left out."""
        from bisect import bisect_right

        number = bisect_right(self._ends, place)
        batch = self._batches[number]
        within = place - (self._ends[number] - batch.num_rows)
        return {name: batch[name][within].as_py() for name in columns if name in batch.schema.names}

    def splits(self) -> list[str]:
        """The split that each row is in."""
        return [split for batch in self._batches for split in batch[SPLIT].to_pylist()]

    def is_filled(self, column: str) -> list[bool]:
        """Whether each row has a value in a column."""
        if column not in self.types:
            return [False] * len(self)
        return [filled for batch in self._batches for filled in batch[column].is_valid().to_pylist()]

    def vectors(self, column: str, places: Sequence[int]) -> tuple[np.ndarray, list[int]]:
        """The vectors of some rows, [those, width], and the places of those that have one as long as the first's."""
        import numpy as np

        wanted = pa.array(sorted(places))
        table = pa.Table.from_batches([batch.select([column]) for batch in self._batches]).take(wanted)
        lengths = pc.list_value_length(table[column])
        known = lengths.drop_null()
        if not len(known):
            return np.zeros((0, 0)), []
        fits = pc.fill_null(pc.equal(lengths, known[0]), False)
        flat = pc.list_flatten(table[column].filter(fits)).to_numpy()
        vectors = flat.reshape(-1, known[0].as_py()).astype(np.float64)
        finite = np.isfinite(vectors).all(1)
        kept = [
            place
            for place, is_finite in zip(wanted.filter(fits.combine_chunks()).to_pylist(), finite, strict=True)
            if is_finite
        ]
        return vectors[finite], kept


def digest_of(row: dict[str, Any], columns: Sequence[str]) -> str:
    """What tells rows apart by what is shown of them."""
    text = json.dumps([row.get(column) for column in columns], ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=12).hexdigest()
