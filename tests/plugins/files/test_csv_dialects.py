"""How delimited text is written where nothing says so, and doubts about what was taken for granted."""

from __future__ import annotations

import pytest

from ladle import OptionError, Sample
from ladle_files.csv_source import Csv
from ladle_files.writers import CsvWriter


@pytest.mark.parametrize("name", ["a.tsv", "a.TAB", "a.tsv.gz", "a.tab.zst"])
@pytest.mark.parametrize("path", ["{}", "*", "?.*", "../data"])
def test_tabs_are_told_by_the_name(write, read, name, path):
    write(f"data/{name}", "a\tb, c\n1\tx,y\n")
    outcome = read(Csv, path=f"data/{path.format(name)}" if path != "*" else f"data/*{name[1:]}")
    assert outcome.rows == [{"a": 1, "b, c": "x,y"}]
    assert read(Csv, path=f"data/{name}", delimiter=",", header=False).types == {"column_1": "text", "column_2": "text"}


def test_a_delimiter_that_a_name_tells_is_part_of_the_key(write, tmp_path):
    write("a.tsv", "a\n1\n")
    write("a.csv", "a\n1\n")
    dumped = {
        name: Csv.model_validate({"path": name}, context={"folder": tmp_path}).model_dump()["delimiter"]
        for name in ("a.tsv", "a.csv")
    }
    assert dumped == {"a.tsv": "\t", "a.csv": ","}


def test_what_is_written_to_a_name_is_read_from_it(rows_of, read, tmp_path):
    data = rows_of({"n": [1], "text": ["a,b\tc"]})
    writer = CsvWriter.model_validate({"path": "a.tsv"}, context={"folder": tmp_path})
    writer.write(data, tmp_path / "a.tsv")
    assert (tmp_path / "a.tsv").read_text() == 'n\ttext\n1\t"a,b\tc"\n'
    assert read(Csv, path="a.tsv").rows == [{"n": 1, "text": "a,b\tc"}]


@pytest.fixture
def doubts(write, tmp_path):
    """What a source doubts of a file's content, when it is checked."""

    def of(content: str, **options) -> list[OptionError]:
        write("a.csv", content)
        source = Csv.model_validate({"path": "a.csv"} | options, context={"folder": tmp_path})
        source.peek()
        return list(source.doubts(source.first_rows(100)))

    return of


@pytest.mark.parametrize(
    ("content", "options", "delimiter"),
    [
        ("n;text;x\n1;a b;2\n2;c;3\n", {}, '";"'),
        ("n\ttext\n1\ta\n2\tc\n", {}, '"\\t"'),
        ("n|text\n1|a\n2|c\n", {}, '"|"'),
        ("n,text\n1,a\n2,c\n", {"delimiter": ";"}, '","'),
        ("1;a\n2;b\n", {"header": False}, '";"'),
    ],
)
def test_one_column_that_seems_to_be_several(doubts, content, options, delimiter):
    (doubt,) = doubts(content, **options)
    assert doubt.option == "delimiter"
    assert str(doubt).startswith("there is one column only, and its rows look as if ")
    assert doubt.help == f"delimiter = {delimiter}"


@pytest.mark.parametrize(
    "content", ["text\nso; it goes\nand on\n", "a;b\nno\nnever\n", "n\n1\n2\n", "when\n10:30 a\n11:30 b\n12:00 c\n"]
)
def test_one_column_that_is_one(doubts, content):
    assert doubts(content) == []


@pytest.mark.parametrize(
    "content", ["1,a\n2,b\n", "5.1,3,x\n4.9,2.5,y\n", "true,a\nfalse,b\n", "2024-05-31,a\n2024-06-01,b\n"]
)
def test_a_header_that_looks_like_a_row(doubts, content):
    (doubt,) = doubts(content)
    assert doubt.option == "header"
    assert str(doubt) == f"the names of the columns look like a row: {content.splitlines()[0].replace(',', ', ')}"
    assert "header = false" in doubt.help
    assert doubts(content, header=False) == []


@pytest.mark.parametrize("content", ["land,2019,2020\nfr,5,6\n", "a,b\nx,y\n", "id,1\n7,8\n", "a,1\n,\n", "n\n1\n"])
def test_a_header_that_is_one(doubts, content):
    assert doubts(content) == []


def test_nothing_is_doubted_of_no_rows(write, tmp_path):
    write("a.csv", "n\n1\n")
    assert list(Csv.model_validate({"path": "a.csv"}, context={"folder": tmp_path}).doubts(Sample())) == []


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            "1,\xff\n",
            {"header": False},
            "a.csv has no row that can be read (line 1: byte 3 of the row (0xFF) is no utf-8)",
        ),
        (
            "a;b\n1;2\n",
            {"columns": ["a"]},
            "there is one column only, and its rows look as if ';' stood between their fields",
        ),
        ("a,b\n1\n", {}, "a.csv has no row that can be read (line 2: 1 field, expected 2)"),
    ],
)
def test_a_file_without_a_good_row_tells_of_the_first_bad_one(write, refused, content, options, message):
    write("a.csv", content.encode("latin-1"))
    assert str(refused(Csv, path="a.csv", **options)) == message


def test_names_mend_a_header_that_has_a_name_twice(write, read):
    write("a.csv", "a,b,a\n1,2,3\n")
    assert read(Csv, path="a.csv", names=["a", "b", "c"]).rows == [{"a": 1, "b": 2, "c": 3}]
