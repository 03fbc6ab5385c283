"""Rows into files, and back."""

from __future__ import annotations

import gzip
import json
from datetime import date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import OptionError, Rows
from ladle.rows import ORIGIN_TYPE
from ladle_files.csv_source import Csv
from ladle_files.json_source import Json
from ladle_files.jsonl_source import JsonLines
from ladle_files.parquet_source import Parquet
from ladle_files.writers import CsvWriter, JsonLinesWriter, JsonWriter, ParquetWriter

FORMATS = [
    (CsvWriter, Csv, "a.csv"),
    (CsvWriter, Csv, "a.csv.gz"),
    (JsonLinesWriter, JsonLines, "a.jsonl"),
    (JsonLinesWriter, JsonLines, "a.jsonl.gz"),
    (JsonWriter, Json, "a.json"),
    (JsonWriter, Json, "a.json.gz"),
    (ParquetWriter, Parquet, "a.parquet"),
]
PLAIN = {
    "n": [1, None, -(2**63), 4],
    "x": [1.0, 0.1, None, 1e300],
    "ok": [True, False, None, True],
    "text": ['say "hi", you', "line\nbreak\r\n", "carriage\rreturn", None],
    "words": ["ä", "\t", "日本", "a"],
}


@pytest.fixture
def write_rows(tmp_path):
    """Write as the core does: under a temporary name."""

    def write(component, path, data, **options):
        writer = component.model_validate({"path": path, **options}, context={"folder": tmp_path})
        writer.write(data, tmp_path / f".{path}.1")
        return (tmp_path / f".{path}.1").rename(tmp_path / path)

    return write


@pytest.mark.parametrize(("writer", "source", "path"), FORMATS)
def test_what_is_written_is_read_again(rows_of, write_rows, read, writer, source, path):
    write_rows(writer, path, rows_of(PLAIN))
    outcome = read(source, path=path)
    assert outcome.rejects == []
    assert outcome.types == {"n": "integer", "x": "number", "ok": "boolean", "text": "text", "words": "text"}
    assert {name: outcome.values(name) for name in PLAIN} == PLAIN


@pytest.mark.parametrize(("writer", "source", "path"), FORMATS)
def test_times_are_read_again(rows_of, write_rows, read, writer, source, path):
    times = [datetime(2024, 5, 31, 1, 2, 3, 4), datetime(1999, 1, 1)]
    write_rows(writer, path, rows_of({"when": times}))
    options = {} if source is Parquet else {"types": {"when": "time"}}
    outcome = read(source, path=path, **options)
    assert outcome.types == {"when": "time"}
    assert outcome.values("when") == times


@pytest.mark.parametrize(("writer", "source", "path"), FORMATS[2:])
def test_nested_values_are_read_again(rows_of, write_rows, read, writer, source, path):
    rows = {
        "v": pa.array([[0.1, 2.0], [], None], pa.list_(pa.float32())),
        "tags": [["a"], [], ["b", None]],
        "who": [{"name": "N", "ages": [1]}, None, {"name": None, "ages": []}],
    }
    data = rows_of(rows)
    write_rows(writer, path, data)
    outcome = read(source, path=path)
    assert outcome.types == {"v": "vector", "tags": "list", "who": "record"}
    assert outcome.rows == [{name: row[name] for name in rows} for row in data]


def test_csv_has_nested_values_as_json(rows_of, write_rows):
    data = rows_of(
        {"v": [[0.5, 1.0], None], "who": [{"a": "ä", "when": date(2024, 5, 31)}, None], "raw": [b"\xff", None]}
    )
    path = write_rows(CsvWriter, "a.csv", data, delimiter=";", missing="NA")
    assert path.read_text() == 'v;who;raw\n[0.5, 1.0];"{""a"": ""ä"", ""when"": ""2024-05-31""}";/w==\nNA;NA;NA\n'


