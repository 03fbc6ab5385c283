"""Rows into TFRecord files, and back."""

from __future__ import annotations

import gzip
import math
import tempfile
import zlib
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import OptionError, Rows
from ladle.columns import Columns
from ladle.rows import ORIGIN_TYPE
from ladle_files.tfrecord_source import TfRecord
from ladle_files.tfrecord_writer import TfRecordWriter


@pytest.fixture
def write_rows(tmp_path):
    """Write as the core does: under a temporary name."""

    def write(path, data, **options):
        writer = TfRecordWriter.model_validate({"path": path, **options}, context={"folder": tmp_path})
        writer.write(data, tmp_path / f".{path}.1")
        return (tmp_path / f".{path}.1").rename(tmp_path / path)

    return write


def test_a_record_is_length_data_and_their_checksums(rows_of, write_rows):
    example = b"\x0a\x0c\x0a\x0a\x0a\x01n\x12\x05\x1a\x03\x0a\x01\x05"
    header = b"\x0e\0\0\0\0\0\0\0" + bytes.fromhex("c5e5693f")
    assert write_rows("a.tfrecord", rows_of({"n": [5]})).read_bytes() == header + example + bytes.fromhex("68edf922")


def test_features_are_sorted_and_the_same_rows_make_the_same_bytes(rows_of, write_rows):
    columns = {"text": ["Käse", None], "n": [1, None], "v": pa.array([[0.5], []], pa.list_(pa.float32()))}
    paths = [write_rows(f"{name}.tfrecord.gz", rows_of(columns)) for name in "ab"]
    data = gzip.decompress(paths[0].read_bytes())
    first = (
        b"\x0a\x2e"
        b"\x0a\x0a\x0a\x01n\x12\x05\x1a\x03\x0a\x01\x01"
        b"\x0a\x11\x0a\x04text\x12\x09\x0a\x07\x0a\x05K\xc3\xa4se"
        b"\x0a\x0d\x0a\x01v\x12\x08\x12\x06\x0a\x04\x00\x00\x00\x3f"
    )
    assert data[12 : 12 + len(first)] == first
    assert data[-4 - 11 : -4] == b"\x0a\x09\x0a\x07\x0a\x01v\x12\x02\x12\x00"
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_every_type_that_can_be_written(rows_of, write_rows, read):
    rows = {
        "ok": [True, None],
        "small": pa.array([1, None], pa.uint8()),
        "x": [0.1, None],
        "nan": [math.nan, math.inf],
        "half": pa.array([np.float16(0.5), None], pa.float16()),
        "price": [Decimal("1.25"), None],
        "kind": pa.array(["a", None]).dictionary_encode(),
        "long": pa.array(["b", None], pa.large_string()),
        "raw": [b"\xff", None],
        "when": [datetime(2024, 5, 31, 1, 2, 3, 4), None],
        "zoned": pa.array([datetime(2024, 5, 31, tzinfo=UTC), None], pa.timestamp("s", "UTC")),
        "day": [date(2024, 5, 31), None],
        "days": [[date(2024, 5, 31)], []],
        "pair": pa.array([[1, 2], None], pa.list_(pa.int32(), 2)),
        "flags": [[True, False], None],
        "words": pa.array([["a", ""], []], pa.large_list(pa.string())),
        "nothing": pa.nulls(2),
    }
    write_rows("a.tfrecord", rows_of(rows))
    types = {"ok": "boolean", "when": "time", "zoned": "time", "day": "time", "flags": "boolean"}
    [first, second] = read(TfRecord, path="a.tfrecord", types=types, lists=["flags"]).rows
    assert math.isnan(first.pop("nan"))
    assert second.pop("nan") == math.inf
    assert first.pop("x") == pytest.approx(0.1, rel=1e-7)
    assert first == {
        "ok": True,
        "small": 1,
        "half": 0.5,
        "price": 1.25,
        "kind": "a",
        "long": "b",
        "raw": b"\xff",
        "when": datetime(2024, 5, 31, 1, 2, 3, 4),
        "zoned": datetime(2024, 5, 31),
        "day": datetime(2024, 5, 31),
        "days": ["2024-05-31"],
        "pair": [1, 2],
        "flags": [True, False],
        "words": ["a", ""],
    }
    assert {name: value for name, value in second.items() if value is not None} == {"days": [], "words": []}


def test_ids_are_written_if_wanted(rows_of, write_rows, read):
    write_rows("a.tfrecord", rows_of({"n": [1, 2]}), id="row")
    assert read(TfRecord, path="a.tfrecord").rows == [{"n": 1, "row": "r0"}, {"n": 2, "row": "r1"}]


