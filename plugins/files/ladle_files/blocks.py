"""Files as blocks of whole lines, of which line number and byte offset are known, in bounded memory."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from ladle import OptionError
from ladle.objects import Fault

from .packing import LOOK, damage_of, opened_file, unpacked

FIRST_BLOCK = 1 << 17  # a look at the first rows stays quick
BLOCK = 1 << 20
HEAD = 1000  # bytes kept of a line that is too long
MAX_ROW_BYTES = 16 << 20

_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_UTF16 = {"utf-16": "utf-16-le", "utf-16-le": "utf-16-le", "utf-16-be": "utf-16-be"}
_SYNTAX = "\n\r\t ,;|\"'"


def check_encoding(name: str) -> str:
    """The encoding in the spelling of Python. Raises OptionError for one that is unknown or has no bytes for lines."""
    try:
        found = codecs.lookup(name).name.removesuffix("-sig")
        if found in _UTF16:
            return found
        if not found.startswith("utf-32") and _SYNTAX.encode(found) == _SYNTAX.encode():
            return found
        problem = f'files in the encoding "{name}" cannot be read'
    except (LookupError, ValueError, TypeError):
        problem = f'there is no encoding "{name}"'
    raise OptionError(problem, option="encoding", help='convert the file to "utf-8", or name "utf-16", "latin-1", …')


class Coding(NamedTuple):
    """How the bytes of one file stand for text, and where its lines end."""

    encoding: str
    newline: str = "\n"
    bom: int = 0
    """Bytes before the first character."""

    @property
    def line_end(self) -> bytes:
        return self.newline.encode(self.encoding)

    def is_wide(self) -> bool:
        return self.encoding in _UTF16.values()

    def decode(self, data: bytes) -> tuple[str, bool]:
        """The text, and whether all of it is right; a byte that is no text becomes a surrogate."""
        try:
            return data.decode(self.encoding), True
        except UnicodeDecodeError:
            if not self.is_wide():
                return data.decode(self.encoding, "surrogateescape"), False
            odd = len(data) % 2
            return data[: len(data) - odd].decode(self.encoding, "surrogatepass") + "\udc80" * odd, False

    def is_clean(self, data: bytes) -> bool:
        """Whether bytes are text that a row can have."""
        text, is_right = self.decode(data)
        return is_right and "\0" not in text

    def lines(self, data: bytes) -> list[bytes]:
        """The lines without their ends."""
        end = self.line_end
        if self.is_wide():  # a line end is two bytes, the first of them at an even place
            lines = re.findall(rb"(?s:((?:..)*?)" + re.escape(end) + rb"|(.+))", data)
            return [line or rest for line, rest in lines]
        lines = data.split(end)
        return lines[:-1] if not lines[-1] else lines

    def last_end(self, data: bytes) -> int:
        """Where the last whole line of `data` is over; 0 if it has no line end."""
        end = self.line_end
        at = data.rfind(end)
        while self.is_wide() and at > 0 and at % 2:
            at = data.rfind(end, 0, at + 1)
        return at + len(end) if at >= 0 else 0

    def first_end(self, data: bytes) -> int:
        """Where the first line of `data` is over; 0 if it has no line end."""
        end = self.line_end
        at = data.find(end)
        while self.is_wide() and at > 0 and at % 2:
            at = data.find(end, at + 1)
        return at + len(end) if at >= 0 else 0

    def without_end(self, line: bytes) -> bytes:
        """A line without the characters that end it."""
        line = line.removesuffix(self.line_end)
        return line.removesuffix("\r".encode(self.encoding)) if self.newline == "\n" else line

    def fault_of(self, raw: bytes) -> tuple[str, str]:
        """Rule and reason for a row with text that no row can have."""
        try:
            raw.decode(self.encoding)
        except UnicodeDecodeError as error:
            found = " ".join(f"0x{byte:02X}" for byte in raw[error.start : error.end])
            return "undecodable", f"byte {error.start + 1} of the row ({found}) is no {self.encoding}"
        return "nul", "there is a NUL character in the row"


@contextmanager
def opened(
    path: Path, name: str, encoding: str, only_newline: bool = False
) -> Iterator[tuple[io.BufferedReader, Coding]]:
    """The bytes of a file, unpacked if they are packed, and their coding; a byte order mark outweighs `encoding`.

    Lines end with \\n or \\r\\n, or (unless `only_newline`) with \\r in a file whose start has no \\n.
    Raises OptionError naming the file if it cannot be opened.
    """
    with opened_file(path, name) as file:
        stream = unpacked(file, name)
        head = stream.peek(LOOK)
        bom = next((mark for mark in _BOMS if head.startswith(mark)), b"")
        found = _BOMS[bom] if bom else _UTF16.get(encoding, encoding)
        carriage_return, line_feed = "\r".encode(found), "\n".encode(found)
        is_old = not only_newline and carriage_return in head and line_feed not in head
        yield stream, Coding(found, "\r" if is_old else "\n", len(bom))


class Block:
    """Whole lines of a file, and where they stand in it; `pending` bytes of the next line have been read already."""

    def __init__(self, data: bytes, offset: int, line: int, coding: Coding, pending: int, is_last: bool) -> None:
        self.data = data
        self.offset = offset
        self.line = line
        self.coding = coding
        self.pending = pending
        self.is_last = is_last

    @cached_property
    def lines(self) -> int:
        """How many lines there are."""
        end = self.coding.line_end
        return len(self.raws) if self.coding.is_wide() else self.data.count(end) + (not self.data.endswith(end))

    @cached_property
    def raws(self) -> list[bytes]:
        """The lines as bytes, without line feeds."""
        return self.coding.lines(self.data)

    @cached_property
    def starts(self) -> list[int]:
        """Where in `data` each line begins, and one more: where a line after the last would."""
        size = len(self.coding.line_end)
        return list(accumulate((len(raw) + size for raw in self.raws), initial=0))

    def texts(self) -> tuple[list[str], bool]:
        """The lines as text, without line feeds, and whether none of them has a character that no row can have."""
        text, is_right = self.coding.decode(self.data)
        texts = text.split(self.coding.newline)
        if not texts[-1]:
            texts.pop()
        if len(texts) != len(self.raws):  # a bad byte took the line end with it
            texts = [self.coding.decode(raw)[0] for raw in self.raws]
        return texts, is_right and "\0" not in text

    def raw(self, first: int, after: int) -> bytes:
        """The bytes of the lines from `first` to before `after`, without the last line's end."""
        return self.coding.without_end(self.data[self.starts[first] : self.starts[after]])

    def fault(self, rule: str, reason: str, first: int, after: int) -> Fault:
        """The fault of a row of these lines."""
        return Fault(rule, reason, self.line + first, self.offset + self.starts[first], self.raw(first, after))


