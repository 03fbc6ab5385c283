"""Cleaning, extracting and labelling: rows in, the same rows out, changed, or rejected with a reason."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ..columns import Columns
from ..components import RowWork
from ..registry import PluginError
from ..rejects import Batch, Cleaned, Reject
from ..rows import (
    ID,
    ORIGIN,
    SYSTEM,
    Rows,
    arrow_type,
    as_json,
    build_batch,
    column_type,
    columns_of,
)
from ..store import STATE, read_json, write_json
from .work import EXAMPLES, Outcome, Rejects, RowSink, TableSink, Work

CHANGE_SCHEMA = pa.schema(
    [("id", pa.string()), ("column", pa.string()), ("before", pa.string()), ("after", pa.string())]
)
_HIDDEN = "(not kept)"


def transform(work: Work) -> Outcome:
    """Let a component work on all rows of its inputs."""
    component = work.component
    assert isinstance(component, RowWork)
    rows = work.rows()
    if work.stage.data_sets:
        beside = {name: work.rows_of(stages) for name, stages in work.stage.data_sets.items()}
        component = component.with_beside(beside)
    after = component.columns_after(columns_of(rows.schema))  # checked again, on what the rows really have
    if component.learns:
        write_json(work.folder / STATE, component.fit(rows.of_split("train")))
    component = restored(component, work.folder)
    changes = _Changes(work.folder, component.is_secret) if work.stage.kind == "clean" else None
    seen = 0
    counts: collections.Counter[str] = collections.Counter()
    with RowSink(work.folder) as sink, Rejects(work) as rejects:
        for batch in worked(component, rows, after):
            seen += batch.before.num_rows
            rejects.add(batch.rejects.values())
            counts.update(batch.counts)
            before, kept = batch.kept()
            if changes:
                changes.compare(before, kept)
            sink.write(kept)
            work.events.emit("progress", stage=work.stage.name, advance=batch.before.num_rows, unit="rows")
    details = rejects.details()
    if changes:
        changes.close()
        details |= changes.details()
    if counts:
        details["counts"] = dict(counts.most_common())
    if work.stage.kind == "label":
        details["labels"] = _label_counts(after, work.folder)
    return Outcome(seen, sink.rows, rejects.total, details, after.as_json())


def restored(component: RowWork, folder: Path) -> RowWork:
    """The component with what it has learnt, which `folder` keeps: to the last digit the same at prediction."""
    return component.with_state(read_json(folder / STATE)) if component.learns else component


class WorkedBatch(NamedTuple):
    """A batch before and after a component's work, of the same length, and the rejects by their position in it."""

    before: pa.RecordBatch
    after: pa.RecordBatch
    rejects: dict[int, Reject]
    counts: Mapping[str, int]

    def kept(self) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """Before and after, without the rejects."""
        if not self.rejects:
            return self.before, self.after
        mask = pa.array([position not in self.rejects for position in range(self.before.num_rows)])
        return self.before.filter(mask), self.after.filter(mask)


def worked(component: RowWork, rows: Rows, after: Columns) -> Iterator[WorkedBatch]:
    """A component's work on rows, batch by batch; `after` are the columns that it declares.

    Raises PluginError if it gives other rows than it got, or values that are not of the types declared.
    """
    answers = iter(component.work(rows))
    for before in rows.whole_batches():
        answer = next(answers, None)
        if answer is None:
            raise PluginError("it gave fewer batches than it got")
        cleaned = answer if isinstance(answer, Cleaned) else Cleaned(answer)
        rejects = _completed(cleaned.rejects, before, component.is_secret)
        yield WorkedBatch(before, _as_arrow(cleaned.batch, before, after), rejects, cleaned.counts)
    if next(answers, None) is not None:
        raise PluginError("it gave more batches than it got")


