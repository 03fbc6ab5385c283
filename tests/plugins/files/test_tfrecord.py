"""TFRecord files, laid out here byte by byte after TensorFlow's own definition, without its code or ours."""

from __future__ import annotations

import gzip
import struct
import tempfile
import zlib
from datetime import datetime
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle_files import frames
from ladle_files.tfrecord_source import TfRecord


def crc32c(data: bytes) -> int:
    """The checksum of Castagnoli, bit by bit (RFC 3720, appendix B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32)


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def varint(number: int) -> bytes:
    number %= 2**64
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number: int, data: bytes) -> bytes:
    """A field of the wire type LEN."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def feature(values: list[bytes] | list[float] | list[int], packed: bool = True) -> bytes:
    """A Feature: bytes_list = 1, float_list = 2 or int64_list = 3, each with its values in field 1."""
    if all(isinstance(value, bytes) for value in values):
        return field(1, b"".join(field(1, value) for value in values))
    if isinstance(values[0], float):
        numbers, kind, wire = [struct.pack("<f", value) for value in values], 2, 5
    else:
        numbers, kind, wire = [varint(value) for value in values], 3, 0
    if packed:
        return field(kind, field(1, b"".join(numbers)))
    return field(kind, b"".join(varint(1 << 3 | wire) + number for number in numbers))


def example(**features: bytes) -> bytes:
    """An Example, whose features are a map: entries of key = 1 and value = 2."""
    entries = [field(1, field(1, name.encode()) + field(2, content)) for name, content in features.items()]
    return field(1, b"".join(entries))


def row(number: int, text: str) -> bytes:
    return example(n=feature([number]), text=feature([text.encode()]))


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (bytes(32), "aa36918a"),
        (b"\xff" * 32, "43aba862"),
        (bytes(range(32)), "4e79dd46"),
        (bytes(range(31, -1, -1)), "5cdb3f11"),
        (
            bytes.fromhex(
                "01c00000 00000000 00000000 00000000 14000000 00000400"
                "00000014 00000018 28000000 00000000 02000000 00000000"
            ),
            "563a96d9",
        ),
    ],
)
def test_the_checksum_is_that_of_rfc_3720(data, checksum):
    assert struct.pack("<I", crc32c(data)).hex() == checksum
    assert frames.frame_of(data) == record(data)


def test_every_kind_of_feature(write, read):
    rows = [
        example(
            n=feature([-(2**63)]),
            x=feature([0.5]),
            text=feature(["Käse".encode()]),
            raw=feature([b"\xff\x00"]),
            v=feature([0.1, -2.0]),
            ids=feature([1, 2, 2**63 - 1]),
            tags=feature([b"a", b""]),
            late=b"",
        ),
        example(
            tags=feature([]), n=feature([7], packed=False), v=feature([1.5, 2.5], packed=False), late=feature([1.0])
        ),
        b"",
    ]
    write("a.tfrecord", b"".join(map(record, rows)))
    outcome = read(TfRecord, path="a.tfrecord")
    assert outcome.types == {
        "ids": "list",
        "late": "number",
        "n": "integer",
        "raw": "bytes",
        "tags": "list",
        "text": "text",
        "v": "vector",
        "x": "number",
    }
    empty = dict.fromkeys(outcome.types)
    tenth = struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert outcome.rows == [
        empty
        | {"n": -(2**63), "x": 0.5, "text": "Käse", "raw": b"\xff\x00"}
        | {"v": [tenth, -2.0], "ids": [1, 2, 2**63 - 1], "tags": ["a", ""]},
        empty | {"n": 7, "v": [1.5, 2.5], "tags": [], "late": 1.0},
        empty,
    ]
    offsets = [0, len(record(rows[0])), len(record(rows[0]) + record(rows[1]))]
    assert [(o["file"], o["line"], o["offset"]) for o in outcome.origins] == [
        ("a.tfrecord", number, offset) for number, offset in enumerate(offsets, 1)
    ]
    assert outcome.rejects == []


def test_the_bytes_of_one_record(write, read):
    """The length 14, and an Example with the one feature `n`, an integer 5, as every protocol buffer says it."""
    data = b"\x0a\x0c\x0a\x0a\x0a\x01n\x12\x05\x1a\x03\x0a\x01\x05"
    assert example(n=feature([5])) == data
    write("a.tfrecord", b"\x0e" + bytes(7) + masked(b"\x0e" + bytes(7)) + data + masked(data))
    assert read(TfRecord, path="a.tfrecord").rows == [{"n": 5}]


