"""Files that are packed, whole and damaged, and packed files that are written."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import zipfile
import zlib

import pyarrow as pa
import pytest

from ladle import Reject
from ladle_files.bio_source import Bio
from ladle_files.csv_source import Csv
from ladle_files.json_source import Json
from ladle_files.jsonl_source import JsonLines
from ladle_files.text_source import Text
from ladle_files.writers import CsvWriter, JsonLinesWriter, JsonWriter


def zstd(data: bytes) -> bytes:
    made = pa.BufferOutputStream()
    with pa.CompressedOutputStream(made, "zstd") as stream:
        stream.write(data)
    return made.getvalue().to_pybytes()


def bzip2(data: bytes) -> bytes:
    return bz2.compress(data, 1)  # in blocks of 100 kB: of one that is not whole nothing can be read


PACK = {".gz": gzip.compress, ".bz2": bzip2, ".xz": lzma.compress, ".zst": zstd}
packings = pytest.mark.parametrize("pack", PACK.values(), ids=PACK)


@packings
def test_packed_files_are_told_by_their_content(write, read, pack):
    write("a.csv", pack(b"n,text\n1,a\nx\n2,b\n"))
    write("a.jsonl", pack(b'{"n": 1}\n{"n": 2\n{"n": 3}\n'))
    write("a.json", pack(b'[{"n": 1}]'))
    write("a.txt", pack("\ufeffone\ntwo\n".encode("utf-16-le")))
    outcome = read(Csv, path="a.csv")
    assert outcome.rows == [{"n": 1, "text": "a"}, {"n": 2, "text": "b"}]
    assert [(r.line, r.offset, r.raw) for r in outcome.rejects] == [(3, 11, b"x")]
    outcome = read(JsonLines, path="a.jsonl")
    assert outcome.values("n") == [1, 3]
    assert [(r.line, r.offset, r.raw) for r in outcome.rejects] == [(2, 9, b'{"n": 2')]
    assert read(Json, path="a.json").values("n") == [1]
    assert read(Text, path="a.txt").values("text") == ["one", "two"]


@packings
def test_several_archives_one_after_another_are_one_file(write, read, pack):
    write("a.csv", pack(b"n,text\n1,a\n") + pack(b"2,b\n"))
    assert read(Csv, path="a.csv").values("n") == [1, 2]


@packings
def test_what_comes_before_the_end_of_a_file_that_is_cut_off_is_read(write, read, pack):
    numbers = random.Random(7).choices(range(10**9), k=60_000)
    content = b"n\n" + b"".join(b"%d\n" % number for number in numbers)
    packed = pack(content)
    write("a.csv", packed[: len(packed) * 2 // 3])
    write("b.csv", b"n\n1\n")
    outcome = read(Csv, path="?.csv")
    assert len(outcome.rows) > 15_000
    assert outcome.values("n") == [*numbers[: len(outcome.rows) - 1], 1]
    (reject,) = outcome.rejects
    assert (reject.rule, reject.file, reject.line) == ("damaged", "a.csv", len(outcome.rows) + 1)
    assert reject.reason.startswith("the file is damaged here, and what follows is lost: ")
    assert content[reject.offset :].startswith(reject.raw)
    assert b"\n" not in reject.raw


@pytest.mark.parametrize("pack", [PACK[ending] for ending in (".gz", ".bz2", ".xz")])  # zstd may have no checksums
def test_flipped_bytes_do_no_harm_to_what_comes_before(write, tmp_path, pack):
    content = b"".join(b"%d\n" % number for number in random.Random(7).choices(range(10**9), k=60_000))
    packed = bytearray(pack(content))
    middle = len(packed) // 2
    packed[middle : middle + 100] = b"\xff" * 100
    write("a.txt", bytes(packed))
    items = list(Text.model_validate({"path": "a.txt"}, context={"folder": tmp_path}).read())
    texts = [text for item in items if isinstance(item, pa.RecordBatch) for text in item["text"].to_pylist()]
    before = content[: len(content) // 4].splitlines()[:-1]
    assert [text.encode() for text in texts[: len(before)]] == before
    assert [item.rule for item in items if isinstance(item, Reject)][-1] == "damaged"


def test_rows_that_the_damage_cuts_in_two_are_no_rows(write, read):
    def cut(content: str) -> bytes:
        packer = zlib.compressobj(wbits=31)
        return packer.compress(content.encode()) + packer.flush(zlib.Z_SYNC_FLUSH)

    write("a.csv", cut('n,text\n1,a\n2,"two\nlines'))
    write("a.bio", cut("a O\n\nb O\nc O\nd"))
    write("a.txt", cut("one\ntwo\n\nthree\nfour\nfi"))
    write("a.md", cut("# A\na\n# B\nb\n\nbb"))
    for source, options, rows, place, raw in (
        (Csv, {"path": "a.csv"}, [{"n": 1, "text": "a"}], (3, 11), b'2,"two\nlines'),
        (Bio, {"path": "a.bio"}, [{"tokens": ["a"], "tags": ["O"]}], (3, 5), b"b O\nc O\nd"),
        (Text, {"path": "a.txt", "by": "paragraph"}, [{"text": "one\ntwo"}], (4, 9), b"three\nfour\nfi"),
        (Text, {"path": "a.txt"}, [{"text": text} for text in ("one", "two", "three", "four")], (6, 20), b"fi"),
        (Text, {"path": "a.md", "by": "section"}, [{"text": "a", "headings": ["A"]}], (3, 6), b"# B\nb\n\nbb"),
        (Text, {"path": "a.txt", "by": "file"}, [], (1, 0), b"one\ntwo\n\nthree\nfour\nfi"),
    ):
        outcome = read(source, **options)
        assert outcome.rows == rows
        assert [(r.rule, (r.line, r.offset), r.raw) for r in outcome.rejects] == [("damaged", place, raw)]


@packings
def test_a_file_of_which_nothing_can_be_unpacked_is_told(write, refused, pack):
    packed = pack(b"n,text\n1,a\n" * 99)
    write("a.csv", packed[:12])
    error = refused(Csv, path="a.csv")
    assert "the header of a.csv (line 1) cannot be read: the file is damaged here" in str(error)
    error = refused(Csv, path="a.csv", header=False)
    assert "a.csv has no row that can be read (line 1: the file is damaged here" in str(error)
    write("a.json", packed[:12])
    error = refused(Json, path="a.json")
    assert str(error).startswith("cannot read a.json: ")
    assert (error.option, error.help) == ("path", "is the file whole?")
    write("a.jsonl", packed[:12])
    assert "(line 1: the file is damaged here" in str(refused(JsonLines, path="a.jsonl"))


def test_an_archive_of_several_files_is_told(tmp_path, refused):
    with zipfile.ZipFile(tmp_path / "a.csv", "w") as archive:
        archive.writestr("inside.csv", "n\n1\n")
    error = refused(Csv, path="a.csv")
    assert (str(error), error.option) == ("a.csv is a ZIP archive", "path")
    assert error.help == "unpack it, and name what was in it"


@pytest.mark.parametrize("ending", PACK)
@pytest.mark.parametrize(
    ("writer", "source", "name"),
    [(CsvWriter, Csv, "a.csv"), (JsonLinesWriter, JsonLines, "a.jsonl"), (JsonWriter, Json, "a.json")],
)
def test_what_is_written_is_packed_as_its_name_ends(rows_of, tmp_path, read, writer, source, name, ending):
    data = rows_of({"n": [1, 2, None], "text": ["Käse", "a", "b"]})
    paths = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / f"{name}{ending.upper()}")
        writer.model_validate({"path": str(paths[-1])}, context={"folder": tmp_path}).write(data, paths[-1])
    assert paths[0].read_bytes() == paths[1].read_bytes()
    outcome = read(source, path="one")
    assert outcome.values("n") == [1, 2, None]
    assert outcome.source.files() == [paths[0]]
    plain = tmp_path / name
    writer.model_validate({"path": name}, context={"folder": tmp_path}).write(data, plain)
    assert PACK[ending](plain.read_bytes())[:3] == paths[0].read_bytes()[:3]


def test_parquet_is_not_packed_as_a_whole(tmp_path):
    from ladle_files.writers import ParquetWriter

    for ending in PACK:
        with pytest.raises(ValueError, match="a Parquet file is not packed as a whole"):
            ParquetWriter.model_validate({"path": f"a.parquet{ending}"}, context={"folder": tmp_path})
