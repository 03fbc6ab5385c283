"""Rows from files of delimited text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from ladle import OptionError, Sample
from ladle.objects import Fault
from ladle.objects.naming import check_names

from .batching import add_faults, batch_of
from .blocks import MAX_ROW_BYTES, Blocks, check_encoding, opened
from .dialects import is_like_row, parted_by, usual_delimiter
from .finding import FileSource, has_suffix, sample_of
from .layout import GUESS_ROWS, Layout, check_same, layout_of, named
from .quick import table_of
from .records import Dialect, RecordReader, Records
from .typed import column
from .values import TextType

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Reject
    from ladle.columns import ColumnType


class Csv(FileSource):
    """Read CSV, TSV and other delimited text.

    Lines end with LF or CRLF (with CR in a file that has no LF at its start). A quoted field may hold delimiters,
    line breaks and doubled quotes. Files that are gzip, bzip2, xz or zstd are unpacked; line numbers and offsets are
    those of the unpacked text. Several files must have the same columns, in any order if they have headers. An empty
    line is no row; every other row is read, or rejected with the line it begins on, its byte offset and its bytes.

    The type of a column is guessed from the first 1,000 rows unless `types` tells it: integer, number, boolean
    (true, false) or time (ISO 8601; with an offset it becomes UTC) if all values are that, else text. Numbers
    that look like codes (007, +49…, more digits than 64 bits have) stay text, and a column without values is text.
    A column without a name in the header is called column_1, column_2, … by its place.

    Rejected are rows with: too-few-fields, too-many-fields, undecodable bytes, nul characters; text-after-quote,
    unterminated-quote, bare-quote (if `strict`), too-long; and of values that are not of the column's type:
    bad-integer, fractional-integer, integer-too-large, bad-number, not-finite, bad-boolean, bad-time. Where quotes
    make no sense, only the line where the row begins is rejected, and reading goes on at the next one. Of a packed
    file that is damaged, what comes before the damage is read, and a reject tells where that is.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".tab", ".txt")

    delimiter: str | None = Field(
        default=None,
        validate_default=True,
        description='The character between fields; "\\t" for tabs. Without it a tab if the names of files end with '
        ".tsv or .tab, else a comma.",
    )
    quote: str = Field(default='"', description='The character around quoted fields; "" if quotes are plain text.')
    header: bool = Field(default=True, description="Whether the first row of each file names the columns.")
    names: list[str] = Field(
        default=[], description="Names of all columns, in place of a header's, or where there is none."
    )
    columns: list[str] = Field(default=[], description="The columns to keep; all if none is named.")
    types: dict[str, TextType] = Field(default={}, description="Types of columns that are not to be guessed, by name.")
    missing: list[str] = Field(default=[""], description="Texts that stand for a missing value, quoted or not.")
    trim: bool = Field(default=False, description="Whether to take off the spaces around every field.")
    strict: bool = Field(default=False, description="Whether to reject rows with a quote inside an unquoted field.")
    encoding: str = Field(default="utf-8", description="The encoding of the files; a byte order mark outweighs it.")
    max_row_bytes: int = Field(
        default=MAX_ROW_BYTES, ge=1, description="The size beyond which a row is rejected; it bounds the memory used."
    )

    _looked: Any = PrivateAttr(default=None)

    @field_validator("delimiter")
    @classmethod
    def _usual_delimiter(cls, delimiter: str | None, info: ValidationInfo) -> str | None:
        """What the names of files tell is written down here, for a stage's key knows no names."""
        path = info.data.get("path")
        if delimiter is not None or path is None:
            return delimiter
        import glob

        named = path.rglob("*") if path.is_dir() else map(Path, glob.glob(str(path), recursive=True))
        first = next((found for found in sorted(named) if has_suffix(found, cls.suffixes)), path)
        return usual_delimiter(first)

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        return check_encoding(encoding)

    @model_validator(mode="after")
    def _fields_can_be_told_apart(self) -> Csv:
        for option, mark in (("delimiter", self.delimiter), ("quote", self.quote or '"')):
            if len(mark) != 1 or mark in "\r\n\0":
                raise OptionError(
                    f"{mark!r} is no {option}", option=option, help='give one character, such as "," or "\\t"'
                )
        if self.delimiter == self.quote:
            raise OptionError("the delimiter and the quote are the same character", option="quote")
        if self.trim and self.delimiter == " ":
            raise OptionError("with spaces between fields there are none to trim", option="trim", help="leave it out")
        check_names(self.names, "names")
        return self

    def peek(self) -> Mapping[str, ColumnType]:
        self._looked = self._layout()
        return dict(self._looked.types)

    def first_rows(self, count: int) -> Sample:
        layout, self._looked = self._looked or self._layout(), None
        return sample_of(
            layout.typed(frozenset(self.missing)), count, len(layout.rows) < GUESS_ROWS and len(self.files()) == 1
        )

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        names = list(sample.rows[0]) if sample.rows else []
        if not names:
            return
        texts = [value for value in sample.values(names[0]) if isinstance(value, str)]
        if not self.columns and (doubt := self._doubt_of_one(names, texts)):
            yield doubt
        firsts = [next(iter(sample.values(name)), None) for name in names]
        if self.header and not self.names and is_like_row(names, firsts):
            yield OptionError(
                f"the names of the columns look like a row: {', '.join(names)}",
                option="header",
                help="if the files have no header: header = false, and `names` of your own",
            )

    def _doubt_of_one(self, names: list[str], texts: list[str]) -> OptionError | None:
        """The doubt that the only column is one, if its texts look like several."""
        header = names[0] if self.header and not self.names else None
        if len(names) > 1 or not (delimiter := parted_by(header, texts)):
            return None
        return OptionError(
            f"there is one column only, and its rows look as if {delimiter!r} stood between their fields",
            option="delimiter",
            help=f"delimiter = {json.dumps(delimiter)}",
        )

    def read(self) -> Iterator[pa.RecordBatch | Reject]:
        from ladle import Reject

        layout = self._layout()
        layout.rows.clear()  # for types have been guessed
        for path in self.files():
            names: list[str] = []
            for records in self._of_file(path, names, by_columns=True):
                if names and names != layout.names:
                    check_same(names, layout, self.name_of(path), self.name_of(self.files()[0]))
                file = self.name_of(path)
                if isinstance(records, Fault):
                    yield Reject(file=file, **records._asdict())
                else:
                    yield from self._answers(records, names, layout.types, file)

    def _answers(
        self, records: Records, names: list[str], types: Mapping[str, TextType], file: str
    ) -> Iterator[pa.RecordBatch | Reject]:
        """The rows of a block in batches, then what is none."""
        import numpy as np

        from ladle import Reject, origins
        from ladle.rows import BATCH_ROWS

        block, table = records.block, table_of(records, len(names))
        missing = frozenset(self.missing)
        arrays: dict[str, pa.Array] = {}
        bad: dict[int, tuple[str, str]] = {}
        for name, type_ in types.items() if len(table.firsts) else ():
            arrays[name], wrong = column(table.columns[names.index(name)], type_, missing)
            add_faults(bad, name, wrong)
        if arrays:
            starts = np.array(block.starts, np.int64)
            arrays["_origin"] = origins(file, block.line + table.firsts, block.offset + starts[table.firsts])
            batch = batch_of(arrays, bad)
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)
        lines = {row: (int(table.firsts[row]), int(table.afters[row])) for row in bad}
        faults = records.faults + [block.fault(*why, *lines[row]) for row, why in bad.items()]
        for fault in sorted(faults, key=lambda fault: fault.line):
            yield Reject(file=file, **fault._asdict())

    def _layout(self) -> Layout:
        """The columns and types. Raises OptionError if no file has a row, or an option names no column."""
        names: list[str] = []
        rows: list[list[str]] = []
        for path in self.files():
            names, rows, fault = self._start(path)
            if rows:
                break
        else:
            state = "has a header but no row that can be read" if names else "is empty"
            if fault:
                state = f"has no row that can be read (line {fault.line}: {fault.reason})"
            help = "look at the file, or name another"
            raise OptionError(f"{self.name_of(path)} {state}", option="path", help=help)
        unknown = [name for name in (*self.columns, *self.types) if name not in names]
        if unknown and (doubt := self._doubt_of_one(names, [row[0] for row in rows])):
            raise doubt
        return layout_of(names, rows, self.columns, self.types, frozenset(self.missing))

    def _start(self, path: Path) -> tuple[list[str], list[list[str]], Fault | None]:
        """The names of a file's columns, its first rows, as many as types are guessed from, and the first bad one."""
        names: list[str] = []
        rows: list[list[str]] = []
        faults: list[Fault] = []
        for records in self._of_file(path, names):
            faults += [records] if isinstance(records, Fault) else records.faults[:1]
            if isinstance(records, Records):
                rows += records.rows
            if len(rows) >= GUESS_ROWS:
                break
        return names, rows[:GUESS_ROWS], next(iter(faults), None)

    def _of_file(self, path: Path, names: list[str], by_columns: bool = False) -> Iterator[Records | Fault]:
        """The rows of a file, header aside; `names` is filled in before the first of them comes.

        With `by_columns` most of them are not in `rows`, but in the columns of `clean`.
        """
        file = self.name_of(path)
        dialect = Dialect(self.delimiter, self.quote, self.trim, self.strict)
        with opened(path, file, self.encoding) as (stream, coding):
            reader = RecordReader(Blocks(stream, coding, self.max_row_bytes), dialect, self.max_row_bytes)
            for records in reader:
                if not names:
                    self._take_names(records, names, file)
                if isinstance(records, Records) and names:
                    records.check_width(len(names))
                    reader.width = len(names) if by_columns else None
                yield records

    def _take_names(self, records: Records | Fault, names: list[str], file: str) -> None:
        """Fill in the names of the columns, from the header if there is one."""
        fault = records if isinstance(records, Fault) else min(records.faults, key=lambda f: f.line, default=None)
        first = records.first_line() if isinstance(records, Records) else None
        if self.header and fault and (first is None or fault.line < first):
            raise OptionError(f"the header of {file} (line {fault.line}) cannot be read: {fault.reason}", option="path")
        if first is None or isinstance(records, Fault):
            return
        width = len(records.rows[0])
        if self.names and len(self.names) != width:
            raise OptionError(
                f"{len(self.names)} names, but the first row of {file} has {width} fields",
                option="names",
                help="name every column, or set `delimiter` and `quote` as the file has them",
            )
        header = records.pop_first() if self.header else [""] * width
        names += named(header, self.names, file)
