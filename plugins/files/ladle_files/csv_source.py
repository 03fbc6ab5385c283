"""Rows from files of delimited text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydantic import Field, PrivateAttr, field_validator, model_validator

from ladle import OptionError, Sample

from .blocks import MAX_ROW_BYTES, Blocks, Fault, check_encoding, opened
from .finding import FileSource, sample_of
from .naming import check_known, check_names
from .records import Dialect, RecordReader, Records
from .values import NoSuchValueError, TextType, column, guess, value_of

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Reject
    from ladle.columns import ColumnType

GUESS_ROWS = 1000


class _Layout(NamedTuple):
    """What the start of the first file says: all columns in their order, and the types of those that are kept."""

    names: list[str]
    types: dict[str, TextType]
    rows: list[list[str]]
    """The first rows, as many as types are guessed from."""


class Csv(FileSource):
    """Read CSV, TSV and other delimited text.

    Lines end with LF or CRLF (with CR in a file that has no LF at its start). A quoted field may hold delimiters,
    line breaks and doubled quotes. Files that are gzip are unpacked; line numbers and offsets are those of the
    unpacked text. Several files must have the same columns, in any order if they have headers. An empty line is
    no row; every other row is read, or rejected with the line it begins on, its byte offset and its bytes.

    The type of a column is guessed from the first 1,000 rows unless `types` tells it: integer, number, boolean
    (true, false) or time (ISO 8601; with an offset it becomes UTC) if all values are that, else text. Numbers
    that look like codes (007, +49…, more digits than 64 bits have) stay text, and a column without values is text.
    A column without a name in the header is called column_1, column_2, … by its place.

    Rejected are rows with: too-few-fields, too-many-fields, undecodable bytes, nul characters; text-after-quote,
    unterminated-quote, bare-quote (if `strict`), too-long; and of values that are not of the column's type:
    bad-integer, fractional-integer, integer-too-large, bad-number, not-finite, bad-boolean, bad-time. Where quotes
    make no sense, only the line where the row begins is rejected, and reading goes on at the next one.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".tab", ".txt")

    delimiter: str = Field(default=",", description='The character between fields; "\\t" for tabs.')
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
        return sample_of(self._typed(layout), count, len(layout.rows) < GUESS_ROWS and len(self.files()) == 1)

    def _typed(self, layout: _Layout) -> Iterator[dict[str, Any]]:
        """The first rows with their values, but for those that `read` rejects."""
        missing = frozenset(self.missing)
        columns = [(name, layout.names.index(name), type_) for name, type_ in layout.types.items()]
        for row in layout.rows:
            with suppress(NoSuchValueError):
                yield {name: value_of(row[place], type_, missing) for name, place, type_ in columns}

    def read(self) -> Iterator[pa.RecordBatch | Reject]:
        layout = self._layout()
        layout.rows.clear()  # for types have been guessed
        for path in self.files():
            for records in self._records(path, layout):
                yield from self._answers(records, layout, self.name_of(path))

    def _answers(self, records: Records | Fault, layout: _Layout, file: str) -> Iterator[pa.RecordBatch | Reject]:
        import pyarrow as pa

        from ladle import Reject, origins
        from ladle.rows import BATCH_ROWS

        if isinstance(records, Fault):
            yield Reject(file=file, **records._asdict())
            return
        missing = frozenset(self.missing)
        places = {name: place for place, name in enumerate(layout.names)}
        values = list(zip(*records.rows, strict=True))
        arrays: dict[str, pa.Array] = {}
        bad: dict[int, tuple[str, str]] = {}
        for name, type_ in layout.types.items() if values else ():
            arrays[name], wrong = column(values[places[name]], type_, missing)
            for row, error in wrong.items():
                reason = f"column `{name}`: {error}"
                bad[row] = (bad[row][0], f"{bad[row][1]}; {reason}") if row in bad else (error.rule, reason)
        kept = [row for row in range(len(records.rows)) if row not in bad]
        if bad:
            records.drop(bad)
        if kept:
            arrays["_origin"] = origins(file, records.lines(), records.offsets())
            batch = pa.RecordBatch.from_arrays(
                [array.take(pa.array(kept)) if bad and name != "_origin" else array for name, array in arrays.items()],
                names=list(arrays),
            )
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)
        for fault in records.faults:
            yield Reject(file=file, **fault._asdict())

    def _layout(self) -> _Layout:
        """The columns and types. Raises OptionError if no file has a row, or an option names no column."""
        names: list[str] = []
        rows: list[list[str]] = []
        for path in self.files():
            names, rows = self._start(path)
            if rows:
                break
        if not rows:
            file = self.name_of(self.files()[-1])
            state = f"{file} has a header but no row that can be read" if names else f"{file} is empty"
            raise OptionError(state, option="path", help="look at the file, or name another")
        check_known(self.columns, names, "columns")
        check_known(self.types, names, "types")
        kept = [name for name in names if not self.columns or name in self.columns]
        check_names(kept, "columns")
        values = dict(zip(names, zip(*rows, strict=True), strict=True))
        missing = frozenset(self.missing)
        return _Layout(names, {name: self.types.get(name) or guess(values[name], missing) for name in kept}, rows)

    def _start(self, path: Path) -> tuple[list[str], list[list[str]]]:
        """The names of a file's columns, and its first rows, as many as types are guessed from."""
        names: list[str] = []
        rows: list[list[str]] = []
        for records in self._of_file(path, names):
            if isinstance(records, Records):
                rows += records.rows
            if len(rows) >= GUESS_ROWS:
                break
        return names, rows[:GUESS_ROWS]

    def _records(self, path: Path, layout: _Layout) -> Iterator[Records | Fault]:
        """The rows of a file with their fields in the order of the layout."""
        names: list[str] = []
        for records in self._of_file(path, names):
            if names and names != layout.names:
                self._check_same(path, names, layout)
                if isinstance(records, Records):
                    places = [names.index(name) for name in layout.names]
                    records.rows = [[row[place] for place in places] for row in records.rows]
            yield records

    def _check_same(self, path: Path, names: list[str], layout: _Layout) -> None:
        lacking = [name for name in layout.names if name not in names]
        besides = [name for name in names if name not in layout.names]
        if lacking or besides:
            said = [f"lacks {_listed(lacking)}"] if lacking else []
            said += [f"has {_listed(besides)} besides"] if besides else []
            raise OptionError(
                f"{self.name_of(path)} has other columns than {self.name_of(self.files()[0])}: it {' and '.join(said)}",
                option="path",
                help="read such files as sources of their own, in two [[data.NAME.source]] tables",
            )

    def _of_file(self, path: Path, names: list[str]) -> Iterator[Records | Fault]:
        """The rows of a file, header aside; `names` is filled in before the first of them comes."""
        file = self.name_of(path)
        dialect = Dialect(self.delimiter, self.quote, self.trim, self.strict)
        with opened(path, file, self.encoding) as (stream, coding):
            reader = RecordReader(Blocks(stream, coding, self.max_row_bytes), dialect, self.max_row_bytes)
            for records in reader:
                if not names:
                    self._take_names(records, names, file)
                if isinstance(records, Records) and names:
                    records.check_width(len(names))
                yield records

    def _take_names(self, records: Records | Fault, names: list[str], file: str) -> None:
        """Fill in the names of the columns, from the header if there is one."""
        fault = records if isinstance(records, Fault) else min(records.faults, key=lambda f: f.line, default=None)
        first = records.lines()[0] if isinstance(records, Records) and records.rows else None
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
        found = self.names or [name or f"column_{place}" for place, name in enumerate(header, 1)]
        for place, name in enumerate(found):
            if name in found[:place]:
                raise OptionError(
                    f"the header of {file} has `{name}` twice (fields {found.index(name) + 1} and {place + 1})",
                    option="path",
                    help="give the columns names of their own with `names`",
                )
        names += found


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
