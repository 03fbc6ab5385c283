"""Rows for cleaners in a real file, cleaners at work on them as the core puts them to work, and whole recipes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from pydantic import ValidationError

from ladle import Cleaned, Columns, DataSource, InputPath, OptionError, Reject, Rows, origins
from ladle.recipe import load
from ladle.registry import About, Offer, Plugin, Registry, installed
from ladle.rows import ORIGIN_TYPE, SYSTEM, arrow_type, column_type
from ladle.runner import run
from ladle.runs import Run, Runs


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
            cleaned = after if isinstance(after, Cleaned) else Cleaned(after)
            batch, dropped = cleaned.batch, cleaned.rejects
            assert batch["_id"].equals(before["_id"])
            assert _types(batch.schema) == dict(declared)
            is_narrow = any(field.type in (pa.float16(), pa.float32()) for field in before.schema)  # 0.1 is not 0.1
            if cleaner.is_light and not cleaner.learns and not is_narrow:
                assert_rows_alike(cleaner, before, batch, dropped)
            for position, row in enumerate(batch.to_pylist()):
                id_ = row.pop("_id")
                if position in dropped:
                    rejects[id_] = dropped[position]
                else:
                    kept[id_] = row
        return Outcome(kept, rejects, declared)

    return run


def assert_rows_alike(cleaner, before: pa.RecordBatch, after: pa.RecordBatch, rejects: dict[int, Reject]) -> None:
    """What a cleaner does to one row is what it does to a batch."""
    for position, row in enumerate(before.to_pylist()):
        done = cleaner.clean_row(row)
        if position in rejects:
            assert done == rejects[position]
        else:
            assert repr(done) == repr(after.slice(position, 1).to_pylist()[0])


@pytest.fixture(scope="session")
def refused():
    """The error with which a component refuses its options."""

    def error_of(component, **options) -> OptionError:
        with pytest.raises(ValidationError) as caught:
            component.model_validate(options)
        (error,) = caught.value.errors()
        return error["ctx"]["error"]

    return error_of


class Lines(DataSource):
    """Rows of a file of JSON lines, each with where it came from."""

    path: InputPath

    def peek(self):
        return {"text": "text", "stars": "text", "split": "text"}

    def read(self):
        offset = 0
        for number, line in enumerate(self.path.read_bytes().splitlines(keepends=True), 1):
            try:
                values = {name: pa.array([value], pa.string()) for name, value in json.loads(line).items()}
                yield pa.record_batch(values | {"_origin": origins(self.path.name, [number], [offset])})
            except ValueError:
                yield Reject("json", "this is no JSON", self.path.name, number, offset, line.rstrip())
            offset += len(line)


class Done(NamedTuple):
    """A finished run, and its stages by name."""

    run: Run
    runs: Runs

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        return {stage["name"]: stage for stage in self.run.outcome["stages"]}

    def folder(self, stage: str) -> Path:
        return self.runs.store.folder(next(s["key"] for s in self.run.lock["stages"] if s["name"] == stage))

    def kept(self, stage: str) -> list[dict[str, Any]]:
        return list(Rows.of_stages([self.folder(stage)]))

    def rejects(self, stage: str) -> list[dict[str, Any]]:
        with pa.OSFile(str(self.folder(stage) / "rejects.arrow")) as file, pa.ipc.open_stream(file) as reader:
            return reader.read_all().to_pylist()


@pytest.fixture
def run_recipe(tmp_path):
    """Run a recipe with these tables, and `others` of ladle's packages, on the data set `reviews` of lines of JSON."""

    def run_recipe(lines: list[str], tables: str, *others: str) -> Done:
        (tmp_path / "reviews.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        recipe = tmp_path / "recipe.toml"
        recipe.write_text('[data.reviews.source]\nuse = "lines"\npath = "reviews.jsonl"\n' + tables, encoding="utf-8")
        plugins = [plugin for plugin in installed().plugins if plugin.name in ("ladle", "ladle-cleaning", *others)]
        offers = [offer for offer in installed().offers if offer.plugin in plugins]
        registry = Registry(plugins, [*offers, Offer("lines", "source", Plugin(About("ladle", "1")), Lines)])
        runs = Runs(tmp_path / "runs")
        return Done(run(load(recipe, registry)[0], runs), runs)

    return run_recipe