def test_types_lists_and_columns_that_are_told(write, read):
    rows = [
        example(
            ok=feature([1]), when=feature([b"2024-05-31"]), tags=feature([b"a"]), raw=feature([b"a"]), x=feature([1])
        ),
        example(ok=feature([0]), when=feature([b"2024-05-31T10:00:00Z"]), tags=feature([b"b", b"c"]), x=feature([])),
    ]
    write("a.tfrecord", b"".join(map(record, rows)))
    types = {"ok": "boolean", "when": "time", "raw": "bytes", "x": "number", "tags": "bytes"}
    outcome = read(TfRecord, path="a.tfrecord", types=types, lists=["tags"])
    assert outcome.types == types | {"tags": "list"}
    assert outcome.rows == [
        {"ok": True, "raw": b"a", "tags": [b"a"], "when": datetime(2024, 5, 31), "x": 1.0},
        {"ok": False, "raw": None, "tags": [b"b", b"c"], "when": datetime(2024, 5, 31, 10), "x": None},
    ]
    assert read(TfRecord, path="a.tfrecord", columns=["tags"], guess_rows=1).rules() == ["several-values"]
    assert read(TfRecord, path="a.tfrecord", columns=["ok"]).rows == [{"ok": 1}, {"ok": 0}]


GOOD = row(1, "good")
BAD = [
    (example(n=feature([1.0])), "wrong-type", "column `n`: [1.0] is float_list, expected int64_list"),
    (example(n=feature([1, 2])), "several-values", "column `n`: [1, 2] is several values, expected one"),
    (example(text=feature([b"caf\xe9"])), "undecodable", 'column `text`: "caf\ufffd" is no utf-8 (byte 4)'),
    (example(ok=feature([2])), "bad-boolean", "column `ok`: 2 is no boolean (0 or 1)"),
    (example(when=feature([b"soon"])), "bad-time", 'column `when`: "soon" is no time in ISO 8601'),
    (example(m=feature([1])), "unknown-feature", "the first 1 rows have no feature `m`; set `guess_rows` higher"),
    (b"hello world", "not-an-example", "the record is no tf.train.Example: "),
    (GOOD[:-1], "not-an-example", "the record is no tf.train.Example: "),
    (GOOD + field(2, b""), "not-an-example", "the record has a field 2, which no tf.train.Example has"),
    (example(text=feature([b"a" * 2000])), "too-long", "longer than max_row_bytes (1,000)"),
]


def test_bad_records_among_good_ones_are_told_one_by_one(write, read):
    first = example(n=feature([1]), text=feature([b"good"]), ok=feature([1]), when=feature([b"2024-05-31"]))
    data, expected, good_at = record(first), [], [(1, 0)]
    for bad, rule, reason in BAD:
        expected.append((2 * len(expected) + 2, len(data), rule, reason, record(bad)))
        data += record(bad)
        good_at.append((2 * len(expected) + 1, len(data)))
        data += record(GOOD)
    write("a.tfrecord", data)
    outcome = read(
        TfRecord, path="a.tfrecord", guess_rows=1, max_row_bytes=1000, types={"ok": "boolean", "when": "time"}
    )
    assert [(o["line"], o["offset"]) for o in outcome.origins] == good_at
    assert {(row["n"], row["text"]) for row in outcome.rows} == {(1, "good")}
    for reject, (number, offset, rule, reason, raw) in zip(
        sorted(outcome.rejects, key=lambda reject: reject.offset), expected, strict=True
    ):
        assert (reject.file, reject.line, reject.offset, reject.rule) == ("a.tfrecord", number, offset, rule)
        assert reason in reject.reason
        assert reject.raw == (raw if rule != "too-long" else raw[:1000])


RECORDS = [record(row(number, f"text {number}" * number)) for number in range(1, 6)]


