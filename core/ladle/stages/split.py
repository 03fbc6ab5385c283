"""Dividing rows into train, validation and test."""

from __future__ import annotations

import collections
import hashlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..recipe.model import Split
from ..rejects import Reject
from ..rows import ID, ORIGIN, SPLIT, SYSTEM, Rows, as_json, columns_of, row_texts
from .work import Outcome, Rejects, RowSink, Work

_NAMES = ("train", "validation", "test")
_SCALE = 1 << 64


def split(work: Work) -> Outcome:
    """Write every row again with the split that it is in."""
    options = work.stage.component
    assert isinstance(options, Split)
    rows = work.rows()
    options.need_columns(columns_of(rows.schema))  # checked again, on what the rows really have
    assign = _assignment(options, rows)
    counts: collections.Counter[str] = collections.Counter()
    seen = 0
    with RowSink(work.folder) as sink, Rejects(work) as rejects:
        for batch in rows.whole_batches():
            seen += batch.num_rows
            names = assign(batch)
            counts.update(name for name in names if name in _NAMES)
            position = batch.schema.get_field_index(SPLIT)
            divided = batch.set_column(position, SPLIT, pa.array(names, pa.string()))
            known = pc.is_in(divided[SPLIT], pa.array(_NAMES))
            rejects.add(_unknown(divided.filter(pc.invert(known)), options.column))
            sink.write(divided.filter(known))
            work.events.emit("progress", stage=work.stage.name, advance=batch.num_rows, unit="rows")
    return Outcome(seen, sink.rows, rejects.total, rejects.details() | {"splits": dict(counts)})


def _assignment(options: Split, rows: Rows) -> Callable[[pa.RecordBatch], list[Any]]:
    if options.column:
        return lambda batch: batch[options.column].to_pylist()
    if options.time:
        return _by_time(options, rows)
    if options.by:
        return lambda batch: [_by_hash(text, options) for text in row_texts(batch, options.by)]
    return lambda batch: [_by_hash(_content(id_), options) for id_ in batch[ID].to_pylist()]


def _content(row_id: str) -> str:
    """The part of an id that equal rows share."""
    return row_id.rpartition(":")[2].partition("-")[0]


def _by_hash(text: str, options: Split) -> str:
    content = f"{options.seed}:{text}".encode(errors="surrogatepass")
    share = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest()) / _SCALE
    if share < options.test:
        return "test"
    return "validation" if share < options.test + options.validation else "train"


def _by_time(options: Split, rows: Rows) -> Callable[[pa.RecordBatch], list[Any]]:
    """The latest rows test, those before them validate; rows of one moment stay together, those of none train."""
    assert options.time is not None
    moments = rows.select([options.time]).table()[options.time].drop_null().sort()
    count = len(moments)

    def moment_at(share: float) -> Any:
        position = round(count * (1 - share))
        return moments[position].as_py() if position < count else None

    test_from = moment_at(options.test)
    validation_from = moment_at(options.test + options.validation)

    def name(moment: Any) -> str:
        if moment is None:
            return "train"
        if test_from is not None and moment >= test_from:
            return "test"
        return "validation" if validation_from is not None and moment >= validation_from else "train"

    return lambda batch: [name(moment) for moment in batch[options.time].to_pylist()]


def _unknown(batch: pa.RecordBatch, column: str | None) -> list[Reject]:
    return [
        Reject(
            "split",
            f"column `{column}` holds {row[SPLIT]!r}, expected one of train, validation, test",
            **row[ORIGIN],
            raw=as_json({name: value for name, value in row.items() if name not in SYSTEM}),
            id=row[ID],
        )
        for row in batch.to_pylist()
    ]
