"""Rows of CSV files that cannot be read: none vanishes, and none takes others with it."""

from __future__ import annotations

import pytest

from ladle_files import blocks
from ladle_files.csv_source import Csv

TYPES = {"n": "integer", "x": "number", "ok": "boolean", "when": "time", "text": "text"}
HEADER = b"n,x,ok,when,text\n"
GOOD = b"1,2.5,true,2024-05-31,fine\n"

# each with the rule it breaks and a part of the reason
BAD = [
    (b"1,2.5,true,2024-05-31\n", "too-few-fields", "4 fields, expected 5"),
    (b"1\n", "too-few-fields", "1 field, expected 5"),
    (b"1,2.5,true,2024-05-31,a,b\n", "too-many-fields", "6 fields, expected 5"),
    (b"1,2.5,true,2024-05-31,caf\xe9\n", "undecodable", "byte 26 of the row (0xE9) is no utf-8"),
    (b"1,2.5,true,2024-05-31,\xff\xfe\n", "undecodable", "(0xFF) is no utf-8"),
    (b"1,2.5,true,2024-05-31,\xed\xa0\x80\n", "undecodable", "is no utf-8"),
    (b"1,2.5,true,2024-05-31,\xe2\x82\n", "undecodable", "is no utf-8"),
    (b"1,2.5,true,2024-05-31,a\0b\n", "nul", "NUL character"),
    (b'1,2.5,true,2024-05-31,"a"b\n', "text-after-quote", 'after the closing quote of field 5 comes "b"'),
    (b'1,2.5,true,2024-05-31,"a" \n', "text-after-quote", 'field 5 comes " "'),
    (b'1,2.5,true,2024-05-31,"a"\xff\n', "text-after-quote", 'field 5 comes "\ufffd"'),
    (b'"1"2,2.5,true,2024-05-31,a\n', "text-after-quote", 'field 1 comes "2,2.5,true,2024-05-31,a"'),
    (b'1,2.5,true,2024-05-31,say "hi"\n', "bare-quote", "field 5 has a quote inside, but is not quoted"),
    (b"one,2.5,true,2024-05-31,a\n", "bad-integer", 'column `n`: "one" is no integer'),
    (b"0x1F,2.5,true,2024-05-31,a\n", "bad-integer", 'column `n`: "0x1F" is no integer'),
    (b"1_000,2.5,true,2024-05-31,a\n", "bad-integer", "is no integer"),
    ("١,2.5,true,2024-05-31,a\n".encode(), "bad-integer", "is no integer"),
    (b"1.5,2.5,true,2024-05-31,a\n", "fractional-integer", 'column `n`: "1.5" is a number, but no integer'),
    (b"1e3,2.5,true,2024-05-31,a\n", "fractional-integer", "no integer"),
    (b"9223372036854775808,2.5,true,2024-05-31,a\n", "integer-too-large", "outside of the 64 bits of an integer"),
    (b"-9223372036854775809,2.5,true,2024-05-31,a\n", "integer-too-large", "outside of the 64 bits"),
    (b"1,2.5.1,true,2024-05-31,a\n", "bad-number", 'column `x`: "2.5.1" is no number'),
    (b'1,"2,5",true,2024-05-31,a\n', "bad-number", 'column `x`: "2,5" is no number'),
    (b"1,nan,true,2024-05-31,a\n", "not-finite", '"nan" is not finite, and so no number'),
    (b"1,-Infinity,true,2024-05-31,a\n", "not-finite", '"-Infinity" is not finite'),
    (b"1,1e999,true,2024-05-31,a\n", "not-finite", '"1e999" is larger than any number'),
    (b"1,2.5,maybe,2024-05-31,a\n", "bad-boolean", 'column `ok`: "maybe" is no boolean'),
    (b"1,2.5,true,31.05.2024,a\n", "bad-time", 'column `when`: "31.05.2024" is no time in ISO 8601'),
    (b"1,2.5,true,2024-02-30,a\n", "bad-time", '"2024-02-30" is a time that no calendar has'),
    (b"1,2.5,true,2024-05-31," + b"a" * 2000 + b"\n", "too-long", "longer than max_row_bytes (1,000)"),
    (b"1,2.5,true,2024-05-31,\"" + b"a" * 2000 + b"\"\n", "too-long", "this is its beginning"),
    (b"x,y,z,2024-05-31,a\n", "bad-integer", 'column `n`: "x" is no integer; column `x`: "y" is no number;'),
]  # fmt: skip


