"""Rows of delimited text: fields, and for every row its lines and byte offset; what is no row becomes a fault.

Most blocks take a fast way (`str.split` where there is no quote, else the csv module of the standard library);
`_parse` says what is right, and decides wherever the csv module refuses.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import NamedTuple

from .blocks import Block, Blocks, Fault, too_long
from .values import shown

_WRONG = "[\0\ud800-\udfff]"


class Dialect(NamedTuple):
    """How fields are told apart."""

    delimiter: str
    quote: str
    """Empty where quotes are text like any other."""
    trim: bool
    strict: bool
    """Whether a quote inside an unquoted field is a fault."""


_OPEN = ("unterminated-quote", "a quoted field opens here or in a line that follows, and no quote closes it")


class _BrokenError(Exception):
    """The quotes of a row make no sense; found in the line before `after`, or nowhere up to the last line there is."""

    def __init__(self, rule: str, reason: str, after: int | None = None) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason
        self.after = after


class Records:
    """Rows of one block with the lines they take, and the faults found beside them."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.rows: list[list[str]] = []
        self.firsts: list[int] = []
        """The line of the block that each row begins on, from 0."""
        self.afters: list[int] = []
        """The line after each row."""
        self.faults: list[Fault] = []

    def lines(self) -> list[int]:
        """The lines of the file, from 1, that rows begin on."""
        return [self.block.line + first for first in self.firsts]

    def offsets(self) -> list[int]:
        """The bytes of the file that rows begin at."""
        return [self.block.offset + self.block.starts[first] for first in self.firsts]

    def fault(self, row: int, rule: str, reason: str) -> Fault:
        """The fault of one of the rows."""
        return self.block.fault(rule, reason, self.firsts[row], self.afters[row])

    def pop_first(self) -> list[str]:
        """Take the first row away: the header."""
        del self.firsts[0], self.afters[0]
        return self.rows.pop(0)

    def check_width(self, width: int) -> None:
        """Make faults of the rows that have not this number of fields."""
        if set(map(len, self.rows)) <= {width}:
            return
        bad = {}
        for position, row in enumerate(self.rows):
            if len(row) != width:
                rule = "too-few-fields" if len(row) < width else "too-many-fields"
                bad[position] = (rule, f"{len(row)} field{'s' * (len(row) != 1)}, expected {width}")
        self.drop(bad)

    def drop(self, bad: dict[int, tuple[str, str]]) -> None:
        """Make faults of rows: for each position among them, rule and reason."""
        self.faults += [self.fault(row, *why) for row, why in bad.items()]
        kept = [row for row in range(len(self.rows)) if row not in bad]
        self.rows = [self.rows[row] for row in kept]
        self.firsts = [self.firsts[row] for row in kept]
        self.afters = [self.afters[row] for row in kept]