@pytest.mark.parametrize("piece", [1, 40, 1 << 20])
def test_a_flipped_byte_is_always_found_and_costs_one_record(write, read, monkeypatch, piece):
    monkeypatch.setattr(frames, "_PIECE", piece)
    whole = b"".join(RECORDS)
    ends = [sum(map(len, RECORDS[: number + 1])) for number in range(len(RECORDS))]
    for at in range(0, len(whole), 1 if piece > 40 else 7):
        data = bytearray(whole)
        data[at] ^= 1 << at % 8
        write("a.tfrecord", data)
        outcome = read(TfRecord, path="a.tfrecord")
        lost = next(number for number, end in enumerate(ends) if at < end)
        assert outcome.values("n") == [number + 1 for number in range(len(RECORDS)) if number != lost]
        (reject,) = outcome.rejects
        assert (reject.line, reject.offset) == (lost + 1, ends[lost] - len(RECORDS[lost]))
        place = at - reject.offset
        assert reject.rule == ("bad-length" if place < 12 else "bad-data")


@pytest.mark.parametrize("piece", [1, 1 << 20])
def test_after_a_length_that_is_wrong_the_next_record_is_found(write, read, monkeypatch, piece):
    monkeypatch.setattr(frames, "_PIECE", piece)
    junk = bytes(300) + b"\x01" + bytes(11)
    write("a.tfrecord", RECORDS[0] + junk + RECORDS[1] + RECORDS[2][30:] + RECORDS[3] + b"end")
    outcome = read(TfRecord, path="a.tfrecord")
    assert outcome.values("n") == [1, 2, 4]
    assert [(r.rule, r.line, r.offset, r.raw) for r in outcome.rejects] == [
        ("bad-length", 2, len(RECORDS[0]), junk),
        ("bad-length", 4, len(RECORDS[0] + junk + RECORDS[1]), RECORDS[2][30:]),
        ("truncated", 6, len(RECORDS[0] + junk + RECORDS[1] + RECORDS[2][30:] + RECORDS[3]), b"end"),
    ]
    assert outcome.rejects[0].reason == (
        "the checksum of the record's length is wrong; 312 bytes are lost, up to the next record"
    )
    assert (
        outcome.rejects[2].reason == "the file ends inside of the record; 3 bytes are lost, up to the end of the file"
    )


def test_a_record_that_has_lost_bytes_takes_no_other_with_it(write, read):
    short = RECORDS[1][:20] + RECORDS[1][25:]
    write("a.tfrecord", RECORDS[0] + short + RECORDS[2] + RECORDS[3])
    outcome = read(TfRecord, path="a.tfrecord")
    assert outcome.values("n") == [1, 3, 4]
    assert [(r.rule, r.offset, r.raw) for r in outcome.rejects] == [("bad-data", len(RECORDS[0]), short)]


def test_a_file_that_is_cut_off_anywhere_gives_what_came_before(write, read):
    whole = b"".join(RECORDS[:3])
    ends = [len(b"".join(RECORDS[:number])) for number in range(4)]
    for size in range(ends[1], len(whole)):
        write("a.tfrecord", whole[:size])
        outcome = read(TfRecord, path="a.tfrecord")
        before = max(number for number in range(4) if ends[number] <= size)
        assert outcome.values("n") == list(range(1, before + 1))
        assert outcome.rules() == ["truncated"] * (size not in ends)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, lambda data: zlib.compress(data, 1)])