def test_no_rows(rows_of, write_rows):
    assert write_rows("a.tfrecord", rows_of({"n": pa.array([], pa.int64())})).read_bytes() == b""


@pytest.mark.parametrize(
    ("path", "compression", "unpack"),
    [
        ("a.tfrecord", "gzip", gzip.decompress),
        ("a.tfrecord.gz", None, gzip.decompress),
        ("a.tfrecord", "zlib", zlib.decompress),
        ("a.tfrecord.gz", "none", bytes),
    ],
)
def test_files_are_packed(rows_of, write_rows, read, path, compression, unpack):
    plain = write_rows("plain.tfrecord", rows_of({"n": [1, 2, 3]})).read_bytes()
    assert unpack(write_rows(path, rows_of({"n": [1, 2, 3]}), compression=compression).read_bytes()) == plain
    assert read(TfRecord, path=path).values("n") == [1, 2, 3]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([{"a": 1}], "column `x` holds struct<a: int64>, and an Example has no feature for it"),
        ([[[1]]], "column `x` holds list<item: int64>, and an Example has no feature for it"),
        (pa.array([5], pa.duration("s")), "column `x` holds duration[s], and an Example"),
        ([["a", None]], "column `x` has lists with null inside, which no feature can hold"),
        (
            pa.array([2**63], pa.uint64()),
            "holds 9223372036854775808, which is too large for a 64-bit integer",
        ),
        ([1.0, -1e300], "column `x` holds -1e+300, which is too large for a 32-bit number"),
        ([[1e39]], "column `x` holds 1e+39, which is too large for a 32-bit number"),
    ],
)
def test_what_no_feature_can_hold_is_refused(rows_of, write_rows, values, message):
    with pytest.raises(OptionError) as caught:
        write_rows("a.tfrecord", rows_of({"x": values}))
    assert message in str(caught.value)
    assert caught.value.help == 'leave it out before (`use = "select"`), or write "jsonl" or "parquet"'


def test_records_are_refused_before_any_work(refused, tmp_path):
    writer = TfRecordWriter.model_validate({"path": "a.tfrecord"}, context={"folder": tmp_path})
    assert dict(writer.columns_after(Columns({"n": "integer", "v": "vector"}))) == {"n": "integer", "v": "vector"}
    with pytest.raises(OptionError, match="column `who` holds records, and an Example has no feature for them"):
        writer.columns_after(Columns({"n": "integer", "who": "record"}))
    error = refused(TfRecordWriter, path="a.tfrecord.xz")
    assert (str(error), error.option) == ("TensorFlow cannot unpack .xz", "path")


VALUES = {
    "text": (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=9)),
    "bytes": (pa.binary(), st.binary(max_size=9)),
    "integer": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "number": (pa.float64(), st.floats(width=32, allow_nan=False)),
    "boolean": (pa.bool_(), st.booleans()),
    "time": (pa.timestamp("us"), st.datetimes()),
}


@st.composite
def tables(draw):
    """Columns of every type that is written, as single values and as lists, and the options that read them again."""
    size = draw(st.integers(1, 9))
    columns, types, lists = {}, {}, []
    for number in range(draw(st.integers(1, 4))):
        name, type_, is_list = f"c{number}", draw(st.sampled_from(sorted(VALUES))), draw(st.booleans())
        arrow, values = VALUES[type_]
        if is_list:
            arrow = pa.list_(pa.float32() if type_ == "number" else arrow)
            values = st.lists(values, max_size=4)
            lists.append(name)
        rows = draw(st.lists(st.one_of(st.none(), values), min_size=size, max_size=size))
        rows[0] = draw(values)  # of a column that is all null nothing is left
        columns[name], types[name] = pa.array(rows, arrow), type_
    return pa.table(columns), types, lists


@given(tables())
@settings(max_examples=100, deadline=None)
def test_any_table_is_read_again_as_it_was_written(read_in, written):
    table, types, lists = written
    for name, values in {"_id": pa.array(["r"] * len(table)), "_origin": pa.nulls(len(table), ORIGIN_TYPE)}.items():
        table = table.append_column(name, values)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with pa.OSFile(str(folder / "rows.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)
        writer = TfRecordWriter.model_validate({"path": "a.tfrecord"}, context={"folder": folder})
        writer.write(Rows([folder / "rows.arrow"]), folder / "a.tfrecord")
        outcome = read_in(TfRecord, folder, path="a.tfrecord", types=types, lists=lists)
    assert outcome.rejects == []
    assert outcome.rows == table.select(list(types)).to_pylist()
