from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ladle import Rows
from ladle.components import RowWork
from ladle.rows import ORIGIN_TYPE


@pytest.fixture
def rows_of(tmp_path: Path) -> Callable[..., Rows]:
    """Writes rows as they travel between stages: in batches of `cut` rows, all in the train split unless told."""

    def write(columns: dict[str, Any], splits: Sequence[str] | None = None, cut: int = 3) -> Rows:
        table = pa.table(columns)
        system = {
            "_id": pa.array([f"r{number}" for number in range(len(table))], pa.string()),
            "_split": pa.array(splits or ["train"] * len(table), pa.string()),
            "_origin": pa.nulls(len(table), ORIGIN_TYPE),
        }
        for name, values in system.items():
            table = table.append_column(name, values)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=cut)
        return Rows([path])

    return write


@pytest.fixture
def fit_and_extract() -> Callable[[RowWork, Rows], pa.Table]:
    """Learn from the train split, keep what was learnt as JSON as the core does, and work on all rows."""

    def work(component: RowWork, rows: Rows) -> pa.Table:
        state = json.loads(json.dumps(component.fit(rows.of_split("train")), allow_nan=False))
        return pa.Table.from_batches(list(component.with_state(state).work(rows)))

    return work
