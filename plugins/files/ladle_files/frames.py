"""The records of TFRecord files: each with its length, and checksums of the length and of the data.

A record is its length (64 bits, little-endian), the masked CRC-32C of these eight bytes, the data, and the masked
CRC-32C of the data, as TensorFlow's `lib/io/record_writer.h` lays it down.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

import google_crc32c

from ladle.objects import Fault

from .blocks import HEAD, damaged, too_long
from .packing import damage_of

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_AROUND = _HEADER.size + _CHECKSUM.size
_PIECE = 1 << 20  # bytes read at a time
_SOMETHING = re.compile(rb"[^\0]")

_WRONG_LENGTH = ("bad-length", "the checksum of the record's length is wrong")
_WRONG_DATA = ("bad-data", "the checksum of the record's data is wrong")
_CUT_OFF = ("truncated", "the file ends inside of the record")


class Frame(NamedTuple):
    """The data of a record, its number in the file from 1, and where the record begins."""

    data: bytes
    number: int
    offset: int

    def fault(self, rule: str, reason: str) -> Fault:
        return Fault(rule, reason, self.number, self.offset, frame_of(self.data))


def frame_of(data: bytes) -> bytes:
    """A record as it stands in a file."""
    length = len(data).to_bytes(8, "little")
    return b"".join((length, _CHECKSUM.pack(_masked(length)), data, _CHECKSUM.pack(_masked(data))))


def is_header(head: bytes) -> bool:
    """Whether bytes begin with the length of a record and its checksum."""
    return len(head) >= _HEADER.size and _HEADER.unpack_from(head)[1] == _masked(head[:8])


def _masked(data: bytes) -> int:
    """The CRC-32C, rotated and moved, so that the checksum of data that holds checksums means something."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


class Frames:
    """The records of a file, and a fault for each that is not what was written.

    After one whose length cannot be trusted, reading goes on at the next that has a right checksum of its length;
    what lies between is one fault. No more than `limit` bytes of a record are held.
    """

    def __init__(self, stream: io.BufferedReader, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._data = b""
        self._at = 0
        """How much of `_data` is done with."""
        self._offset = 0
        """Where in the file `_data` begins."""
        self._number = 0

    def __iter__(self) -> Iterator[Frame | Fault]:
        rule = ""
        while self._has(1):
            self._number += 1
            yield (item := self._next())
            rule = item.rule if isinstance(item, Fault) else ""
        if (damage := damage_of(self._stream)) and rule != "damaged":
            yield damaged(self._number + 1, self._offset + self._at, b"", 0, damage)

    def _next(self) -> Frame | Fault:
        head = self._data[self._at : self._at + _HEADER.size] if self._has(_HEADER.size) else b""
        length, is_length = int.from_bytes(head[:8], "little"), is_header(head)
        if is_length and length > self._limit:
            fault = too_long(self._number, self._offset + self._at, self._data[self._at :], self._limit)
            self._pass(length + _AROUND)
            return fault
        is_there = bool(head) and length <= self._limit and self._has(length + _AROUND)
        end = self._at + _HEADER.size + length
        data = self._data[self._at + _HEADER.size : end]
        is_data = is_there and self._data[end : end + _CHECKSUM.size] == _CHECKSUM.pack(_masked(data))
        if is_length and is_data:
            frame = Frame(data, self._number, self._offset + self._at)
            self._at = end + _CHECKSUM.size
            return frame
        wrong = _WRONG_DATA if is_length else _WRONG_LENGTH
        if is_data or (is_there and is_length and self._is_followed(length + _AROUND)):
            return self._fault(*wrong, length + _AROUND)
        return self._lost(*wrong if is_there or (head and not is_length) else self._cut_off())

    def _has(self, size: int) -> bool:
        """Whether there are so many bytes more; reads on until they are there."""
        if len(self._data) - self._at < size:
            self._data = self._data[self._at :]
            self._offset += self._at
            self._at = 0
            self._data += self._stream.read(max(size - len(self._data), _PIECE))
        return len(self._data) - self._at >= size

    def _is_followed(self, size: int) -> bool:
        """Whether behind so many bytes another record begins, or the file is over."""
        return not self._has(size + 1) or (
            self._has(size + _HEADER.size) and is_header(self._data[self._at + size : self._at + size + _HEADER.size])
        )

    def _pass(self, size: int) -> None:
        """Leave bytes behind without holding them."""
        while self._has(1) and size:
            step = min(size, len(self._data) - self._at)
            self._at += step
            size -= step

    def _cut_off(self) -> tuple[str, str]:
        if damage := damage_of(self._stream):
            return "damaged", damaged(0, 0, b"", 0, damage).reason
        return _CUT_OFF

    def _fault(self, rule: str, reason: str, size: int) -> Fault:
        """The fault of a record of known size, which is left behind."""
        raw = self._data[self._at : self._at + size]
        self._at += size
        return Fault(rule, reason, self._number, self._offset + self._at - size, raw)

    def _lost(self, rule: str, reason: str) -> Fault:
        """The fault of everything up to the next record that can be found; only its beginning is kept."""
        self._has(HEAD)
        start, raw = self._offset + self._at, self._data[self._at : self._at + HEAD]
        self._at += 1
        while not (found := self._find_header()) and self._has(_HEADER.size):
            pass
        if not found:
            self._at = len(self._data)
        size = self._offset + self._at - start
        what = "next record" if found else "end of the file"
        return Fault(rule, f"{reason}; {size:,} bytes are lost, up to the {what}", self._number, start, raw[:size])

    def _find_header(self) -> bool:
        """Go to the next header in what is held; else to where one could begin of which not all is held."""
        data, at, last = self._data, self._at, len(self._data) - _HEADER.size
        while at <= last:
            zeros = data.find(b"\0\0\0\0", at + 4)  # the upper half of a length: no Example has 4 GiB
            if not 4 <= zeros <= last + 4:
                break
            at = zeros - 4
            head = data[at : at + _HEADER.size]
            if is_header(head):
                self._at = at
                return True
            if any(head):
                at += 1
            else:  # in a long run of zeros
                something = _SOMETHING.search(data, at)
                at = max(at + 1, (something.start() if something else len(data)) - _HEADER.size + 1)
        self._at = max(self._at, last + 1)
        return False