@pytest.mark.parametrize(("writer", "source", "path"), FORMATS)
def test_ids_are_written_if_wanted(rows_of, write_rows, read, writer, source, path):
    data = rows_of({"n": [1, 2]})
    write_rows(writer, path, data, id="row")
    assert read(source, path=path).rows == [{"row": "r0", "n": 1}, {"row": "r1", "n": 2}]
    with pytest.raises(OptionError, match="the rows have a column `n` already") as caught:
        write_rows(writer, path, data, id="n")
    assert caught.value.option == "id"


@pytest.mark.parametrize(
    ("writer", "path", "content"),
    [(CsvWriter, "a.csv", "n\n"), (JsonLinesWriter, "a.jsonl", ""), (JsonWriter, "a.json", "[]\n")],
)
def test_no_rows(rows_of, write_rows, writer, path, content):
    assert write_rows(writer, path, rows_of({"n": pa.array([], pa.int64())})).read_text() == content


def test_json_is_an_object_a_line(rows_of, write_rows):
    data = rows_of({"n": [1, 2, 3, 4], "t": ["ä", None, "", "x"]})
    path = write_rows(JsonWriter, "a.json", data)
    assert path.read_text().splitlines()[:3] == ["[", '{"n": 1, "t": "ä"},', '{"n": 2, "t": null},']
    assert [row["n"] for row in json.loads(path.read_text())] == [1, 2, 3, 4]


def test_the_same_rows_make_the_same_bytes(rows_of, write_rows):
    first, second = (write_rows(JsonLinesWriter, f"{n}.jsonl.gz", rows_of(PLAIN)).read_bytes() for n in "ab")
    assert first == second
    assert gzip.decompress(first).count(b"\n") == 4


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
@pytest.mark.parametrize("nested", [False, True])
def test_json_has_no_number_that_is_not_finite(rows_of, write_rows, value, nested):
    data = rows_of({"n": [1, 2], "x": [[1.0], [value]] if nested else [1.0, value]})
    with pytest.raises(OptionError, match=r"column `x` holds .*, which JSON has no number for") as caught:
        write_rows(JsonLinesWriter, "a.jsonl", data)
    assert "write Parquet" in caught.value.help


def test_parquet_has_row_groups_of_the_size_that_is_wanted(rows_of, write_rows):
    data = rows_of({"n": list(range(100))}, cut=7)
    path = write_rows(ParquetWriter, "a.parquet", data, row_group=30, compression="snappy")
    about = pq.ParquetFile(path).metadata
    assert [about.row_group(group).num_rows for group in range(about.num_row_groups)] == [30, 30, 30, 10]
    assert about.row_group(0).column(0).compression == "SNAPPY"
    assert pq.read_table(path)["n"].to_pylist() == list(range(100))


def test_options_that_cannot_be(refused):
    assert "'||' is no delimiter" in str(refused(CsvWriter, path="a.csv", delimiter="||"))
    assert "a Parquet file is not packed as a whole" in str(refused(ParquetWriter, path="a.parquet.gz"))


@given(
    rows=st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.text('\r\n",')),
        min_size=1,
    )
)
@settings(max_examples=100, deadline=None)
def test_any_texts_are_read_again_from_csv(read_in, tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("texts")
    table = pa.table({"a": [a for a, _ in rows], "b": [b for _, b in rows]})
    for name, values in {"_id": pa.array(["r"] * len(rows)), "_origin": pa.nulls(len(rows), ORIGIN_TYPE)}.items():
        table = table.append_column(name, values)
    with pa.OSFile(str(folder / "rows.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    writer = CsvWriter.model_validate({"path": "a.csv"}, context={"folder": folder})
    writer.write(Rows([folder / "rows.arrow"]), folder / "a.csv")
    outcome = read_in(Csv, folder, path="a.csv", missing=[], types={"a": "text", "b": "text"})
    assert [(row["a"], row["b"]) for row in outcome.rows] == rows
