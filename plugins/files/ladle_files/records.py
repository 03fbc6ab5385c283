"""Rows of delimited text: fields, and for every row its lines and byte offset; what is no row becomes a fault.

`_parse` says what is right. There are faster ways with the same outcome: `str.split` where there is no quote, the csv
module of the standard library up to where it refuses, and for clean lines Arrow (see `quick`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ladle.objects import Fault
from ladle.objects.values import shown

from .blocks import Block, Blocks, too_long
from .quick import Clean, clean_lines, read_clean

if TYPE_CHECKING:
    import numpy as np

_WRONG = re.compile("[\0\ud800-\udfff]")


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
        self.clean: Clean | None = None
        """Further rows, on lines between those of the others."""
        self.faults: list[Fault] = []

    def fault(self, row: int, rule: str, reason: str) -> Fault:
        """The fault of one of the rows."""
        return self.block.fault(rule, reason, self.firsts[row], self.afters[row])

    def first_line(self) -> int | None:
        """The line of the file, from 1, that the first row begins on; None if there is no row."""
        return self.block.line + self.firsts[0] if self.rows else None

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

    def check_text(self) -> None:
        """Make faults of the rows with a character that no row can have."""
        wrong = [row for row, fields in enumerate(self.rows) if _WRONG.search("".join(fields))]
        raws = {row: self.block.raw(self.firsts[row], self.afters[row]) for row in wrong}
        self.drop({row: self.block.coding.fault_of(raw) for row, raw in raws.items()})

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
        self.width: int | None = None
        """How many fields each row shall have; once it is told, clean lines are left to Arrow."""

    def __iter__(self) -> Iterator[Records | Fault]:
        for block in self._blocks:
            if isinstance(block, Fault):
                yield block
                continue
            is_clean = None if self.width is None else clean_lines(block, self._dialect, self._limit)
            records = self._checked(block) if is_clean is None else self._parted(block, is_clean)
            if self._dialect.trim:
                records.rows = [[text.strip(" ") for text in fields] for fields in records.rows]
            yield records

    def _checked(self, block: Block) -> Records:
        """The rows of a block, every one checked here."""
        records = Records(block)
        texts, is_clean = block.texts()
        if self._dialect.quote and any(self._dialect.quote in text for text in texts):
            self._quoted(records, texts)
        else:
            self._plain(records, texts)
        if not is_clean:
            records.check_text()
        return records

    def _parted(self, block: Block, is_clean: np.ndarray) -> Records:
        """The rows of a block, those on clean lines read by Arrow."""
        records, texts = Records(block), _Texts(block)
        stretches: list[tuple[int, int]] = []
        line: int | None = 0
        for unclean in [*(~is_clean).nonzero()[0].tolist(), len(texts)]:
            if line is None:
                break
            if line < unclean:
                stretches.append((line, unclean))
            if line <= unclean < len(texts):  # else a row that began before has taken this line
                line = self._row(records, texts, unclean)
        assert self.width is not None
        records.clean = read_clean(block, stretches, self._dialect, self.width)
        for ragged in records.clean.ragged:
            self._row(records, texts, ragged)
        records.check_text()
        return records

    def _plain(self, records: Records, texts: list[str]) -> None:
        """Read the rows of a block in which no field is quoted: one a line."""
        block, delimiter = records.block, self._dialect.delimiter
        if block.coding.newline == "\n":
            texts = [text.removesuffix("\r") for text in texts]
        if len(block.data) <= self._limit and all(texts):
            records.rows = [text.split(delimiter) for text in texts]
            records.firsts = list(range(len(texts)))
            records.afters = list(range(1, len(texts) + 1))
            return
        for line, text in enumerate(texts):
            self._plain_row(records, text, line)

    def _plain_row(self, records: Records, text: str, line: int) -> None:
        if self._is_long(records.block, line, line + 1):
            records.faults.append(self._too_long(records.block, line))
        elif text:
            self._add(records, text.split(self._dialect.delimiter), line, line + 1)

    def _quoted(self, records: Records, texts: list[str]) -> None:
        """Read the rows of a block in which fields may be quoted, and so go over several lines."""
        newline = records.block.coding.newline
        texts = [text + newline for text in texts]
        # the csv module takes a CR inside a line for a line end
        by_csv = newline == "\r" or not any("\r" in text[:-2] for text in texts)
        line: int | None = 0
        while line is not None and line < len(texts):
            if by_csv:
                line = self._by_csv(records, texts, line)
            if line < len(texts):
                line = self._row(records, texts, line)

    def _row(self, records: Records, texts: Sequence[str], line: int) -> int | None:
        """Read the row that begins on a line; the line after it, None if the block ends before the row."""
        block, after = records.block, line + 1
        if not self._dialect.quote:
            self._plain_row(records, _without_end(texts[line]), line)
            return after
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
                    return None
                if size > self._limit:
                    reason += f" within max_row_bytes ({self._limit:,})"
            records.faults.append(block.fault(rule, reason, line, after))
        return after

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
        start, after = block.starts[line], block.starts[line + 1]
        return too_long(block.line + line, block.offset + start, block.data[start:after], self._limit)

    def _parse(self, texts: Sequence[str], line: int) -> tuple[list[str], int]:
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
                    readable = shown(_WRONG.sub("\ufffd", rest))
                    reason = f"after the closing quote of field {len(fields)} comes {readable}"
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

    def _quoted_field(self, texts: Sequence[str], line: int, at: int) -> tuple[str, int, int]:
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


class _Texts(Sequence[str]):
    """The lines of a block as text, line feeds included, each made when it is wanted."""

    def __init__(self, block: Block) -> None:
        self._block = block

    def __len__(self) -> int:
        return len(self._block.starts) - 1

    def __getitem__(self, line: Any) -> Any:
        block = self._block
        text, _ = block.coding.decode(block.data[block.starts[line] : block.starts[line + 1]])
        return text if text.endswith("\n") else text + "\n"


def _without_end(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _after_spaces(text: str, at: int) -> int:
    while text.startswith(" ", at):
        at += 1
    return at
