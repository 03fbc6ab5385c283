"""The first rows of files, shown before anything is read."""

from __future__ import annotations

import json

import pytest

from ladle_files.bio_source import Bio
from ladle_files.csv_source import Csv
from ladle_files.json_source import Json
from ladle_files.jsonl_source import JsonLines
from ladle_files.parquet_source import Parquet
from ladle_files.text_source import Text


@pytest.fixture
def sample(tmp_path):
    """The first rows of files by name."""

    def of(component, files: dict[str, str], count: int = 3, **options):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        source = component.model_validate({"path": next(iter(files))} | options, context={"folder": tmp_path})
        source.peek()
        found = source.first_rows(count)
        return list(found.rows), found.is_whole

    return of


def test_rows_of_csv_have_their_types_and_no_row_that_is_rejected(sample):
    text = "n,word,x\n1,one,0.5\ntwo,two,1\n3,,\n4,four,2\n"
    options = {"types": {"n": "integer"}, "columns": ["n", "x", "word"]}
    rows = [{"n": 1, "word": "one", "x": 0.5}, {"n": 3, "word": None, "x": None}, {"n": 4, "word": "four", "x": 2.0}]
    assert sample(Csv, {"rows.csv": text}, **options) == (rows, True)
    assert sample(Csv, {"rows.csv": text}, count=2, **options) == (rows[:2], False)


def test_objects(sample):
    rows = [{"n": 1, "w": None}, {"n": None, "w": "b"}]
    lines = '{"n": 1}\nbroken\n{"w": "b"}\n'
    assert sample(JsonLines, {"rows.jsonl": lines}) == (rows, True)
    assert sample(Json, {"rows.json": json.dumps([{"n": 1}, 7, {"w": "b"}])}, count=1) == (rows[:1], False)


def test_lines_and_files_of_text(sample):
    assert sample(Text, {"a.txt": "one\n\ntwo\n"}) == ([{"text": "one"}, {"text": "two"}], True)
    files = {"a.txt": "one\ntwo", "b.txt": "three"}
    assert sample(Text, files, path=".", by="file") == ([{"text": "one\ntwo"}, {"text": "three"}], True)
    assert sample(Text, files | {"b.txt": "x" * 100_000}, path=".", by="file") == ([{"text": "one\ntwo"}], False)


def test_sentences(sample):
    rows = [{"tokens": ["Ada", "left"], "tags": ["B-x", "O"]}, {"tokens": ["yes"], "tags": ["O"]}]
    text = "Ada B-x\nleft O\n\nbad\n\nyes O\n"
    assert sample(Bio, {"a.bio": text}) == (rows, True)
    assert sample(Bio, {"a.bio": text}, count=1) == (rows[:1], False)


def test_the_first_of_several_files_is_not_all(sample):
    assert sample(Csv, {"a.csv": "n\n1\n", "b.csv": "n\n2\n"}, path="*.csv") == ([{"n": 1}], False)


def test_each_file_is_opened_once_by_a_look_and_a_sample(tmp_path, monkeypatch):
    from ladle_files import csv_source

    (tmp_path / "rows.csv").write_text("n\n1\n")
    opened, real = [], csv_source.opened
    monkeypatch.setattr(csv_source, "opened", lambda path, *rest: opened.append(path) or real(path, *rest))
    source = Csv.model_validate({"path": str(tmp_path / "rows.csv")})
    source.peek()
    assert source.first_rows(1).rows == [{"n": 1}]
    assert len(opened) == 1
    assert source.first_rows(1).rows == [{"n": 1}]  # and alone it looks itself


def test_what_takes_long_shows_no_rows(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"n": [1]}), tmp_path / "rows.parquet")
    assert Parquet.model_validate({"path": str(tmp_path / "rows.parquet")}).first_rows(1) is None
