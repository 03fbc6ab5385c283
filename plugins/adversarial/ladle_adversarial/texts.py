"""The texts that a trainer's rows were made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from datasets import Dataset

    from ladle.training import Setting


class Texts:
    """The text of each of a trainer's rows, read from the data set where it stands; "" where there is none."""

    def __init__(self, setting: Setting, split: str) -> None:
        column = setting.plan.trainer.column
        whole = setting.rows(split)
        self._ids = pa.array(whole["_id"][:], pa.string())
        self._texts = whole.select_columns([column])
        self._column = column

    def places_of(self, rows: Dataset) -> list[int]:
        """Where the texts of `rows` are; -1 for a row that comes from elsewhere."""
        ids = pa.array(rows["_id"][:], pa.string())
        return pc.fill_null(pc.index_in(ids, value_set=self._ids), -1).to_pylist()

    def at(self, places: list[int]) -> list[str]:
        return [row[self._column] or "" for row in self._texts.__getitems__(places)]
