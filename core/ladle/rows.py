"""Rows between stages: Arrow files read as a stream of record batches.

Every row carries three columns of the core's own: `_id`, given once at the source; `_split`; and `_origin`,
the file, line and byte offset it came from. Components see `_id` alone, and cannot change it;
work on whole data that treats splits differently reads `_split` by `Rows.whole_batches`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .columns import Columns, ColumnType
from .rejects import Batch, Cleaned, Reject

Row = dict[str, Any]

ID, SPLIT, ORIGIN = "_id", "_split", "_origin"
SYSTEM = (ID, SPLIT, ORIGIN)
ORIGIN_TYPE = pa.struct([("file", pa.string()), ("line", pa.int64()), ("offset", pa.int64())])
BATCH_ROWS = 4096

_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us"),
    "bytes": pa.binary(),
    "vector": pa.list_(pa.float32()),
}


REJECT_SCHEMA = pa.schema(
    [
        ("rule", pa.string()),
        ("reason", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("offset", pa.int64()),
        ("raw", pa.binary()),
        ("id", pa.string()),
        ("stays", pa.string()),
    ]
)


def origins(file: str, lines: Sequence[int | None], offsets: Sequence[int | None] | None = None) -> pa.StructArray:
    """The `_origin` column of a batch of a source: `lines` count from 1, `offsets` are in bytes."""
    offsets = offsets if offsets is not None else [None] * len(lines)
    return pa.StructArray.from_arrays(
        [
            pa.array([file] * len(lines), pa.string()),
            pa.array(lines, pa.int64()),
            pa.array(offsets, pa.int64()),
        ],
        fields=list(ORIGIN_TYPE),
    )


def each_row(work: Callable[[Row], Row | Reject], batch: Mapping[str, list[Any]]) -> Cleaned:
    """Do row-local work on a batch in python form."""
    names = list(batch)
    kept: list[Row] = []
    rejects: dict[int, Reject] = {}
    for position, values in enumerate(zip(*batch.values(), strict=True)):
        row = dict(zip(names, values, strict=True))
        done = work(dict(row))
        if isinstance(done, Reject):
            rejects[position] = done
            done = row
        kept.append(done)
    columns = dict.fromkeys(name for row in kept for name in row)
    return Cleaned({name: [row.get(name) for row in kept] for name in columns}, rejects)


def arrow_type(column_type: str) -> pa.DataType | None:
    """The Arrow type of a declared column type; None where it follows from the values."""
    return _TYPES.get(column_type)


def column_type(arrow: pa.DataType) -> ColumnType:
    """The declared column type that an Arrow type stands for."""
    if pa.types.is_dictionary(arrow):
        arrow = arrow.value_type
    checks: list[tuple[Callable[[pa.DataType], bool], ColumnType]] = [
        (pa.types.is_string, "text"),
        (pa.types.is_large_string, "text"),
        (pa.types.is_string_view, "text"),
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "integer"),
        (pa.types.is_floating, "number"),
        (pa.types.is_decimal, "number"),
        (pa.types.is_timestamp, "time"),
        (pa.types.is_date, "time"),
        (pa.types.is_binary, "bytes"),
        (pa.types.is_large_binary, "bytes"),
        (pa.types.is_binary_view, "bytes"),
    ]
    for check, name in checks:
        if check(arrow):
            return name
    if pa.types.is_list(arrow) or pa.types.is_fixed_size_list(arrow):
        return "vector" if pa.types.is_floating(arrow.value_type) else "list"
    return "any" if pa.types.is_null(arrow) else "record"


def columns_of(schema: pa.Schema) -> Columns:
    """The columns that rows really have, the core's own aside."""
    return Columns({field.name: column_type(field.type) for field in schema if field.name not in SYSTEM})


def with_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """The batch with a column added, or replaced where it stands."""
    position = batch.schema.get_field_index(name)
    return batch.append_column(name, values) if position < 0 else batch.set_column(position, name, values)


