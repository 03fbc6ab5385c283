"""Files that are packed: told by their content, and unpacked as they are read; or packed as they are written."""

from __future__ import annotations

import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ladle import OptionError

LOOK = 1 << 16  # bytes at the start of a file that tell how it is written
_PIECE = 1 << 12  # bytes unpacked at a time: what comes with a fault beside it is lost

PACKED = (".gz", ".bz2", ".xz", ".zst")
"""How the names of packed files end, behind the suffix of their format."""

_Opener = Callable[[IO[bytes]], Callable[[int], bytes]]


def _gzip(file: IO[bytes]) -> Callable[[int], bytes]:
    import gzip

    return gzip.GzipFile(fileobj=file, mode="rb").read1


def _bzip2(file: IO[bytes]) -> Callable[[int], bytes]:
    import bz2

    return bz2.BZ2File(file).read1


def _xz(file: IO[bytes]) -> Callable[[int], bytes]:
    return lzma.LZMAFile(file).read1


def _zstd(file: IO[bytes]) -> Callable[[int], bytes]:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd").read


def _zlib(file: IO[bytes]) -> Callable[[int], bytes]:
    unpacker = zlib.decompressobj()

    def read(size: int) -> bytes:
        while not unpacker.eof:
            packed = unpacker.unconsumed_tail or file.read(_PIECE)
            if data := unpacker.decompress(packed, size):
                return data
            if not packed:
                raise EOFError("the file ends before the packed data does")
        return b""

    return read


# text cannot begin like any of these
_FORMATS: list[tuple[re.Pattern[bytes], _Opener]] = [
    (re.compile(rb"\x1f\x8b"), _gzip),
    (re.compile(rb"BZh[1-9](?:\x31\x41\x59\x26\x53\x59|\x17\x72\x45\x38\x50\x90)"), _bzip2),
    (re.compile(rb"\xfd7zXZ\0"), _xz),
    (re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), _zstd),
]
_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")


class Unpacked(io.RawIOBase):
    """The bytes of a packed file. Where it turns out to be damaged they end, and `damage` says why."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.damage = ""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = 0
        try:
            while not self.damage and size < len(buffer) and (data := self._read(min(len(buffer) - size, _PIECE))):
                buffer[size : size + len(data)] = data
                size += len(data)
        except (EOFError, OSError, ValueError, lzma.LZMAError, zlib.error) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            self.damage = str(error)
        return size


@contextmanager
def opened_file(path: Path, name: str) -> Iterator[io.BufferedReader]:
    """The bytes of a file as it is. Raises OptionError naming the file if it cannot be opened, or read further."""
    try:
        with io.BufferedReader(io.FileIO(path), LOOK) as file:
            yield file
    except OSError as error:
        raise OptionError(f"cannot read {name}: {error.strerror or error}", option="path") from None


def unpacked(file: io.BufferedReader, name: str, zlib_too: bool = False) -> io.BufferedReader:
    """The bytes of a file, unpacked if they are gzip, bzip2, xz or zstd: by content, for a stage's key knows no names.

    `zlib_too` is for files that cannot begin like text. Raises OptionError for a ZIP archive.
    """
    head = file.peek(LOOK)
    for mark, opener in [*_FORMATS, (_ZLIB, _zlib)] if zlib_too else _FORMATS:
        if mark.match(head):
            return io.BufferedReader(Unpacked(opener(file)), LOOK)
    if head.startswith(b"PK\3\4"):
        raise OptionError(f"{name} is a ZIP archive", option="path", help="unpack it, and name what was in it")
    return file


def damage_of(stream: io.BufferedReader) -> str:
    """Why the bytes of a stream have ended before their time; "" if they have not."""
    return stream.raw.damage if isinstance(stream.raw, Unpacked) else ""


@contextmanager
def packed(path: Path, packing: str) -> Iterator[IO[bytes]]:
    """A file to write bytes to, packed as one of PACKED says; the same bytes in make the same file."""
    with path.open("wb") as file:
        if packing == ".gz":
            import gzip

            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as stream:  # without name and time
                yield stream
        elif packing == ".bz2":
            import bz2

            with bz2.BZ2File(file, "wb") as stream:
                yield stream
        elif packing == ".xz":
            with lzma.LZMAFile(file, "wb") as stream:
                yield stream
        elif packing == ".zst":
            import pyarrow as pa

            with pa.CompressedOutputStream(pa.PythonFile(file, mode="w"), "zstd") as stream:
                yield stream
        else:
            yield file
