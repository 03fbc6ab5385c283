"""Collecting: a source's rows get their id, their origin and a place in the store."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..components import DataSource
from ..rejects import Reject
from ..rows import (
    BATCH_ROWS,
    ID,
    ORIGIN,
    SPLIT,
    SYSTEM,
    Rows,
    arrow_type,
    build_batch,
    columns_of,
    origins,
    row_texts,
)
from ..store import OUTCOME, digest, write_json
from .occurrences import Occurrences
from .work import Outcome, Rejects, RowSink, Work


def collect(work: Work) -> Outcome:
    """Read a source to its end."""
    source = work.stage.component
    assert isinstance(source, DataSource)
    if is_derived := bool(source.data_names()):
        source = source.reading({name: work.rows_of(stages) for name, stages in work.stage.data_sets.items()})
    number = work.stage.name.rpartition(".")[2]
    identify = _Identifier(f"{number}:" if number.isdigit() and number != "1" else "", source.identified_by())
    with ExitStack() as stack, RowSink(work.folder) as rows, Rejects(work) as rejects:
        source = source.keeping(lambda name, besides: stack.enter_context(_kept(name, besides, work)))
        for item in _in_batches(source, work):
            if isinstance(item, Reject):
                rejects.add([item])
            else:
                if not is_derived and (taken := [n for n in item.schema.names if n in (ID, SPLIT)]):
                    raise work.error(f"the source has a column `{taken[0]}`, a name that ladle needs", "rename it")
                rows.write(identify(item))
                work.events.emit("progress", stage=work.stage.name, advance=item.num_rows, unit="rows")
    flow = columns_of(Rows.of_stages([work.folder]).schema).as_json() if rows.rows else {}
    return Outcome(rows.rows + rejects.total, rows.rows, rejects.total, rejects.details(), flow)


@contextmanager
def _kept(name: str, besides: Collection[str], work: Work) -> Iterator[Path]:
    """What a source keeps: under the options that decide it, in a folder that is whole when the context ends well."""
    component = {part: value for part, value in work.stage.parts["component"].items() if part != "version"}
    options = {option: value for option, value in component["options"].items() if option not in besides}
    key = digest({"kept": name, **component, "options": options})
    told = {"stage": work.stage.name, "kind": "kept", "use": name}
    with work.store.making(key, True, on_wait=lambda: work.events.emit("waiting", **told)) as folder:
        if folder is not None:
            write_json(folder / OUTCOME, told)
        yield folder or work.store.folder(key)


def _in_batches(source: DataSource, work: Work) -> Iterator[pa.RecordBatch | Reject]:
    """A source's answers with single rows gathered into batches."""
    types: dict[str, Any] | None = None
    waiting: list[dict[str, Any]] = []
    seen = 0

    def gathered() -> pa.RecordBatch:
        nonlocal seen, types
        if types is None:
            types = {name: arrow_type(type_) for name, type_ in (source.peek() or {}).items()}
        names = dict.fromkeys(name for row in waiting for name in row)
        try:
            batch = build_batch({name: [row.get(name) for row in waiting] for name in names}, types)
        except ValueError as error:
            raise work.error(str(error), "the source gives values of different types in one column") from None
        numbers = range(seen + 1, seen + 1 + len(waiting))
        seen += len(waiting)
        waiting.clear()
        return batch.append_column(pa.field(ORIGIN, (o := origins(work.stage.use, list(numbers))).type), o)

    for item in source.read():
        if isinstance(item, dict):
            waiting.append(item)
            if len(waiting) == BATCH_ROWS:
                yield gathered()
            continue
        if waiting and not isinstance(item, Reject):
            yield gathered()
        if isinstance(item, pa.RecordBatch) and ORIGIN not in item.schema.names:
            numbers = range(seen + 1, seen + 1 + item.num_rows)
            seen += item.num_rows
            item = item.append_column(ORIGIN, origins(work.stage.use, list(numbers)))
        yield _without_views(item) if isinstance(item, pa.RecordBatch) else item
    if waiting:
        yield gathered()


def _without_views(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Arrow's view types as the plain ones: not every library that reads the rows later knows them."""
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    if not any(field.type in plain for field in batch.schema):
        return batch
    return batch.cast(pa.schema([field.with_type(plain.get(field.type, field.type)) for field in batch.schema]))


class _Identifier:
    """Gives each row its id: a hash of its content, or of some columns, numbered where the same comes again."""

    def __init__(self, prefix: str, columns: Sequence[str]) -> None:
        self.prefix = prefix
        self.columns = columns
        self.seen = Occurrences()

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        content = [name for name in batch.schema.names if name not in SYSTEM]
        if ID not in batch.schema.names:
            texts = row_texts(batch, self.columns or content)
            batch = batch.append_column(ID, pa.array(self._ids(texts), pa.string()))
        if SPLIT not in batch.schema.names:
            batch = batch.append_column(SPLIT, pa.array(["train"] * batch.num_rows, pa.string()))
        return batch.select([*SYSTEM, *content])

    def _ids(self, texts: list[str]) -> list[str]:
        hashes = [hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest() for text in texts]
        times = self.seen.number(np.frombuffer(b"".join(hashes), np.uint64)).tolist()
        names = [f"{self.prefix}{hash.hex()}" for hash in hashes]
        return [name if again == 1 else f"{name}-{again}" for name, again in zip(names, times, strict=True)]