@dataclass(frozen=True)
class Rows:
    """The rows of one or several Arrow files, read one after another; cheap to narrow, never held in memory."""

    paths: Sequence[Path]
    """Arrow stream files."""
    split: str | None = None
    names: Sequence[str] | None = None
    schema: pa.Schema = field(init=False, compare=False)
    """All columns, the core's own included; files that differ in types are widened to what holds both."""

    def __post_init__(self) -> None:
        schemas = []
        for path in self.paths:
            with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
                schemas.append(reader.schema)
        object.__setattr__(self, "schema", unify(schemas))

    @classmethod
    def of_stages(cls, folders: Iterable[Path]) -> Rows:
        """The rows that stages have written, one stage's after another's."""
        return cls([path for folder in folders for path in sorted(folder.glob("rows-*.arrow"))])

    @property
    def columns(self) -> list[str]:
        """The columns that components see, `_id` aside."""
        return [name for name in self.schema.names if name not in SYSTEM and (self.names is None or name in self.names)]

    def of_split(self, split: str) -> Rows:
        """Only the rows of one split."""
        return Rows(self.paths, split, self.names)

    def select(self, names: Iterable[str]) -> Rows:
        """Only some columns."""
        return Rows(self.paths, self.split, list(names))

    def batches(self, form: str = "python") -> Iterator[Batch]:
        """Batch after batch, with `_id` first: as dict of lists (`python`) or pyarrow.RecordBatch (`arrow`)."""
        for whole in self.whole_batches():
            batch = whole.select([ID, *self.columns])
            yield batch if form == "arrow" else batch.to_pydict()

    def whole_batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches with the core's own columns, batch for batch those of `batches`."""
        for path in self.paths:
            with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
                for batch in reader:
                    if self.split is not None and SPLIT in batch.schema.names:
                        batch = batch.filter(pc.equal(batch[SPLIT], self.split))
                    if batch.num_rows:
                        yield _as(batch, self.schema)

    def table(self) -> pa.Table:
        """The columns that components see as one table: for work that needs all rows at once."""
        names = [ID, *self.columns]
        schema = pa.schema([self.schema.field(name) for name in names])
        return pa.Table.from_batches(self.batches("arrow"), schema)

    def __iter__(self) -> Iterator[Row]:
        for batch in self.batches("arrow"):
            yield from batch.to_pylist()

    def __len__(self) -> int:
        return sum(batch.num_rows for batch in self.whole_batches())


def unify(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """One schema that holds the rows of all. Raises ValueError where a column has types that no one holds."""
    try:
        return pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"files of one data set differ in a column's type: {error}") from None


def _as(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if batch.schema.equals(schema):
        return batch
    missing = [name for name in schema.names if name not in batch.schema.names]
    for name in missing:
        batch = batch.append_column(schema.field(name), pa.nulls(batch.num_rows, schema.field(name).type))
    return batch.select(schema.names).cast(schema)


def build_batch(values: Mapping[str, list[Any]], types: Mapping[str, pa.DataType | None]) -> pa.RecordBatch:
    """A record batch from lists of values; a column without a type gets the one its values have.

    Raises ValueError naming the column whose values do not fit.
    """
    arrays = {}
    for name, column in values.items():
        try:
            arrays[name] = _array(column, types.get(name))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise ValueError(f"column `{name}`: {error}") from None
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def _array(values: list[Any], type_: pa.DataType | None) -> pa.Array:
    if type_ is None or not pa.types.is_integer(type_):
        return pa.array(values, type_)
    found = pa.array(values)  # told that they are whole numbers, Arrow would cut fractions off in silence
    return found.cast(type_) if pa.types.is_floating(found.type) else pa.array(values, type_)


def row_texts(batch: pa.RecordBatch, names: Iterable[str]) -> list[str]:
    """The content of some columns as one text per row: equal rows have equal texts, on every machine.

    Columns without a value leave no trace, nor does the order of columns: what a row says does not depend on
    which columns the rows beside it have.
    """
    named = [pc.binary_join_element_wise(name, _as_text(batch[name]), "\x1e") for name in sorted(names)]
    empty = pa.array([""] * batch.num_rows, pa.string())
    return pc.binary_join_element_wise(empty, *named, "\x1f", null_handling="skip").to_pylist()


def _as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        return pa.array([None if v is None else json.dumps(v, sort_keys=True, default=str) for v in column.to_pylist()])
    return column.cast(pa.string())


def as_json(row: Mapping[str, Any]) -> bytes:
    """A row as it is kept with a reject."""
    return json.dumps(row, ensure_ascii=False, default=str).encode()