class RecordReader:
    """The rows of a file. A line that is empty is no row."""

    def __init__(self, blocks: Blocks, dialect: Dialect, limit: int) -> None:
        self._blocks = blocks
        self._dialect = dialect
        self._limit = limit

    def __iter__(self) -> Iterator[Records | Fault]:
        for block in self._blocks:
            if isinstance(block, Fault):
                yield block
                continue
            texts, is_clean = block.texts()
            quote = self._dialect.quote
            if quote and any(quote in text for text in texts):
                records = self._quoted(block, texts)
            else:
                records = self._plain(block, texts)
            if not is_clean:
                wrong = [
                    row for row, fields in enumerate(records.rows) if any(re.search(_WRONG, text) for text in fields)
                ]
                raws = {row: block.raw(records.firsts[row], records.afters[row]) for row in wrong}
                records.drop({row: block.coding.fault_of(raw) for row, raw in raws.items()})
            if self._dialect.trim:
                records.rows = [[text.strip(" ") for text in fields] for fields in records.rows]
            yield records

    def _plain(self, block: Block, texts: list[str]) -> Records:
        """The rows of a block in which no field is quoted: one a line."""
        records = Records(block)
        if block.coding.newline == "\n":
            texts = [text.removesuffix("\r") for text in texts]
        delimiter = self._dialect.delimiter
        if len(block.data) <= self._limit and all(texts):
            records.rows = [text.split(delimiter) for text in texts]
            records.firsts = list(range(len(texts)))
            records.afters = list(range(1, len(texts) + 1))
            return records
        for line, text in enumerate(texts):
            if self._is_long(block, line, line + 1):
                records.faults.append(self._too_long(block, line))
            elif text:
                records.rows.append(text.split(delimiter))
                records.firsts.append(line)
                records.afters.append(line + 1)
        return records

    def _quoted(self, block: Block, texts: list[str]) -> Records:
        """The rows of a block in which fields may be quoted, and so go over several lines."""
        records = Records(block)
        newline = block.coding.newline
        texts = [text + newline for text in texts]
        # the csv module takes a CR inside a line for a line end
        by_csv = newline == "\r" or not any("\r" in text[:-2] for text in texts)
        line = 0
        while line < len(texts):
            if by_csv:
                line = self._by_csv(records, texts, line)
                if line == len(texts):
                    break
            after = line + 1
            try:
                if self._is_long(block, line, after):
                    records.faults.append(self._too_long(block, line))
                else:
                    fields, end = self._parse(texts, line)
                    if self._is_long(block, line, end):
                        raise _BrokenError(*_OPEN)
                    self._add(records, fields, line, end)
                    after = end
            except _BrokenError as error:
                rule, reason = error.rule, error.reason
                if error.after is None or self._is_long(block, line, error.after):
                    rule, reason = _OPEN
                    size = len(block.data) - block.starts[line] + block.pending
                    if size <= self._limit and not block.is_last:
                        self._blocks.put_back(block, line)
                        break
                    if size > self._limit:
                        reason += f" within max_row_bytes ({self._limit:,})"
                records.faults.append(block.fault(rule, reason, line, after))
            line = after
        return records

    def _by_csv(self, records: Records, texts: list[str], line: int) -> int:
        """Read rows as long as the csv module sees nothing wrong; give the line it came to."""
        dialect, block = self._dialect, records.block
        may_be_long = len(block.data) > self._limit
        reader = csv.reader(
            map(texts.__getitem__, range(line, len(texts))),
            delimiter=dialect.delimiter,
            quotechar=dialect.quote,
            skipinitialspace=dialect.trim,
            strict=True,
        )
        first = line
        try:
            for fields in reader:
                after = line + reader.line_num
                if may_be_long and self._is_long(block, first, after):
                    return first
                if dialect.strict and any(dialect.quote in text for text in fields):
                    return first
                self._add(records, fields, first, after)
                first = after
        except csv.Error:
            pass
        return first

    @staticmethod
    def _add(records: Records, fields: list[str], first: int, after: int) -> None:
        if fields:
            records.rows.append(fields)
            records.firsts.append(first)
            records.afters.append(after)

    def _is_long(self, block: Block, first: int, after: int) -> bool:
        return block.starts[after] - block.starts[first] - len(block.coding.line_end) > self._limit

    def _too_long(self, block: Block, line: int) -> Fault:
        return too_long(block.line + line, block.offset + block.starts[line], block.raws[line], self._limit)

    def _parse(self, texts: list[str], line: int) -> tuple[list[str], int]:
        """The fields of the row that begins on a line, and the line after it; no fields for an empty line.

        Raises _BrokenError if the row is none.
        """
        delimiter, quote, trim = self._dialect.delimiter, self._dialect.quote, self._dialect.trim
        text, at = texts[line], 0
        fields: list[str] = []
        if not _without_end(text):
            return fields, line + 1
        while True:
            if trim:
                at = _after_spaces(text, at)
            if text.startswith(quote, at):
                value, line, at = self._quoted_field(texts, line, at + 1)
                fields.append(value)
                text = texts[line]
                if trim:
                    at = _after_spaces(text, at)
                rest = _without_end(text[at:])
                if rest and not rest.startswith(delimiter):
                    reason = f"after the closing quote of field {len(fields)} comes {shown(rest)}"
                    raise _BrokenError("text-after-quote", reason, line + 1)
                end = at if rest else -1
            else:
                end = text.find(delimiter, at)
                fields.append(text[at:end] if end >= 0 else _without_end(text[at:]))
                if self._dialect.strict and quote in fields[-1]:
                    reason = f"field {len(fields)} has a quote inside, but is not quoted"
                    raise _BrokenError("bare-quote", reason, line + 1)
            if end < 0:
                return fields, line + 1
            at = end + 1

    def _quoted_field(self, texts: list[str], line: int, at: int) -> tuple[str, int, int]:
        """The value of the quoted field that begins at a place of a line, and line and place after its last quote."""
        quote, parts = self._dialect.quote, []
        while True:
            text = texts[line]
            end = text.find(quote, at)
            if end < 0:
                parts.append(text[at:])
                line, at = line + 1, 0
                if line == len(texts):
                    raise _BrokenError(*_OPEN)
            elif text.startswith(quote, end + 1):
                parts.append(text[at : end + 1])
                at = end + 2
            else:
                parts.append(text[at:end])
                return "".join(parts), line, end + 1


def _without_end(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _after_spaces(text: str, at: int) -> int:
    while text.startswith(" ", at):
        at += 1
    return at