def test_files_are_unpacked(write, read, pack):
    write("a.tfrecord", pack(b"".join(RECORDS)))
    outcome = read(TfRecord, path="a.tfrecord")
    assert outcome.values("n") == [1, 2, 3, 4, 5]
    assert outcome.origins[1]["offset"] == len(RECORDS[0])


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_packed_file_that_is_cut_off_gives_what_came_before(write, read, pack):
    records = [
        record(example(n=feature([number]), raw=feature([crc32c(bytes([number])).to_bytes(4) * 3])))
        for number in range(200)
    ]
    packed = pack(b"".join(records))
    write("a.tfrecord", packed[: len(packed) // 2])
    outcome = read(TfRecord, path="a.tfrecord")
    assert 50 < len(outcome.rows) < 150
    assert outcome.values("n") == list(range(len(outcome.rows)))
    (reject,) = outcome.rejects
    assert (reject.rule, reject.line) == ("damaged", len(outcome.rows) + 1)
    assert "the file is damaged here, and what follows is lost: " in reject.reason


def test_a_record_whose_length_looks_like_a_packed_file_is_none(write, read):
    content = example(raw=feature([b"\xff" * (0x9C78 - len(example(raw=feature([b"\xff" * 40000]))) + 40000)]))
    assert record(content).startswith(b"\x78\x9c")
    write("a.tfrecord", record(content))
    assert len(read(TfRecord, path="a.tfrecord").rows) == 1


def test_a_record_too_long_for_memory_is_passed_over(write, read, monkeypatch):
    monkeypatch.setattr(frames, "_PIECE", 4096)
    long = record(example(text=feature([b"a" * 100_000])))
    write("a.tfrecord", RECORDS[0] + long + RECORDS[1] + long[:-5])
    outcome = read(TfRecord, path="a.tfrecord", max_row_bytes=1000)
    assert outcome.values("n") == [1, 2]
    assert [(r.rule, r.line, len(r.raw)) for r in outcome.rejects] == [("too-long", 2, 1000), ("too-long", 4, 1000)]


@pytest.mark.parametrize(
    ("content", "options", "option", "message", "help"),
    [
        (b"", {}, "path", "a.tfrecord has no record that can be read", "name TFRecord files"),
        (
            b"n,text\n1,a\n" * 9,
            {},
            "path",
            "(record 1: the checksum of the record's length is wrong; 99 b",
            "name TFRec",
        ),
        (record(b"text"), {}, "path", "read (record 1: the record is no tf.train.Example", "name TFRecord files"),
        (b"".join(RECORDS), {"columns": ["txt"]}, "columns", "no column `txt`", "did you mean `text`?"),
        (b"".join(RECORDS), {"types": {"m": "text"}}, "types", "no column `m`", "n"),
        (b"".join(RECORDS), {"lists": ["m"]}, "lists", "no column `m`", "n"),
        (
            b"".join(RECORDS),
            {"types": {"n": "text"}},
            "types",
            "the feature `n` is int64_list, and so no text",
            "leave",
        ),
        (record(example(_id=feature([1]))), {}, "columns", "a column cannot be called `_id`", "give it another name"),
    ],
)
def test_what_cannot_be_is_told(write, refused, content, options, option, message, help):
    write("a.tfrecord", content)
    error = refused(TfRecord, path="a.tfrecord", **options)
    assert error.option == option
    assert message in str(error)
    assert help in error.help


def test_features_of_several_kinds_are_the_commonest(write, read):
    rows = [feature([1]), feature([1.5]), feature([b"x"])]
    write("a.tfrecord", b"".join(record(example(x=kind)) for kind in rows))
    outcome = read(TfRecord, path="a.tfrecord")
    assert outcome.values("x") == [1.0, 1.5]
    assert [(r.rule, r.line) for r in outcome.rejects] == [("wrong-type", 3)]


@pytest.mark.parametrize("piece", [1, 1 << 20])
@given(
    numbers=st.lists(st.integers(0, 99), min_size=1, max_size=6),
    start=st.integers(0, 300),
    gone=st.integers(0, 60),
    put=st.binary(max_size=60),
)
@settings(max_examples=100, deadline=None)
def test_whatever_bytes_are_changed_no_wrong_row_comes_of_it(read_in, piece, numbers, start, gone, put):
    records = [record(row(number, "a" * number)) for number in [7, *numbers]]
    whole = b"".join(records)
    start += len(records[0])
    changed = whole[:start] + put + whole[start + gone :]
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "_PIECE", piece)
        (Path(name) / "a.tfrecord").write_bytes(changed)
        outcome = read_in(TfRecord, Path(name), path="a.tfrecord")
    found = [record(row(found["n"], found["text"])) for found in outcome.rows]
    starts = [origin["offset"] for origin in outcome.origins]
    assert all(changed.startswith(one, at) for one, at in zip(found, starts, strict=True))
    told = sorted(starts + [reject.offset for reject in outcome.rejects])
    assert len(set(told)) == len(told)
    assert bool(outcome.rejects) == (b"".join(found) != changed)
    if gone == len(put):
        ends = list(accumulate(map(len, records)))
        whole_ones = {end for end, one in zip(ends, records, strict=True) if changed[end - len(one) : end] == one}
        assert {at + len(one) for at, one in zip(starts, found, strict=True)} == whole_ones
