"""Rows from plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, ValidationInfo, field_validator

from ladle import OptionError, Sample
from ladle.objects import Fault
from ladle.objects.naming import check_names

from .batching import batched
from .blocks import MAX_ROW_BYTES, Blocks, Coding, check_encoding, damaged, opened, too_long
from .finding import FileSource, sample_of
from .packing import LOOK, damage_of
from .passages import Passage, lines_of, paragraphs_of, sections_of

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Reject
    from ladle.columns import ColumnType


HEADINGS = "headings"
_FEW = 30  # files of a row each that are opened for a sample
_EMPTY_LINES = re.compile(r"\A(?:[ \t]*[\r\n])+")


class _Row(NamedTuple):
    text: str
    headings: tuple[str, ...]
    line: int
    offset: int


class Text(FileSource):
    """Read plain text: a row is a line, a paragraph, a section of Markdown or a file.

    Lines end with LF or CRLF (with CR in a file that has no LF at its start). A line of spaces is no row, and
    paragraphs are what stands between such lines. The lines of a paragraph are joined by LF; a file is kept as it
    is. Files that are gzip, bzip2, xz or zstd are unpacked. Rejected are undecodable bytes, nul characters, what is
    too-long, and where an unpacked file is damaged.

    A section is what stands under a heading (# or underlined) up to the next one, with the headings that it stands
    under as the list `headings`, the outermost first. What looks like a heading in code, lists, quotations, HTML or
    front matter is none, and headings with nothing under them are no rows.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".text")

    by: Literal["line", "paragraph", "section", "file"] = Field(default="line", description="What makes a row.")
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
    def _possible_name(cls, column: str, info: ValidationInfo) -> str:
        check_names([column], "column")
        if column == HEADINGS and info.data.get("by") == "section":
            raise OptionError(f"the headings are in a column `{HEADINGS}`", option="column", help="give another name")
        return column

    def peek(self) -> Mapping[str, ColumnType]:
        types: dict[str, ColumnType] = {self.column: "text"}
        return types | {HEADINGS: "list"} if self.by == "section" else types

    def first_rows(self, count: int) -> Sample:
        files = self.files()
        first = files[:_FEW] if self.by == "file" else files[:1]
        if self.by == "file":
            first = [path for path in first if path.stat().st_size <= LOOK]
        found = (item for path in first for item in self._found(path))
        rows = (self._as_dict(item) for item in found if not isinstance(item, Fault))
        return sample_of(rows, count, first == files)

    def _as_dict(self, row: _Row) -> dict[str, Any]:
        return (
            {self.column: row.text, HEADINGS: list(row.headings)} if self.by == "section" else {self.column: row.text}
        )

    def read(self) -> Iterator[pa.RecordBatch | Reject]:
        import pyarrow as pa

        from ladle import Reject, origins

        for path in self.files():
            file = self.name_of(path)
            for items in batched(
                self._found(path), lambda item: len(item.raw if isinstance(item, Fault) else item.text)
            ):
                if rows := [item for item in items if not isinstance(item, Fault)]:
                    texts, headings, lines, offsets = zip(*rows, strict=True)
                    arrays = {self.column: pa.array(texts, pa.string())}
                    if self.by == "section":
                        arrays[HEADINGS] = pa.array(headings, pa.list_(pa.string()))
                    arrays["_origin"] = origins(file, lines, offsets)
                    yield pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
                for item in items:
                    if isinstance(item, Fault):
                        yield Reject(file=file, **item._asdict())

    def _found(self, path: Path) -> Iterator[_Row | Fault]:
        """The rows of a file, and what is none."""
        limit = self.max_row_bytes
        with opened(path, self.name_of(path), self.encoding) as (stream, coding):
            if self.by == "file":
                stream.read(coding.bom)
                data = stream.read(limit + 1)
                damage = damage_of(stream)
                whole = damaged(1, coding.bom, data, limit, damage) if damage else Passage(data, 1, coding.bom)
                yield from self._rows(iter([whole]), coding)
            elif self.by == "line":
                yield from self._lines(Blocks(stream, coding, limit))
            else:
                gather = paragraphs_of if self.by == "paragraph" else sections_of
                yield from self._rows(gather(lines_of(Blocks(stream, coding, limit)), coding, limit), coding)

    def _lines(self, blocks: Blocks) -> Iterator[_Row | Fault]:
        """A row for each line."""
        for block in blocks:
            if isinstance(block, Fault):
                yield block
                continue
            texts, is_clean = block.texts()
            for line, (text, raw) in enumerate(zip(texts, block.raws, strict=True)):
                if len(raw) > self.max_row_bytes:
                    place = block.line + line, block.offset + block.starts[line]
                    yield too_long(*place, raw, self.max_row_bytes)
                elif not is_clean and not block.coding.is_clean(raw):
                    raw = block.raw(line, line + 1)
                    yield block.fault(*block.coding.fault_of(raw), line, line + 1)
                elif text.strip():
                    text = text.removesuffix("\r") if block.coding.newline == "\n" else text
                    yield _Row(text, (), block.line + line, block.offset + block.starts[line])

    def _rows(self, passages: Iterator[Passage | Fault], coding: Coding) -> Iterator[_Row | Fault]:
        """A row for each passage."""
        for passage in passages:
            if isinstance(passage, Fault):
                yield passage
                continue
            raw = passage.data if self.by == "file" else coding.without_end(passage.data)
            if passage.is_long or len(raw) > self.max_row_bytes:
                yield too_long(passage.line, passage.offset, passage.data, self.max_row_bytes)
                continue
            text, is_right = coding.decode(raw)
            if not is_right or "\0" in text:
                yield Fault(*coding.fault_of(raw), passage.line, passage.offset, raw)
                continue
            if self.by == "section":
                text = _EMPTY_LINES.sub("", coding.decode(raw[passage.heading_size :])[0]).rstrip()
            if self.by != "file":
                text = text.replace("\r\n", "\n").replace(coding.newline, "\n")
            if text.strip():
                yield _Row(text, passage.headings, passage.line, passage.offset)
