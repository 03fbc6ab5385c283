"""Rows from JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from ladle.objects import Fault, Found
from ladle.objects.strict_json import Decoder, FlawError

from .blocks import MAX_ROW_BYTES, Block, Blocks, opened, too_long
from .object_source import ObjectSource

_SPACE = " \t\r"


class JsonLines(ObjectSource):
    """Read JSON lines: an object on each line.

    A line of spaces is no row; every other one is read, or rejected with its line, byte offset and bytes. Columns and
    their types are those of the first rows: text, integer, number, boolean, lists (a vector, if of numbers with
    fractions) and records. Values of several types make a text column, which keeps texts as they are and all else
    as JSON; a column without values is text. Files that are gzip, bzip2, xz or zstd are unpacked.

    Rejected are: invalid-json, not-an-object, duplicate-key, not-finite (NaN, Infinity, 1e999), half-character,
    too-deep (more than 64 levels), integer-too-large (64 bits), undecodable bytes, too-long lines, wrong-type
    and unknown-key (against the first rows), bad-time (where `types` says time); and where a packed file is damaged.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")

    max_row_bytes: int = Field(
        default=MAX_ROW_BYTES, ge=1, description="The size beyond which a line is rejected; it bounds the memory used."
    )

    def objects(self, path: Path) -> Iterator[Found | Fault]:
        decoder = Decoder()
        with opened(path, self.name_of(path), self.encoding, only_newline=True) as (stream, coding):
            for block in Blocks(stream, coding, self.max_row_bytes):
                if isinstance(block, Fault):
                    yield block
                    continue
                texts, is_clean = block.texts()
                for line, text in enumerate(texts):
                    if stripped := text.strip(_SPACE):
                        yield self._object(block, line, stripped, is_clean, decoder)

    def _object(self, block: Block, line: int, text: str, is_clean: bool, decoder: Decoder) -> Found | Fault:
        raw = block.raw(line, line + 1)
        if len(block.raws[line]) > self.max_row_bytes:
            return too_long(block.line + line, block.offset + block.starts[line], raw, self.max_row_bytes)
        if not is_clean and not block.coding.is_clean(raw):
            return block.fault(*block.coding.fault_of(raw), line, line + 1)
        try:
            value = decoder.object_of(text)
        except FlawError as flaw:
            return block.fault(flaw.rule, str(flaw), line, line + 1)
        return Found(value, block.line + line, block.offset + block.starts[line], raw)
