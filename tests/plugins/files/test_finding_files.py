"""Which files a source reads, under which names, and what it says where there are none."""

from __future__ import annotations

import gzip

import pytest
from pydantic import ValidationError

from ladle import OptionError
from ladle.options import Input, marked
from ladle_files.csv_source import Csv


@pytest.fixture
def files(write):
    write("data/b.csv", "n,text\n3,c\n")
    write("data/a.csv", "n,text\n1,a\n2,b\n")
    write("data/deep/c.csv.gz", gzip.compress(b"text,n\nd,4\n"))
    write("data/.hidden.csv", "x\n9\n")
    return write("data/README.md", "no data").parent


@pytest.mark.parametrize(
    ("path", "numbers"),
    [
        ("data", [1, 2, 3, 4]),
        ("data/", [1, 2, 3, 4]),
        ("data/*.csv", [1, 2, 3]),
        ("data/?.csv", [1, 2, 3]),
        ("data/[b-z].csv", [3]),
        ("data/**/*.csv*", [1, 2, 3, 4]),
        ("data/deep", [4]),
        ("data/b.csv", [3]),
    ],
)
def test_a_file_a_folder_or_a_pattern(files, read, path, numbers):
    assert read(Csv, path=path).values("n") == numbers


def test_origins_name_files_as_the_recipe_does(files, read, tmp_path):
    outcome = read(Csv, path="data")
    assert [(o["file"], o["line"], o["offset"]) for o in outcome.origins] == [
        ("data/a.csv", 2, 7),
        ("data/a.csv", 3, 11),
        ("data/b.csv", 2, 7),
        ("data/deep/c.csv.gz", 2, 7),
    ]
    absolute = read(Csv, path=str(tmp_path / "data" / "b.csv"))
    assert absolute.origins[0]["file"] == "data/b.csv"


def test_the_content_of_files_and_not_their_names_is_part_of_the_key(files, tmp_path):
    source = Csv.model_validate({"path": "data/*.csv"}, context={"folder": tmp_path})
    assert [path.name for path in source.files()] == ["a.csv", "b.csv"]
    assert marked(Csv.model_fields["path"].metadata, Input)
    assert source.model_dump(mode="json")["path"] == str(tmp_path / "data/*.csv")


def test_a_file_with_the_name_of_a_pattern_is_that_file(write, read):
    write("a[1].csv", "n\n1\n")
    write("a1.csv", "n\n2\n")
    assert read(Csv, path="a[1].csv").values("n") == [1]


@pytest.mark.parametrize(
    ("path", "message", "help"),
    [
        ("data/a.cvs", "no such file or folder: data/a.cvs", "did you mean `data/a.csv`?"),
        ("dta/a.csv", "no such file or folder: dta/a.csv", "did you mean `data/a.csv`?"),
        ("data/zzzzzz", "no such file or folder: data/zzzzzz", "paths are relative to the recipe"),
        ("zzz/yyy/a.csv", "no such file or folder: zzz/yyy/a.csv", "paths are relative to the recipe"),
        ("daat/*.csv", "no file matches daat/*.csv", "did you mean `data/*.csv`?"),
        ("data/*.cvs", "no file matches data/*.cvs", "did you mean `data/"),
        ("data/*/x/*.csv", "no file matches data/*/x/*.csv", "paths are relative to the recipe"),
        ("empty", "no .csv or .tsv or .tab or .txt file in the folder empty", "such as empty/*"),
    ],
)
def test_a_path_that_leads_nowhere(files, write, refused, path, message, help):
    write("empty/.keep", "")
    error = refused(Csv, path=path)
    assert (str(error), error.option, error.code) == (message, "path", "missing-file")
    assert help in error.help


def test_a_path_is_a_text():
    with pytest.raises(ValidationError):
        Csv.model_validate({"path": 3})


def test_columns_of_several_files_must_be_the_same(write, read):
    write("a.csv", "n,text\n1,a\n")
    write("b.csv", "text,m,k\nb,2,3\n")
    with pytest.raises(
        OptionError, match=r"b\.csv has other columns than a\.csv: it lacks `n` and has `m`, `k`"
    ) as caught:
        read(Csv, path="?.csv")
    assert caught.value.option == "path"
    assert "sources of their own" in caught.value.help


def test_the_first_file_with_rows_tells_the_types(write, read):
    write("a.csv", "n,text\n")
    write("b.csv", "n,text\n1,x\n")
    write("c.csv", "")
    outcome = read(Csv, path="*.csv")
    assert outcome.types == {"n": "integer", "text": "text"}
    assert outcome.rows == [{"n": 1, "text": "x"}]
