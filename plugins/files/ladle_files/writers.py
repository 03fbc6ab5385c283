"""Rows into files, batch by batch."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

from pydantic import Field, ValidationInfo, field_validator, model_validator

from ladle import OptionError, Usual, Writer

from .dialects import usual_delimiter
from .packing import PACKED, packed

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Rows


class FileWriter(Writer):
    """What all writers of files share: the columns they write."""

    id: str | None = Field(
        default=None, description="The column in which to write the ids of rows, which are left out without it."
    )

    def batches(self, data: Rows) -> Iterator[pa.RecordBatch]:
        """Batches of the columns to write."""
        schema = self.schema(data)
        for batch in data.batches("arrow"):
            arrays = batch.columns if self.id is not None else batch.columns[1:]
            yield type(batch).from_arrays(arrays, schema=schema)

    def schema(self, data: Rows) -> pa.Schema:
        """The columns to write. Raises OptionError if that of the ids is one of the rows' own."""
        import pyarrow as pa

        if self.id in data.columns:
            raise OptionError(f"the rows have a column `{self.id}` already", option="id", help="name another")
        fields = [data.schema.field(name) for name in data.columns]
        return pa.schema([(self.id, pa.string()), *fields] if self.id is not None else fields)

    @contextmanager
    def text_file(self, path: Path) -> Iterator[TextIO]:
        """A file for text in UTF-8, packed as the name in the recipe ends."""
        with packed(path, self.path.suffix.lower()) as file, io.TextIOWrapper(file, "utf-8", newline="") as text:
            yield text


class CsvWriter(FileWriter):
    """Write delimited text: UTF-8, a header, lines that end with LF.

    Vectors, lists and records are written as JSON, times in ISO 8601, bytes in Base64; a null is `missing`. The file is
    packed if the path ends with .gz, .bz2, .xz or .zst.
    """

    delimiter: str | None = Field(
        default=None,
        validate_default=True,
        description='The character between fields; "\\t" for tabs. Without it a tab if the path ends with .tsv or '
        ".tab, else a comma.",
    )
    missing: str = Field(default="", description="What is written for null.")

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str | None, info: ValidationInfo) -> str:
        delimiter = usual_delimiter(info.data.get("path", Path())) if delimiter is None else delimiter
        if len(delimiter) != 1 or delimiter in '\r\n\0"':
            raise OptionError(f"{delimiter!r} is no delimiter", help='give one character, such as "," or "\\t"')
        return delimiter

    def write(self, data: Rows, path: Path) -> None:
        with self.text_file(path) as file:
            file.write(self._lines([self.schema(data).names]))
            for batch in self.batches(data):
                columns = [[self._text(value) for value in column.to_pylist()] for column in batch.columns]
                file.write(self._lines(zip(*columns, strict=True)))

    def _lines(self, rows: Any) -> str:
        rows = list(rows)
        lines = self._quoted(rows, csv.QUOTE_MINIMAL)
        # the csv module leaves a CR unquoted, which many readers take for the end of a line
        return self._quoted(rows, csv.QUOTE_ALL) if "\r" in lines else lines

    def _quoted(self, rows: list[Any], quoting: Literal[0, 1]) -> str:
        lines = io.StringIO()
        csv.writer(lines, delimiter=self.delimiter, lineterminator="\n", quoting=quoting).writerows(rows)
        return lines.getvalue()

    def _text(self, value: Any) -> str:
        if value is None:
            return self.missing
        if isinstance(value, list | dict):
            return json.dumps(value, ensure_ascii=False, default=as_json)
        plain = as_json(value) if isinstance(value, date | time | bytes) else value
        return str(plain).lower() if isinstance(plain, bool) else str(plain)


class JsonLinesWriter(FileWriter):
    """Write JSON lines: an object on each line, UTF-8.

    Times are written in ISO 8601, bytes in Base64. The file is packed if the path ends with .gz, .bz2, .xz or .zst. A
    number that is not finite cannot be written.
    """

    def write(self, data: Rows, path: Path) -> None:
        with self.text_file(path) as file:
            for batch in self.batches(data):
                file.writelines(line + "\n" for line in json_rows(batch))


class JsonWriter(FileWriter):
    """Write a JSON document: an array of objects, one a line, UTF-8.

    Times are written in ISO 8601, bytes in Base64. The file is packed if the path ends with .gz, .bz2, .xz or .zst. A
    number that is not finite cannot be written.
    """

    def write(self, data: Rows, path: Path) -> None:
        with self.text_file(path) as file:
            before = "[\n"
            for batch in self.batches(data):
                for row in json_rows(batch):
                    file.write(before + row)
                    before = ",\n"
            file.write("\n]\n" if before != "[\n" else "[]\n")


class ParquetWriter(FileWriter):
    """Write a Parquet file, with the types that the columns have."""

    compression: Literal["zstd", "snappy", "gzip", "none"] = Field(default="zstd", description="How pages are packed.")
    row_group: Annotated[int, Usual(1000, 5_000_000, "the file becomes large, and slow to read")] = Field(
        default=65_536, ge=1, description="Rows in a row group; as many are held in memory at a time."
    )

    @model_validator(mode="after")
    def _not_packed_twice(self) -> ParquetWriter:
        if (suffix := self.path.suffix.lower()) in PACKED:
            raise OptionError("a Parquet file is not packed as a whole", option="path", help=f"leave `{suffix}` off")
        return self

    def write(self, data: Rows, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = self.schema(data)
        with pq.ParquetWriter(path, schema, compression=self.compression) as writer:
            waiting: list[pa.RecordBatch] = []
            rows = 0
            for batch in self.batches(data):
                waiting.append(batch)
                rows += batch.num_rows
                if rows >= self.row_group:
                    table = pa.Table.from_batches(waiting, schema)
                    whole = rows - rows % self.row_group
                    writer.write_table(table.slice(0, whole), self.row_group)
                    waiting, rows = table.slice(whole).to_batches(), rows - whole
            if rows:
                writer.write_table(pa.Table.from_batches(waiting, schema), self.row_group)


def json_rows(batch: pa.RecordBatch) -> Iterator[str]:
    """Each row as a JSON object. Raises OptionError for a number that is not finite."""
    for row in batch.to_pylist():
        try:
            yield json.dumps(row, ensure_ascii=False, allow_nan=False, default=as_json)
        except ValueError:
            name = next(name for name, value in row.items() if not _is_finite(value))
            raise OptionError(
                f"column `{name}` holds {row[name]}, which JSON has no number for",
                help="clean such rows away before, or write Parquet",
            ) from None


def _is_finite(value: Any) -> bool:
    if isinstance(value, list | dict):
        return all(map(_is_finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def as_json(value: Any) -> str:
    """What JSON has no type for, as text."""
    if isinstance(value, date | time):
        return value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