def _as_arrow(batch: Batch, before: pa.RecordBatch, after: Columns) -> pa.RecordBatch:
    """What a component gave as a record batch, with the core's own columns as they were before."""
    types = {name: arrow_type(type_) for name, type_ in after.items()}
    if not isinstance(batch, pa.RecordBatch):
        same = {f.name: f.type for f in before.schema if types.get(f.name) in (None, arrow_type(column_type(f.type)))}
        try:
            batch = build_batch({n: values for n, values in batch.items() if n not in SYSTEM}, types | same)
        except ValueError as error:
            raise PluginError(f"its values are not what it declares: {error}") from None
    if batch.num_rows != before.num_rows:
        raise PluginError(f"it gave {batch.num_rows} rows for {before.num_rows}")
    own = [name for name in batch.schema.names if name not in SYSTEM]
    _check_declared(columns_of(batch.schema), after)
    return pa.RecordBatch.from_arrays(
        [*(before[name] for name in SYSTEM), *(batch[name] for name in own)], names=[*SYSTEM, *own]
    )


def _check_declared(found: Columns, after: Columns) -> None:
    """Raises PluginError unless the columns are those that the component declares."""
    for name in {**found, **after}:
        if name not in found:
            raise PluginError(f"it left out the column `{name}`")
        if name not in after:
            raise PluginError(f"it made a column `{name}`, which it does not declare")
        types = {found[name], after[name]}
        if len(types) > 1 and "any" not in types and types != {"vector", "list"}:
            raise PluginError(f"its column `{name}` holds {found[name]}, and it declares {after[name]}")


def _completed(rejects: Mapping[int, Reject], before: pa.RecordBatch, is_secret: bool) -> dict[int, Reject]:
    """The rejects with what the core knows of the rows: id, origin, and what they were unless that `is_secret`."""
    if not rejects:
        return {}
    positions = list(rejects)
    if beyond := [position for position in positions if position not in range(before.num_rows)]:
        raise PluginError(f"it rejects the row at {beyond[0]} of a batch of {before.num_rows}")
    completed = {}
    for position, row in zip(positions, before.take(pa.array(positions)).to_pylist(), strict=True):
        raw = None if is_secret else as_json({name: value for name, value in row.items() if name not in SYSTEM})
        completed[position] = rejects[position]._replace(**(row[ORIGIN] or {}), id=row[ID], raw=raw)
    return completed


class _Changes:
    """What a cleaner changed, cell by cell; of what `is_secret` only what it is now."""

    def __init__(self, folder: Path, is_secret: bool) -> None:
        self.is_secret = is_secret
        self.sink = TableSink(folder / "changes.arrow", CHANGE_SCHEMA)
        self.counts: collections.Counter[str] = collections.Counter()
        self.examples: list[dict[str, Any]] = []

    def compare(self, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
        for name in after.schema.names:
            if name in SYSTEM or name not in before.schema.names:
                continue
            old, new = _as_strings(before[name]), _as_strings(after[name])
            changed = pc.fill_null(pc.not_equal(old, new), False)
            changed = pc.or_(changed, pc.xor(pc.is_null(old), pc.is_null(new)))
            if count := pc.sum(changed).as_py():
                self.counts[name] += count
                self._keep(name, before[ID].filter(changed), old.filter(changed), new.filter(changed))

    def _keep(self, name: str, ids: pa.Array, old: pa.Array, new: pa.Array) -> None:
        rows = [
            {"id": i, "column": name, "before": _HIDDEN if self.is_secret else b, "after": a}
            for i, b, a in zip(ids.to_pylist(), old.to_pylist(), new.to_pylist(), strict=True)
        ]
        self.examples += rows[: EXAMPLES - len(self.examples)]
        self.sink.write(rows)

    def close(self) -> None:
        self.sink.__exit__(None, None, None)

    def details(self) -> dict[str, Any]:
        return {"changes_by_column": dict(self.counts.most_common()), "change_examples": self.examples}


def _as_strings(column: pa.Array) -> pa.Array:
    if pa.types.is_nested(column.type):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def _label_counts(after: Columns, folder: Path) -> dict[str, dict[str, int]]:
    """How often each label was given, for every column the labeler made."""
    made = [name for name in after.written if after.get(name) in ("text", "integer", "boolean")]
    counts: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in made}
    for batch in Rows.of_stages([folder]).select(made).batches():
        for name in made:
            counts[name].update("(none)" if value is None else str(value) for value in batch[name])
    return {name: dict(counter.most_common()) for name, counter in counts.items()}
