"""Rows from Parquet files."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ladle import OptionError
from ladle_files.parquet_source import Parquet


def test_rows_come_with_their_types(tmp_path, read):
    table = pa.table(
        {
            "n": [1, None, 3],
            "text": pa.array(["a", "b", None], pa.large_string()),
            "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
            "v": pa.array([[1.0], [], None], pa.list_(pa.float32())),
            "who": [{"age": 1}, None, {"age": 2}],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    outcome = read(Parquet, path="a.parquet")
    assert outcome.types == {"n": "integer", "text": "text", "kind": "text", "v": "vector", "who": "record"}
    assert outcome.rows == table.to_pylist()
    assert [(o["file"], o["line"]) for o in outcome.origins] == [("a.parquet", 1), ("a.parquet", 2), ("a.parquet", 3)]
    assert read(Parquet, path="a.parquet", columns=["who", "n"]).rows[0] == {"n": 1, "who": {"age": 1}}


def test_many_rows_come_in_batches(tmp_path, read):
    pq.write_table(pa.table({"n": range(20_000)}), tmp_path / "a.parquet", row_group_size=6000)
    assert read(Parquet, path="a.parquet").values("n") == list(range(20_000))


def test_types_of_several_files_are_unified(tmp_path, read):
    pq.write_table(pa.table({"n": [1], "a": ["x"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"b": [True], "n": [0.5]}), tmp_path / "2.parquet")
    outcome = read(Parquet, path="*.parquet")
    assert outcome.types == {"n": "number", "a": "text", "b": "boolean"}
    assert outcome.rows == [{"n": 1.0, "a": "x", "b": None}, {"n": 0.5, "a": None, "b": True}]


def test_text_that_is_not_utf8_is_rejected(tmp_path, read):
    raw = pa.array([b"good", b"caf\xe9", None], pa.binary())
    wrong = pa.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2], raw.buffers()[0])
    pq.write_table(pa.table({"n": [1, 2, 3], "text": wrong}), tmp_path / "a.parquet")
    outcome = read(Parquet, path="a.parquet")
    assert outcome.rows == [{"n": 1, "text": "good"}, {"n": 3, "text": None}]
    (reject,) = outcome.rejects
    assert (reject.rule, reject.file, reject.line, reject.raw) == ("undecodable", "a.parquet", 2, b"caf\xe9")
    assert reject.reason == "column `text`: the text is no UTF-8"


def test_what_is_no_parquet_is_told_before_any_work(write, refused):
    write("a.parquet", "n\n1\n")
    error = refused(Parquet, path="a.parquet")
    assert error.option == "path"
    assert str(error).startswith("a.parquet is no Parquet file: ")
    assert error.help == "name Parquet files, or use another source"


def test_a_damaged_file_is_told(tmp_path, read):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"row {n}" for n in range(5000)]}), path, compression="zstd")
    data = bytearray(path.read_bytes())
    data[100:2000] = b"\xff" * 1900
    path.write_bytes(data)
    with pytest.raises(OptionError, match=r"cannot read a\.parquet: ") as caught:
        read(Parquet, path="a.parquet")
    assert caught.value.help == "is the file whole?"


def test_names_and_types_that_do_not_go_together(tmp_path, refused):
    pq.write_table(pa.table({"rating": [1]}), tmp_path / "1.parquet")
    error = refused(Parquet, path="1.parquet", columns=["ratng"])
    assert (str(error), error.option, error.help) == (
        "the data has no column `ratng`",
        "columns",
        "did you mean `rating`?",
    )
    pq.write_table(pa.table({"rating": [[1]]}), tmp_path / "2.parquet")
    error = refused(Parquet, path="*.parquet")
    assert "files of one data set differ in a column's type" in str(error)
    assert error.help == "read such files as sources of their own"
