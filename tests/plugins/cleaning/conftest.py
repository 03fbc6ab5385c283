"""Rows for cleaners in a real file, and cleaners at work on them as the core puts them to work."""

from __future__ import annotations

import itertools
import json
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from pydantic import ValidationError

from ladle import Cleaned, Columns, OptionError, Reject, Rows
from ladle.rows import ORIGIN_TYPE, SYSTEM, arrow_type, column_type


class Outcome(NamedTuple):
    """The rows that a cleaner kept, by id, and the rejects of the others."""

    kept: dict[str, dict[str, Any]]
    rejects: dict[str, Reject]
    columns: Columns

    def values(self, column: str) -> list[Any]:
        return [row[column] for row in self.kept.values()]


@pytest.fixture(scope="session")
def rows(tmp_path_factory):
    """Columns as Rows of ids r0, r1, …: in small batches, and in the train split unless `splits` says otherwise."""
    folder, numbers = tmp_path_factory.mktemp("rows"), itertools.count()

    def write(columns, types=None, splits=None, per_batch=3) -> Rows:
        length = len(next(iter(columns.values())))
        given = {
            name: values if isinstance(values, pa.Array) else pa.array(values, arrow_type((types or {}).get(name)))
            for name, values in columns.items()
        }
        system = {
            "_id": pa.array([f"r{row}" for row in range(length)], pa.string()),
            "_split": pa.array(splits or ["train"] * length, pa.string()),
            "_origin": pa.nulls(length, ORIGIN_TYPE),
        }
        path = folder / f"{next(numbers)}.arrow"
        table = pa.table(system | given)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=per_batch)
        return Rows([path])

    return write


def _types(schema: pa.Schema) -> dict[str, str]:
    return {field.name: column_type(field.type) for field in schema if field.name not in SYSTEM}


@pytest.fixture(scope="session")
def clean():
    """Check a cleaner's columns, let it learn, let it work; what it declared has to come true."""

    def run(cleaner, data: Rows) -> Outcome:
        declared = cleaner.columns_after(Columns(_types(data.schema)))
        if cleaner.learns:
            cleaner = cleaner.with_state(json.loads(json.dumps(cleaner.fit(data.of_split("train")))))
        kept, rejects = {}, {}
        done = list(cleaner.work(data))
        for before, after in zip(data.batches("arrow"), done, strict=True):
            batch, dropped = after if isinstance(after, Cleaned) else Cleaned(after)
            assert batch["_id"].equals(before["_id"])
            assert _types(batch.schema) == dict(declared)
            for position, row in enumerate(batch.to_pylist()):
                id_ = row.pop("_id")
                if position in dropped:
                    rejects[id_] = dropped[position]
                else:
                    kept[id_] = row
        return Outcome(kept, rejects, declared)

    return run


@pytest.fixture(scope="session")
def refused():
    """The error with which a component refuses its options."""

    def error_of(component, **options) -> OptionError:
        with pytest.raises(ValidationError) as caught:
            component.model_validate(options)
        (error,) = caught.value.errors()
        return error["ctx"]["error"]

    return error_of