class Blocks:
    """The blocks of a file, one after another; what a block's last lines begin can be put back before the next."""

    def __init__(self, stream: io.BufferedReader, coding: Coding, limit: int) -> None:
        self._stream = stream
        self._coding = coding
        self._limit = limit
        self._size = FIRST_BLOCK
        self._line = 1
        self._offset = coding.bom
        self._waiting = b""
        self._is_over = False
        stream.read(coding.bom)

    def __iter__(self) -> Iterator[Block | Fault]:
        """Blocks, and for each line of more bytes than the limit a fault in its place.

        Where a packed file is damaged the last is a fault, with what there is of the row that the damage is in: no
        block before it is the last.
        """
        is_over = False
        while not is_over:
            self._read()
            if not self._waiting:
                break
            is_whole = self._is_over and not damage_of(self._stream)
            cut = len(self._waiting) if is_whole else self._coding.last_end(self._waiting)
            if cut:
                is_over = self._is_over
                block = self._block(cut, is_whole)
                self._move(cut, block.lines)
                yield block
            elif len(self._waiting) > self._limit:
                yield self._overlong()
            else:
                is_over = self._is_over
        if damage := damage_of(self._stream):
            yield damaged(self._line, self._offset, self._waiting, self._limit, damage)

    def put_back(self, block: Block, first: int) -> None:
        """Let the next block begin with the lines from `first` on of the block that was given last."""
        start = block.starts[first]
        self._waiting = block.data[start:] + self._waiting
        self._offset = block.offset + start
        self._line = block.line + first

    def _read(self) -> None:
        """Read on, as much again as is waiting: a row over many blocks is not looked at in every one."""
        size = max(self._size, len(self._waiting))
        self._size = min(2 * self._size, BLOCK)
        more = self._stream.read(size)
        self._is_over = len(more) < size
        self._waiting += more

    def _block(self, cut: int, is_last: bool) -> Block:
        data, pending = self._waiting[:cut], len(self._waiting) - cut
        return Block(data, self._offset, self._line, self._coding, pending, is_last)

    def _move(self, cut: int, lines: int) -> None:
        self._waiting = self._waiting[cut:]
        self._offset += cut
        self._line += lines

    def _overlong(self) -> Fault:
        fault = too_long(self._line, self._offset, self._waiting, self._limit)
        while not (cut := self._coding.first_end(self._waiting)) and not self._is_over:
            cut = len(self._waiting) - (len(self._waiting) % 2 if self._coding.is_wide() else 0)
            self._move(cut, 0)
            self._read()
        self._move(cut or len(self._waiting), 1)
        return fault


def too_long(line: int, offset: int, data: bytes, limit: int) -> Fault:
    """The fault of a row of more bytes than may be; it keeps only their beginning."""
    reason = f"the row is longer than max_row_bytes ({limit:,}); this is its beginning"
    return Fault("too-long", reason, line, offset, data[: min(HEAD, limit)])


def damaged(line: int, offset: int, data: bytes, limit: int, damage: str) -> Fault:
    """The fault of a packed file that cannot be unpacked further, with the beginning of the row that this is in."""
    reason = f"the file is damaged here, and what follows is lost: {damage}"
    return Fault("damaged", reason, line, offset, data[:limit])