@pytest.mark.parametrize("block", [1, 64, 1 << 16])
def test_bad_rows_among_good_ones_are_told_one_by_one(write, read, monkeypatch, block):
    monkeypatch.setattr(blocks, "FIRST_BLOCK", block)
    monkeypatch.setattr(blocks, "BLOCK", block)
    expected, data, good_at = [], HEADER, []
    for number, (bad, rule, reason) in enumerate(BAD):
        good_at.append((data.count(b"\n") + 1, len(data)))
        data += GOOD + b"\n" * (number % 2)
        expected.append((data.count(b"\n") + 1, len(data), rule, reason, bad.removesuffix(b"\n")))
        data += bad
    unterminated = b'1,2.5,true,2024-05-31,"open'
    good_at += [(data.count(b"\n") + 2, len(data) + len(unterminated) + 1)]
    expected.append((data.count(b"\n") + 1, len(data), "unterminated-quote", "no quote closes it", unterminated))
    write("bad.csv", data + unterminated + b"\n" + GOOD)

    outcome = read(Csv, path="bad.csv", types=TYPES, strict=True, max_row_bytes=1000)

    assert [(o["line"], o["offset"]) for o in outcome.origins] == good_at
    assert {tuple(row.values())[:3] for row in outcome.rows} == {(1, 2.5, True)}
    rejects = sorted(outcome.rejects, key=lambda reject: reject.line)
    for reject, (line, offset, rule, reason, raw) in zip(rejects, expected, strict=True):
        assert (reject.file, reject.line, reject.offset, reject.rule) == ("bad.csv", line, offset, rule)
        assert reason in reject.reason
        assert reject.raw == (raw if rule != "too-long" else raw[:1000])
    assert len({rule for _, rule, _ in BAD}) >= 14


def test_quotes_inside_unquoted_fields_are_text_unless_strict(write, read):
    write("a.csv", 'a,b\n5" disk,say "hi"\nx""y,"q"\n')
    outcome = read(Csv, path="a.csv")
    assert [tuple(row.values()) for row in outcome.rows] == [('5" disk', 'say "hi"'), ('x""y', "q")]
    outcome = read(Csv, path="a.csv", strict=True, header=False)
    assert [tuple(row.values()) for row in outcome.rows] == [("a", "b")]
    assert outcome.rules() == ["bare-quote", "bare-quote"]


def test_an_open_quote_takes_only_its_own_line(write, read, monkeypatch):
    monkeypatch.setattr(blocks, "FIRST_BLOCK", 512)
    monkeypatch.setattr(blocks, "BLOCK", 512)
    lines = [f"{number},row {number}" for number in range(2000)]
    lines[700] = '700,"never closed'
    write("a.csv", "n,text\n" + "\n".join(lines))
    for limit in (1000, 1 << 20):
        outcome = read(Csv, path="a.csv", max_row_bytes=limit)
        assert outcome.values("n") == [number for number in range(2000) if number != 700]
        (reject,) = outcome.rejects
        assert (reject.rule, reject.line, reject.raw) == ("unterminated-quote", 702, b'700,"never closed')
        assert ("within max_row_bytes (1,000)" in reject.reason) == (limit == 1000)


def test_a_quoted_row_over_many_blocks_is_one_row(write, read, monkeypatch):
    monkeypatch.setattr(blocks, "FIRST_BLOCK", 100)
    monkeypatch.setattr(blocks, "BLOCK", 100)
    text = "\n".join(f'line {number}, "quoted"' for number in range(500))
    quoted = text.replace('"', '""')
    write("a.csv", f'n,text\n1,"{quoted}"\n2,after\n')
    outcome = read(Csv, path="a.csv")
    assert outcome.rows == [{"n": 1, "text": text}, {"n": 2, "text": "after"}]
    assert [origin["line"] for origin in outcome.origins] == [2, 502]
    assert outcome.origins[1]["offset"] == len(f'n,text\n1,"{quoted}"\n')


def test_values_that_come_late_and_are_not_of_the_guessed_type_are_rejected(write, read):
    write("a.csv", "n\n" + "7\n" * 1000 + "1.5\nseven\n8\n")
    outcome = read(Csv, path="a.csv")
    assert outcome.types == {"n": "integer"}
    assert len(outcome.rows) == 1001
    assert [(r.line, r.offset, r.rule) for r in outcome.rejects] == [
        (1002, 2002, "fractional-integer"),
        (1003, 2006, "bad-integer"),
    ]
    assert read(Csv, path="a.csv", types={"n": "text"}).rejects == []


def test_a_line_that_is_too_long_for_memory_is_passed_over(write, read, monkeypatch):
    monkeypatch.setattr(blocks, "FIRST_BLOCK", 4096)
    monkeypatch.setattr(blocks, "BLOCK", 4096)
    long = b"1," + b"x" * 300_000
    write("a.csv", b"n,text\n0,a\n" + long + b"\n2,b\n" + long)
    outcome = read(Csv, path="a.csv", max_row_bytes=10_000)
    assert outcome.values("n") == [0, 2]
    assert [(o["line"], o["offset"]) for o in outcome.origins] == [(2, 7), (4, 12 + len(long))]
    assert [(r.line, r.rule, len(r.raw)) for r in outcome.rejects] == [(3, "too-long", 1000), (5, "too-long", 1000)]


def test_counts_add_up_for_random_bytes(write, read):
    lines = [bytes((line * 31 + at * 7) % 256 for at in range(line % 40)) for line in range(500)]
    data = b"\n".join(line.replace(b"\n", b"").replace(b"\r", b"") for line in lines)
    write("a.csv", data)
    outcome = read(Csv, path="a.csv", quote="", header=False, names=["text"], delimiter="\x01")
    filled = sum(1 for line in data.split(b"\n") if line)
    assert len(outcome.rows) + len(outcome.rejects) == filled
    assert outcome.rows
    assert outcome.rejects
