"""Rows from plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from ladle import Sample

from .blocks import LOOK, MAX_ROW_BYTES, Blocks, Coding, Fault, check_encoding, opened, too_long
from .finding import FileSource, sample_of
from .naming import check_names

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Reject
    from ladle.columns import ColumnType


_FEW = 30  # files of a row each that are opened for a sample


@dataclass(frozen=True)
class _Piece:
    """Bytes that are to be a row, line ends included, and where they begin."""

    data: bytes
    line: int
    offset: int
    is_long: bool = False
    """Whether there were more bytes than may be, and `data` is only their beginning."""


class Text(FileSource):
    """Read plain text: a row is a line, a paragraph or a file.

    Lines end with LF or CRLF (with CR in a file that has no LF at its start). A line of spaces is no row, and
    paragraphs are what stands between such lines. The lines of a paragraph are joined by LF; a file is kept as it
    is. Files that are gzip are unpacked. Rejected are undecodable bytes, nul characters, and what is too-long.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".text")

    by: Literal["line", "paragraph", "file"] = Field(default="line", description="What makes a row.")
    column: str = Field(default="text", description="The name of the column that holds the text.")
    encoding: str = Field(default="utf-8", description="The encoding of the files; a byte order mark outweighs it.")
    max_row_bytes: int = Field(
        default=MAX_ROW_BYTES, ge=1, description="The size beyond which a row is rejected; it bounds the memory used."
    )

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        return check_encoding(encoding)

    @field_validator("column")
    @classmethod
    def _possible_name(cls, column: str) -> str:
        check_names([column], "column")
        return column

    def peek(self) -> Mapping[str, ColumnType]:
        return {self.column: "text"}

    def first_rows(self, count: int) -> Sample:
        files = self.files()
        first = files[:_FEW] if self.by == "file" else files[:1]
        if self.by == "file":
            first = [path for path in first if path.stat().st_size <= LOOK]
        found = (item for path in first for item in self._found(path))
        rows = ({self.column: item[0]} for item in found if not isinstance(item, Fault))
        return sample_of(rows, count, first == files)

    def read(self) -> Iterator[pa.RecordBatch | Reject]:
        import pyarrow as pa

        from ladle import Reject, origins
        from ladle.rows import BATCH_ROWS

        for path in self.files():
            file = self.name_of(path)
            found = self._found(path)
            while items := list(islice(found, BATCH_ROWS)):
                if rows := [item for item in items if not isinstance(item, Fault)]:
                    texts, lines, offsets = zip(*rows, strict=True)
                    arrays = [pa.array(texts, pa.string()), origins(file, lines, offsets)]
                    yield pa.RecordBatch.from_arrays(arrays, names=[self.column, "_origin"])
                for item in items:
                    if isinstance(item, Fault):
                        yield Reject(file=file, **item._asdict())

    def _found(self, path: Path) -> Iterator[tuple[str, int, int] | Fault]:
        """The rows of a file, as text, line and offset, and what is none."""
        with opened(path, self.name_of(path), self.encoding) as (stream, coding):
            if self.by == "file":
                stream.read(coding.bom)
                pieces = iter([_Piece(stream.read(self.max_row_bytes + 1), 1, coding.bom)])
            else:
                pieces = self._lines(Blocks(stream, coding, self.max_row_bytes))
                if self.by == "paragraph":
                    pieces = self._paragraphs(pieces, coding)
            for piece in pieces:
                raw = piece.data if self.by == "file" else coding.without_end(piece.data)
                if piece.is_long or len(raw) > self.max_row_bytes:
                    yield too_long(piece.line, piece.offset, piece.data, self.max_row_bytes)
                    continue
                text, is_right = coding.decode(raw)
                if not is_right or "\0" in text:
                    yield Fault(*coding.fault_of(raw), piece.line, piece.offset, raw)
                    continue
                if self.by == "paragraph":
                    text = text.replace("\r\n", "\n").replace(coding.newline, "\n")
                if text.strip():
                    yield text, piece.line, piece.offset

    @staticmethod
    def _lines(blocks: Blocks) -> Iterator[_Piece]:
        for block in blocks:
            if isinstance(block, Fault):
                yield _Piece(block.raw, block.line, block.offset, is_long=True)
                continue
            for line, (start, end) in enumerate(pairwise(block.starts)):
                yield _Piece(block.data[start:end], block.line + line, block.offset + start)

    def _paragraphs(self, lines: Iterator[_Piece], coding: Coding) -> Iterator[_Piece]:
        """Lines up to an empty one together; of what is too long only the beginning is kept."""
        first: _Piece | None = None
        data: list[bytes] = []
        size = 0
        for line in lines:
            if not line.is_long and not coding.decode(line.data)[0].strip():
                if first:
                    yield _Piece(b"".join(data), first.line, first.offset, size > self.max_row_bytes)
                first = None
                continue
            if first is None:
                first, data, size = line, [], 0
            if size <= self.max_row_bytes:
                data.append(line.data)
            size += self.max_row_bytes + 1 if line.is_long else len(line.data)
        if first:
            yield _Piece(b"".join(data), first.line, first.offset, size > self.max_row_bytes)
