"""Rows in Arrow files: read as a stream, narrowed cheaply, and the same content is the same text everywhere."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle import Reject, Rows
from ladle.rows import build_batch, column_type, each_row, row_texts
from ladle.stages.work import RowSink


def _stage(folder, *batches):
    """Rows as a stage leaves them: ids are numbers, every second row is in the test split."""
    folder.mkdir()
    with RowSink(folder) as sink:
        for columns in batches:
            length = len(next(iter(columns.values())))
            system = {"_id": [str(n) for n in range(length)], "_split": ["train", "test"] * (length // 2)}
            origin = pa.array([{"file": "f", "line": n, "offset": None} for n in range(length)])
            sink.write(pa.RecordBatch.from_pydict(system | {"_origin": origin} | columns))
    return folder


def test_rows_are_narrowed_to_splits_and_columns(tmp_path):
    rows = Rows.of_stages([_stage(tmp_path / "a", {"text": ["a", "b", "c", "d"], "n": [1, 2, 3, 4]})])
    assert rows.columns == ["text", "n"]
    assert list(rows.of_split("test").select(["n"])) == [{"_id": "1", "n": 2}, {"_id": "3", "n": 4}]
    assert (len(rows), len(rows.of_split("train"))) == (4, 2)
    assert rows.of_split("test").table().to_pydict() == {"_id": ["1", "3"], "text": ["b", "d"], "n": [2, 4]}


def test_files_whose_types_differ_are_widened(tmp_path):
    first = _stage(tmp_path / "a", {"n": [1, 2]}, {"n": [None, None]})
    second = _stage(tmp_path / "b", {"n": [0.5, 1.5], "text": ["a", "b"]})
    rows = Rows.of_stages([first, second])
    assert [(row["n"], row["text"]) for row in rows] == [
        (1.0, None), (2.0, None), (None, None), (None, None), (0.5, "a"), (1.5, "b"),
    ]  # fmt: skip


def test_files_whose_types_no_type_holds_are_an_error(tmp_path):
    folders = [_stage(tmp_path / "a", {"n": [1, 2]}), _stage(tmp_path / "b", {"n": ["x", "y"]})]
    with pytest.raises(ValueError, match=r"files of one data set differ in a column's type: .*n"):
        Rows.of_stages(folders)


def test_row_work_keeps_rejected_rows_in_their_place():
    def work(row):
        return Reject("odd", "is odd") if row["n"] % 2 else row | {"half": row["n"] // 2}

    batch, rejects, _ = each_row(work, {"_id": ["a", "b"], "n": [3, 4]})
    assert batch == {"_id": ["a", "b"], "n": [3, 4], "half": [None, 2]}
    assert rejects == {0: Reject("odd", "is odd")}


def test_values_that_do_not_fit_name_their_column():
    with pytest.raises(ValueError, match=r"column `n`: .*"):
        build_batch({"n": [1, "two"]}, {})
    with pytest.raises(ValueError, match=r"column `n`: .*"):
        build_batch({"n": ["two"]}, {"n": pa.int64()})
    with pytest.raises(ValueError, match=r"column `n`: .*truncated"):
        build_batch({"n": [1, 1.5]}, {"n": pa.int64()})
    with pytest.raises(ValueError, match=r"column `n`: .*"):
        build_batch({"n": [1 << 70]}, {})


@pytest.mark.parametrize(
    ("arrow", "declared"),
    [
        (pa.large_string(), "text"), (pa.dictionary(pa.int32(), pa.string()), "text"), (pa.int8(), "integer"),
        (pa.float16(), "number"), (pa.decimal128(5, 2), "number"), (pa.bool_(), "boolean"), (pa.date32(), "time"),
        (pa.binary(), "bytes"), (pa.list_(pa.float64()), "vector"), (pa.list_(pa.string()), "list"),
        (pa.struct([("a", pa.int64())]), "record"), (pa.null(), "any"), (pa.timestamp("ms"), "time"),
        (pa.time64("us"), "record"), (pa.duration("s"), "record"), (pa.string_view(), "text"),
        (pa.large_binary(), "bytes"), (pa.binary_view(), "bytes"),
    ],
)  # fmt: skip
def test_arrow_types_have_a_declared_type(arrow, declared):
    assert column_type(arrow) == declared


rows = st.fixed_dictionaries({}, optional={"a": st.text(max_size=3), "b": st.integers(0, 3), "c": st.just([1, 2])})


@given(st.lists(rows, min_size=1, max_size=5))
def test_the_text_of_a_row_depends_on_the_row_alone(content):
    """Not on the rows beside it, the columns that they have, or the order of columns."""

    def text(names, part):
        batch = build_batch({name: [row.get(name) for row in part] for name in names}, {})
        return row_texts(batch, names)

    together = text(["c", "b", "a"], content)
    alone = [text(list(row), [row])[0] if row else "" for row in content]
    assert together == alone
    for one, text_of_one in zip(content, together, strict=True):
        for other, text_of_other in zip(content, together, strict=True):
            assert (one == other) == (text_of_one == text_of_other)
