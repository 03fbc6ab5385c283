"""Clean lines and whole columns are read by Arrow: with the outcome of the checked way, whatever the file says."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import OptionError
from ladle_files import blocks, quick, records
from ladle_files.csv_source import Csv
from ladle_files.typed import column
from ladle_files.values import NoSuchValueError, value_of

integer = st.one_of(
    st.integers(-(10**20), 10**20).map(str), st.sampled_from(["", "007", "-0", " 5 ", "+3", "0x1F", "1.5"])
)
number = st.one_of(
    st.floats(allow_nan=True).map(repr),
    st.from_regex(r"[+-]?[0-9]{0,4}\.?[0-9]{0,4}([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["", " 1 ", "1e5", "nan", "-inf", "1e999", "1e-999", "١", "1_0", "\u30001"]),
)
time = st.one_of(
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: moment.isoformat(timespec="minutes")),
    st.dates().map(str),
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,9})?)?)?"
        r"(Z|[+-][0-2][0-9]:?[0-6][0-9])?",
        fullmatch=True,
    ),
    st.sampled_from(["", " 2024-05-31", "2024-05-31Z", "2024-05-31T10", "9999-12-31T23:59:59-14:00", "0000-01-01"]),
)
boolean = st.sampled_from(["true", "False", "YES", " no ", "", "maybe", "1", "NA"])
text = st.text(st.one_of(st.sampled_from(" ä日\u3000"), st.characters(codec="utf-8")), max_size=5)


@pytest.mark.parametrize(
    ("type_", "texts"),
    [("integer", integer), ("number", number), ("time", time), ("boolean", boolean), ("text", text)],
)
@given(data=st.data(), missing=st.sets(st.sampled_from(["", "NA", "0", " 5", "true", "\tNA", "2024-05-31"])))
@settings(max_examples=150, deadline=None)
def test_whole_columns_have_the_values_that_single_texts_have(type_, texts, data, missing):
    alike = data.draw(st.lists(st.one_of(texts, texts.filter(str.isascii)), max_size=3))
    values = data.draw(st.lists(st.one_of(texts, *map(st.just, alike)), max_size=8))
    expected, faults = [], {}
    for row, value in enumerate(values):
        try:
            expected.append(value_of(value, type_, frozenset(missing)))
        except NoSuchValueError as fault:
            expected.append(None)
            faults[row] = (fault.rule, str(fault))
    array, found = column(pa.array(values, pa.string()), type_, frozenset(missing))
    array.validate(full=True)
    assert repr(array.to_pylist()) == repr(expected)
    assert {row: (fault.rule, str(fault)) for row, fault in found.items()} == faults


clean = st.from_regex(rb"[0-9]{1,3},[a-z ]{0,4},2024-05-0[1-9]", fullmatch=True)
quoted = st.from_regex(rb'"[0-9]","([a-z,]|""|\xc3\xa4){0,4}",(""|"2024-05-31")', fullmatch=True)
dirty = st.one_of(
    st.lists(
        st.sampled_from(
            [b'"', b",", b"a", b"1", b" ", b"\r", b"\0", b"\xff", b"\xc3\xa4", b"\xef\xbb\xbf", b"2024-05-31"]
        ),
        max_size=8,
    ).map(b"".join),
    st.sampled_from(
        [
            b'1,"two\nlines",2024-05-31',
            b'1,"two\n""lines",2024-05-31',
            b'1,"a"b,2024-05-31',
            b'1,a"b",2024-05-31',
            b'1,"a" ,2024-05-31',
            b'1, "a",2024-05-31',
            b'"1","x',
            b"\xef\xbb\xbf1,a,2024-05-31",
            b"1,no date,2024-02-30",
            b"1,early,0000-01-01",
        ]
    ),
)
line = st.tuples(st.one_of(clean, clean, quoted, dirty), st.sampled_from([b"\n", b"\n", b"\r\n"])).map(b"".join)

OPTIONS = [
    {},
    {"quote": ""},
    {"strict": True},
    {"trim": True},
    {"missing": ["", "a", "1"]},
    {"max_row_bytes": 14},
    {"columns": ["d", "t"]},
    {"header": False, "names": ["n", "t", "d"], "types": {}},
]


def outcome_of(read_in, folder: Path, is_quick: bool, options: dict):
    """What is read, or why nothing is; and in how many blocks some lines were left to Arrow."""
    with pytest.MonkeyPatch.context() as patch:
        parted = []

        def told(*given):
            found = quick.clean_lines(*given) if is_quick else None
            parted.append(found is not None)
            return found

        patch.setattr(records, "clean_lines", told)
        types = {"types": {"n": "integer", "t": "text", "d": "time"}}
        try:
            outcome = read_in(Csv, folder, path="a.csv", **types | options)
        except OptionError as error:
            return str(error), sum(parted)
    return (outcome.types, outcome.rows, outcome.origins, outcome.rejects), sum(parted)


@pytest.mark.parametrize("block", [40, 200])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@given(lines=st.lists(line, min_size=1, max_size=30), last=st.booleans())
@settings(max_examples=25, deadline=None)
def test_any_file_has_the_outcome_that_the_checked_way_has(read_in, block, options, lines, last):
    data = b"n,t,d\n1,x,2024-05-31\n" + b"".join(lines)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "FIRST_BLOCK", block)
        patch.setattr(blocks, "BLOCK", block)
        (Path(name) / "a.csv").write_bytes(data if last else data.rstrip(b"\r\n"))
        by_arrow, _ = outcome_of(read_in, Path(name), True, options)
        checked, parted = outcome_of(read_in, Path(name), False, options)
    assert by_arrow == checked
    assert parted == 0


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_bad_lines_leave_the_others_to_arrow(write, read_in, tmp_path, end):
    """Of a block with a few bad lines, of whatever sort, all others are clean."""
    good = b'%d,"a ""b"", c",2024-05-31'
    bad = [
        b"1,a",
        b'1,"a,2024-05-31',
        b'1,a"b,2024-05-31',
        b"1,\xff,2024-05-31",
        b"1,\0,2024-05-31",
        b"",
        b"1,a\rb,2024-05-31",
    ]
    rows = [bad[number // 100 % len(bad)] if number % 100 == 50 else good % number for number in range(30_000)]
    write("a.csv", end.join([b"n,t,d", *rows]))
    seen = []
    real = records.read_clean

    def counted(*given):
        seen.append(real(*given))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "read_clean", counted)
        by_arrow, parted = outcome_of(read_in, tmp_path, True, {})
    assert parted == len(seen) >= 2
    assert sum(len(found.lines) for found in seen) > 0.8 * 0.98 * len(rows)
    checked, _ = outcome_of(read_in, tmp_path, False, {})
    assert by_arrow == checked
