"""Whatever table Python's csv module writes, the source reads the same; and fast ways read what slow ones do."""

from __future__ import annotations

import csv
import io
import math
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle_files import blocks
from ladle_files.csv_source import Csv

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
special = st.sampled_from(list(" ,;\t|\"'\n\r§a1"))


@st.composite
def tables(draw):
    """A table of texts, and the options that write and read it."""
    width = draw(st.integers(1, 4))
    text = st.text(st.one_of(special, characters), max_size=8)
    rows = draw(st.lists(st.lists(text, min_size=width, max_size=width), min_size=1, max_size=6))
    delimiter, quote = draw(st.sampled_from(",;\t|§ ")), draw(st.sampled_from("\"'"))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    quoting = draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]))
    if end == "\n" and quoting == csv.QUOTE_MINIMAL:  # the csv module leaves a CR unquoted there, even at a line's end
        rows = [[text.replace("\r", "r") for text in row] for row in rows]
    return rows, delimiter, quote, end, quoting


@pytest.mark.parametrize("block", [7, 1 << 16])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@given(table=tables())
@settings(max_examples=60, deadline=None)
def test_any_table_is_read_as_it_was_written(read_in, block, encoding, table):
    rows, delimiter, quote, end, quoting = table
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, quotechar=quote, lineterminator=end, quoting=quoting)
    writer.writerows(rows)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "FIRST_BLOCK", block)
        patch.setattr(blocks, "BLOCK", block)
        (Path(name) / "a.csv").write_bytes(file.getvalue().encode(encoding))
        names = [f"c{place}" for place in range(len(rows[0]))]
        outcome = read_in(
            Csv,
            Path(name),
            path="a.csv",
            delimiter=delimiter,
            quote=quote,
            encoding=encoding,
            header=False,
            names=names,
            types=dict.fromkeys(names, "text"),
            missing=[],
        )
    assert [list(row.values()) for row in outcome.rows] == rows
    assert outcome.rejects == []
    text = file.getvalue()
    before = [text[:at].count("\n") + 1 for at in _starts(rows, delimiter, quote, end, quoting)]
    assert [origin["line"] for origin in outcome.origins] == before


def _starts(rows, delimiter, quote, end, quoting):
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, quotechar=quote, lineterminator=end, quoting=quoting)
    for row in rows:
        yield file.tell()
        writer.writerow(row)


@pytest.mark.parametrize("block", [5, 1 << 16])
@given(data=st.text(st.sampled_from("ab,\"\n\r '"), min_size=1, max_size=60), limit=st.sampled_from([6, 12, 1000]))
@settings(max_examples=300, deadline=None)
def test_no_line_vanishes_whatever_the_file_says(read_in, block, data, limit):
    """The number of lines that rows and rejects take is that of the file, and block sizes play no part."""
    content = ('x,y\n"1",2\n' + data).encode()
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        (Path(name) / "a.csv").write_bytes(content)
        whole = read_in(Csv, Path(name), path="a.csv", max_row_bytes=limit, types={"x": "text", "y": "text"})
        patch.setattr(blocks, "FIRST_BLOCK", block)
        patch.setattr(blocks, "BLOCK", block)
        cut = read_in(Csv, Path(name), path="a.csv", max_row_bytes=limit, types={"x": "text", "y": "text"})
    assert (cut.rows, cut.origins) == (whole.rows, whole.origins)
    assert sorted(cut.rejects, key=lambda r: r.line) == sorted(whole.rejects, key=lambda r: r.line)
    starts = sorted([o["offset"] for o in whole.origins] + [r.offset for r in whole.rejects])
    assert len(set(starts)) == len(starts)
    for start, after in zip(starts, [*starts[1:], len(content)], strict=True):
        assert any(line not in (b"", b"\r") for line in content[start:after].split(b"\n"))


number = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.integers(-99, 99).map(str),
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.from_regex(r"[+-]?[0-9]{0,4}\.?[0-9]{0,4}([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["", " 1 ", "0x1F", "1_0", "١", "nan", "Infinity", "007", "1e5", "-0", "\u30001"]),
)
time = st.one_of(
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.dates().map(str),
    st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9])?)?", fullmatch=True),
)


def _python(text: str, type_: str) -> object:
    """What a text is by Python's own reading, or None if it is nothing."""
    try:
        if type_ == "time":
            moment = datetime.fromisoformat(text)
            return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
        if not text.isascii() or "_" in text:
            return None
        value = int(text) if type_ == "integer" else float(text)
        return value if (-(2**63) <= value < 2**63 if type_ == "integer" else math.isfinite(value)) else None
    except ValueError:
        return None


@given(
    values=st.one_of(
        st.tuples(st.sampled_from(["integer", "number"]), st.lists(number, min_size=1, max_size=5)),
        st.tuples(st.just("time"), st.lists(time, min_size=1, max_size=5)),
    )
)
@settings(max_examples=400, deadline=None)
def test_values_are_what_python_reads(read_in, values):
    type_, texts = values
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "a.csv").write_text("x,y\n" + "".join(f'"{text}",.\n' for text in texts))
        outcome = read_in(Csv, Path(name), path="a.csv", types={"x": type_})
    expected = [_python(text.strip(), type_) if text else "null" for text in texts]
    assert outcome.values("x") == [None if v == "null" else v for v in expected if v is not None]
    assert len(outcome.rejects) == expected.count(None)
