"""Files of data, sources that read them as the core would, and rows for writers."""

from __future__ import annotations

import bz2
import itertools
import lzma
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from ladle import DataSource, OptionError, Reject, Rows
from ladle.rows import ORIGIN_TYPE, column_type


@dataclass
class Outcome:
    """What a source gave."""

    source: DataSource
    rows: list[dict[str, Any]] = field(default_factory=list)
    origins: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)

    def values(self, column: str) -> list[Any]:
        return [row[column] for row in self.rows]

    def rules(self) -> list[str]:
        return [reject.rule for reject in self.rejects]


def bytes_of(path: Path) -> bytes:
    """What a file holds, unpacked as far as it is whole."""
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(data)
    if data.startswith(b"x\x9c"):
        return zlib.decompressobj().decompress(data)
    if data.startswith(b"BZh"):
        return bz2.BZ2Decompressor().decompress(data)
    if data.startswith(b"\xfd7zXZ"):
        return lzma.LZMADecompressor().decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream, suppress(OSError):
            pieces = []
            while piece := stream.read(64):
                pieces.append(piece)
        return b"".join(pieces)
    return data


def _shown(rows: Any) -> str:
    """Rows as text, in which NaN is NaN, without records: in these a key may be null or left out."""
    return repr([{name: value for name, value in row.items() if "{" not in repr(value)} for row in rows])


def read_all(component: type[DataSource], folder: Path, **options: Any) -> Outcome:
    """Read a source; the types and first rows it told before have to come true, as bytes where rejects say."""
    source = component.model_validate(options, context={"folder": folder})
    declared = source.peek()
    sample = source.first_rows(7)
    outcome = Outcome(source)
    for item in source.read():
        if isinstance(item, Reject):
            outcome.rejects.append(item)
            item.reason.encode()  # as it is kept
            if item.offset is not None:
                data = bytes_of(folder / item.file)
                assert data[item.offset : item.offset + len(item.raw)] == item.raw
            continue
        assert 0 < item.num_rows <= 4096
        item.validate(full=True)
        outcome.origins += item["_origin"].to_pylist()
        batch = item.drop_columns(["_origin"])
        outcome.types = {field.name: column_type(field.type) for field in batch.schema}
        assert outcome.types == dict(declared)
        outcome.rows += batch.to_pylist()
    if sample is not None:
        assert _shown(sample.rows) == _shown(outcome.rows[: len(sample)])
        assert not sample.is_whole or len(sample) == len(outcome.rows)
    return outcome


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Outcome]:
    """Read a source whose paths are relative to the test's own folder."""
    return lambda component, **options: read_all(component, tmp_path, **options)


@pytest.fixture(scope="session")
def read_in() -> Callable[..., Outcome]:
    """Read a source whose paths are relative to a given folder."""
    return read_all


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Make a file in the test's own folder."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., OptionError]:
    """The error with which a component refuses its options, when it is made or when it looks into the files."""

    def error_of(component: Any, **options: Any) -> OptionError:
        try:
            made = component.model_validate(options, context={"folder": tmp_path})
        except ValidationError as caught:
            (error,) = caught.errors()
            return error["ctx"]["error"]
        with pytest.raises(OptionError) as caught:
            made.peek()
        return caught.value

    return error_of


@pytest.fixture
def rows_of(tmp_path: Path) -> Callable[..., Rows]:
    """Writes columns as rows that travel between stages: in batches of `cut` rows, with ids r0, r1, …"""
    numbers = itertools.count()

    def write(columns: dict[str, Any], cut: int = 3) -> Rows:
        table = pa.table(columns)
        system = {
            "_id": pa.array([f"r{number}" for number in range(len(table))], pa.string()),
            "_split": pa.array(["train"] * len(table), pa.string()),
            "_origin": pa.nulls(len(table), ORIGIN_TYPE),
        }
        for name, values in system.items():
            table = table.append_column(name, values)
        path = tmp_path / f"{next(numbers)}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=cut)
        return Rows([path])

    return write
