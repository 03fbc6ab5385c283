"""The lines of a text file, and what stands together in it: paragraphs, and sections under Markdown headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from ladle.objects import Fault

from .blocks import Blocks, Coding
from .markdown import units_of

_WRONG = re.compile("[\0\ud800-\udfff]")  # what no text may have


class Passage(NamedTuple):
    """Bytes that are to be a row, line ends included, and where they begin."""

    data: bytes
    line: int
    offset: int
    is_long: bool = False
    """Whether there were more bytes than may be, and `data` is only their beginning."""
    headings: tuple[str, ...] = ()
    """Of a section, the headings that it stands under, the outermost first."""
    heading_size: int = 0
    """How many of the bytes are its own heading."""


def lines_of(blocks: Blocks) -> Iterator[Passage | Fault]:
    """Each line of a file. A fault comes only where a file is damaged."""
    for block in blocks:
        if isinstance(block, Fault):
            is_long = block.rule == "too-long"
            yield Passage(block.raw, block.line, block.offset, is_long=True) if is_long else block
            continue
        for line, (start, end) in enumerate(pairwise(block.starts)):
            yield Passage(block.data[start:end], block.line + line, block.offset + start)


def paragraphs_of(lines: Iterator[Passage | Fault], coding: Coding, limit: int) -> Iterator[Passage | Fault]:
    """Lines up to an empty one together."""
    gathered = _Gathered(limit)
    for line in lines:
        if isinstance(line, Fault):
            yield gathered.damaged(line)
            return
        if line.is_long or coding.decode(line.data)[0].strip():
            gathered.add(line)
        else:
            yield from gathered.passage()
            gathered = _Gathered(limit)
    yield from gathered.passage()


def sections_of(lines: Iterator[Passage | Fault], coding: Coding, limit: int) -> Iterator[Passage | Fault]:
    """What stands under a heading of Markdown, that included, up to the next one."""
    damage: list[Fault] = []

    def texts() -> Iterator[tuple[str, Passage]]:
        for line in lines:
            if isinstance(line, Fault):
                damage.append(line)
                return
            yield coding.decode(coding.without_end(line.data))[0], line

    path: list[tuple[int, str]] = []
    gathered = _Gathered(limit)
    for level, title, unit in units_of(texts()):
        if level:
            yield from gathered.passage()
            path = [*(above for above in path if above[0] < level), (level, _WRONG.sub("\ufffd", title))]
            gathered = _Gathered(limit, tuple(title for _, title in path), sum(len(line.data) for line in unit))
        for line in unit:
            gathered.add(line)
    yield from map(gathered.damaged, damage) if damage else gathered.passage()


class _Gathered:
    """Lines that make one passage; of what is too long only the beginning is kept."""

    def __init__(self, limit: int, headings: tuple[str, ...] = (), heading_size: int = 0) -> None:
        self._limit = limit
        self._headings = headings
        self._heading_size = heading_size
        self._first: Passage | None = None
        self._data: list[bytes] = []
        self._size = 0

    def add(self, line: Passage) -> None:
        if self._first is None:
            self._first = line
        if self._size <= self._limit:
            self._data.append(line.data)
        self._size += self._limit + 1 if line.is_long else len(line.data)

    def passage(self) -> Iterator[Passage]:
        """The passage, if there is any line."""
        if self._first is not None:
            is_long = self._size > self._limit
            first, data = self._first, b"".join(self._data)
            yield Passage(data, first.line, first.offset, is_long, self._headings, self._heading_size)

    def damaged(self, fault: Fault) -> Fault:
        """The fault of a file that is damaged within the passage."""
        if self._first is None:
            return fault
        raw = b"".join([*self._data, fault.raw])[: self._limit]
        return fault._replace(line=self._first.line, offset=self._first.offset, raw=raw)
