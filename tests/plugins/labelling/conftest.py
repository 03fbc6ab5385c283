"""Labelers at work on record batches, and whole recipes that use them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ladle.recipe import load
from ladle.rows import columns_of
from ladle.runner import run
from ladle.runs import Run, Runs


@pytest.fixture
def label() -> Callable[..., list[Any]]:
    """What a labeler writes into its column; what it declares has to come true, and nothing else may change."""

    def work(labeler: Any, **columns: Any) -> list[Any]:
        batch = pa.record_batch(
            {"_id": pa.array([f"r{n}" for n in range(len(next(iter(columns.values()))))]), **columns}
        )
        done = labeler.label_batch(batch)
        assert [labeler.label_row(row) for row in batch.to_pylist()] == done.to_pylist() or "nan" in repr(batch)
        declared = labeler.columns_after(columns_of(batch.schema))
        assert dict(columns_of(done.schema)) == dict(declared)
        unchanged = [name for name in batch.schema.names if name != labeler.into]
        assert repr(done.select(unchanged).to_pylist()) == repr(batch.select(unchanged).to_pylist())  # NaN is NaN here
        return done[labeler.into].to_pylist()

    return work


@pytest.fixture
def run_recipe(tmp_path: Path) -> Callable[[str, str], Run]:
    """Run a recipe on a CSV of this content."""

    def run_recipe(csv: str, label: str) -> Run:
        (tmp_path / "rows.csv").write_text(csv)
        path = tmp_path / "recipe.toml"
        path.write_text(f'[data.rows]\nsource = {{ use = "csv", path = "rows.csv" }}\n{label}')
        return run(load(path)[0], Runs(tmp_path / "runs"))

    return run_recipe
