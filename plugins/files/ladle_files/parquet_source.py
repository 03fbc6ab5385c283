"""Rows from Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from ladle import OptionError
from ladle.objects.naming import check_known, check_names

from .finding import FileSource

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ladle import Reject
    from ladle.columns import ColumnType


class Parquet(FileSource):
    """Read Parquet files, row group after row group.

    Columns and types are those of all files together: integers and numbers become numbers, and a column that a file
    does not have is null there. The line of a row is its number in the file. Rejected is text that is not UTF-8
    (undecodable); a file that is damaged is an error.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")

    columns: list[str] = Field(default=[], description="The columns to keep; all if none is named.")

    def peek(self) -> Mapping[str, ColumnType]:
        from ladle import columns_of

        return dict(columns_of(self._schema()))

    def read(self) -> Iterator[pa.RecordBatch | Reject]:
        import pyarrow as pa

        from ladle import Reject, origins
        from ladle.rows import BATCH_ROWS

        schema = self._schema()
        for path in self.files():
            file, done = self.name_of(path), 0
            with self._opened(path) as parquet:
                names = [name for name in parquet.schema_arrow.names if name in schema.names]
                for batch in parquet.iter_batches(BATCH_ROWS, columns=names):
                    lines = list(range(done + 1, done + 1 + batch.num_rows))
                    done += batch.num_rows
                    wrong = _undecodable(batch)
                    for row, (name, raw) in wrong.items():
                        reason = f"column `{name}`: the text is no UTF-8"
                        yield Reject("undecodable", reason, file, lines[row], raw=raw)
                    batch = batch.append_column("_origin", origins(file, lines))
                    if wrong:
                        batch = batch.take(pa.array([row for row in range(batch.num_rows) if row not in wrong]))
                    if batch.num_rows:
                        yield _as(batch, schema)

    def _schema(self) -> pa.Schema:
        """The columns to keep of all files. Raises OptionError if a file is no Parquet, or types do not go together."""
        import pyarrow as pa

        from ladle.rows import unify

        schemas = []
        for path in self.files():
            with self._opened(path) as parquet:
                schemas.append(pa.schema([(field.name, _plain(field.type)) for field in parquet.schema_arrow]))
        try:
            schema = unify(schemas)
        except ValueError as error:
            raise OptionError(str(error), option="path", help="read such files as sources of their own") from None
        check_known(self.columns, schema.names, "columns")
        kept = [field for field in schema if not self.columns or field.name in self.columns]
        check_names([field.name for field in kept], "columns")
        return pa.schema(kept)

    @contextmanager
    def _opened(self, path: Path) -> Iterator[pq.ParquetFile]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = self.name_of(path)
        try:
            parquet = pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise OptionError(
                f"{file} is no Parquet file: {reason}", option="path", help="name Parquet files, or use another source"
            ) from None
        with parquet:
            try:
                yield parquet
            except (pa.ArrowInvalid, OSError) as error:
                reason = str(error).partition("\n")[0]
                raise OptionError(f"cannot read {file}: {reason}", option="path", help="is the file whole?") from None


def _plain(type_: pa.DataType) -> pa.DataType:
    """The type without the way it is kept: no dictionaries, one sort of text."""
    import pyarrow as pa

    if pa.types.is_dictionary(type_):
        return _plain(type_.value_type)
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    return type_


def _as(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    names = batch.schema.names
    arrays = {
        field.name: batch[field.name].cast(field.type) if field.name in names else pa.nulls(len(batch), field.type)
        for field in schema
    }
    arrays["_origin"] = batch["_origin"]
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def _undecodable(batch: pa.RecordBatch) -> dict[int, tuple[str, bytes]]:
    """For rows with text that is not UTF-8, the column and the bytes."""
    import pyarrow as pa

    wrong = {}
    for name in batch.schema.names:
        texts = batch[name]
        if _plain(texts.type) != pa.string():
            continue
        try:
            texts.validate(full=True)
        except pa.ArrowInvalid:
            for row, raw in enumerate(texts.cast(pa.binary()).to_pylist()):
                try:
                    (raw or b"").decode()
                except UnicodeDecodeError:
                    wrong[row] = (name, raw)
    return wrong
