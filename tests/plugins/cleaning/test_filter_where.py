"""Dropping rows by a condition over columns, or by their language."""

from __future__ import annotations

import ast
import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import Columns, OptionError
from ladle_cleaning import expressions
from ladle_cleaning.conditions import Filter
from ladle_cleaning.languages import LANGUAGES


def filtered(**options) -> Filter:
    return Filter.model_validate(options)


COLUMNS = {
    "age": [17, 40, None, 66],
    "rent": [0.5, 20.0, 5.0, math.nan],
    "city": ["Rome", "New York", "Oslo", None],
    "ok": [True, False, None, True],
    "born": [datetime(2003, 5, 1), datetime(1980, 1, 31), None, datetime(1955, 12, 24)],
    "words": [["a"], [], None, ["b", "c"]],
}


@pytest.mark.parametrize(
    ("where", "truths"),
    [
        ("age >= 18", "FTNT"),
        ("18 <= age < 60", "FTNF"),
        ("age > 2 * rent", "TFNN"),
        ("age - 1 == 16 or rent / 2 > 9", "TTNN"),
        ("rent / (rent - 20) < 0", "TNTN"),  # nothing is divided by nothing
        ("-age < -50", "FFNT"),
        ("city in ['Rome', 'Oslo']", "TFTN"),
        ("city not in ['Rome']", "FTTN"),
        ("'York' in city", "FTFN"),
        ("'o' not in lower(city)", "FFFN"),
        ("length(city) == 4 and length(words) == 1", "TFNF"),
        ("length(city) == 4 or length(words) == 1", "TFTN"),
        ("born > '1980-01-30' and born <= '2003-05-01T00:00'", "TTNF"),
        ("ok", "TFNT"),
        ("not ok or missing(ok)", "FTTF"),
        ("ok == true", "TFNT"),
        ("missing(rent) or missing(city)", "FFFT"),
        ("age != 17 and true", "FTNT"),
        ("age < 99999999999999999999", "TTNT"),
        ("column('age') > 17", "FTNT"),
    ],
)
def test_conditions_are_true_false_or_unknown(rows, clean, where, truths):
    ids = [f"r{at}" for at in range(4)]
    data = rows(COLUMNS)
    kept = clean(filtered(where=where), data).kept
    assert list(kept) == [id_ for id_, truth in zip(ids, truths, strict=True) if truth == "T"]
    kept = clean(filtered(where=where, missing="keep"), data).kept
    assert list(kept) == [id_ for id_, truth in zip(ids, truths, strict=True) if truth in "TN"]


def test_a_reject_tells_what_is_not_so_or_what_is_missing(rows, clean):
    where = "age > 2 * rent and city != 'Oslo'"
    done = clean(filtered(where=where), rows(COLUMNS))
    assert {id_: tuple(reject[:2]) for id_, reject in done.rejects.items()} == {
        "r1": ("where", f'it is not so that {where}: `age` is 40, `rent` is 20, `city` is "New York"'),
        "r2": ("where", f'it is not so that {where}: `age` is missing, `rent` is 5, `city` is "Oslo"'),
        "r3": ("missing", f"it cannot be told whether {where}: no value in `rent`, `city`"),
    }


def test_a_condition_may_stand_beside_those_on_a_column(rows, clean):
    done = clean(filtered(column="age", max=50, where="city != 'Rome'"), rows(COLUMNS))
    assert {id_: reject.rule for id_, reject in done.rejects.items()} == {"r0": "where", "r2": "missing", "r3": "max"}


def test_columns_of_other_types_are_compared_by_their_values(rows, clean):
    data = rows(
        {
            "price": pa.array([Decimal("1.50"), Decimal("2.50")], pa.decimal128(6, 2)),
            "day": pa.array([date(2020, 1, 1), date(2020, 1, 2)]),
            "at": pa.array(
                [datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)], pa.timestamp("us", "UTC")
            ),
            "kind": pa.array(["a", "b"]).dictionary_encode(),
            "huge": pa.array([1, 2**64 - 1], pa.uint64()),
            "small": pa.array([0.25, 0.5], pa.float32()),
        }
    )
    for where in (
        "price < 2",
        "day < '2020-01-02'",
        "at < '2020-01-01T12:00'",
        "kind == 'a'",
        "huge < 5",
        "small < 0.3",
    ):
        assert list(clean(filtered(where=where), data).kept) == ["r0"], where
    assert not clean(filtered(where="x > 1 and lower(x) == 'a'", missing="drop"), rows({"x": pa.nulls(2)})).kept


GIVEN = Columns(
    {"age": "integer", "city": "text", "born": "time", "ok": "boolean", "v": "vector", "row": "record", "x": "any"}
)


@pytest.mark.parametrize(
    ("where", "message", "help"),
    [
        ("age", "`age` is a number, and no condition", None),
        ("agee > 3", "no column `agee` at this point", "did you mean `age`?"),
        ("age > 'x'", "`age` is a number and `'x'` a text", None),
        ("born > 'soon'", "`'soon'` is no time", 'write for example born > "2020-01-31"'),
        ("born > city", "`city` is no time", 'write for example born > "2020-01-31"'),
        ("age and ok", "`age` is a number, expected boolean", None),
        ("city + 1 > 2", "`city` is a text, expected number", None),
        ("lower(age) == 'a'", "`age` is a number, expected text", None),
        ("length(age) > 1", "`age` is a number, expected text or list or vector", None),
        ("lenght(city) > 1", "there is no function `lenght`", "did you mean `length`?"),
        ("__import__('os')", "there is no function `__import__`", "the functions are: length, lower, missing"),
        ("length(city, 1) > 1", "`length(city, 1)` has no place in a condition", None),
        ("age is None", "`is` compares nothing here", "write ==, != or missing(column)"),
        ("age == None", "`None` has no place in a condition", None),
        ("1 < 2", "the condition looks at no column", None),
        ("age in []", "nothing is in an empty list", None),
        ("city in city", "`city` is no text in quotes", 'write "Rome" in city, or city == other'),
        ("v == v", "a vector is not to be compared", None),
        ("row == row", "a record is not to be compared", None),
        ("age.real > 1", "`age.real` has no place in a condition", None),
        ("age if ok else 1", "`age if ok else 1` has no place in a condition", None),
        ("(lambda: ok)()", "`(lambda: ok)()` has no place in a condition", None),
        ("age ** 2 > 3", "`age ** 2` has no place in a condition", None),
    ],
)
def test_what_makes_no_condition_of_these_columns_is_refused(where, message, help):
    with pytest.raises(OptionError) as caught:
        filtered(where=where).columns_after(GIVEN)
    assert (str(caught.value), caught.value.option) == (message, "where")
    if help:
        assert caught.value.help == help


@pytest.mark.parametrize("where", ["age >", "import os", "", "age > 3; ok", "(" * 5000, "age = 3"])
def test_what_is_no_condition_at_all_is_refused(refused, where):
    assert str(refused(Filter, where=where)).startswith("this is no condition: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min": 1}, "these conditions need a column to look at"),
        ({"column": "age", "where": "age > 1"}, "no condition is on `age`"),
        ({"column": "text", "language": ["enn"]}, '"enn" is no language that can be told'),
    ],
)
def test_conditions_and_columns_belong_together(refused, options, message):
    assert str(refused(Filter, **options)) == message


NUMBERS = st.one_of(st.none(), st.integers(-3, 3))
PARTS = st.recursive(
    st.sampled_from(
        ["a > 1", "b == 0", "a + b < c", "c in [1, 2]", "missing(b)", "a / b > 0.5", "t == 'x'", "'x' in t"]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: "({} {} {})".format(*parts)),
        inner.map("not {}".format),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(PARTS, st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, st.sampled_from([None, "x", "yx", ""])), min_size=1))
def test_many_rows_are_judged_as_each_alone_would_be(where, table):
    names = ["a", "b", "c", "t"]
    types = [pa.int64(), pa.int64(), pa.int64(), pa.string()]
    columns = [pa.array(values, type_) for values, type_ in zip(zip(*table, strict=True), types, strict=True)]
    batch = pa.RecordBatch.from_arrays(columns, names)
    tree = expressions.parsed(where)
    expressions.check(tree, Columns(dict(zip(names, ["integer"] * 3 + ["text"], strict=True))))
    many = expressions.are_true_of(tree, batch).to_pylist()
    assert many == [expressions.is_true_of(tree, row) for row in batch.to_pylist()]
    without_gaps = [row for row in batch.to_pylist() if None not in row.values() and row["b"]]
    for row in without_gaps:  # where nothing is missing it is what Python says
        plain = ast.unparse(tree).replace("missing(b)", "False")
        assert expressions.is_true_of(tree, row) == eval(plain, {}, row)


def test_texts_in_other_languages_go(rows, clean):
    texts = [
        "In the beginning God created the heavens and the earth.",
        "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
        "初めに、神は天地を創造された。",
        "ok",
        "12345",
        None,
    ]
    data = rows({"text": texts})
    done = clean(filtered(column="text", language=["en", "ja"]), data)
    assert list(done.kept) == ["r0", "r2"]
    assert {id_: tuple(reject[:2]) for id_, reject in done.rejects.items()} == {
        "r1": ("language", "`text` is in another language: de"),
        "r3": ("language", "`text` is in no language that can be told"),
        "r4": ("language", "`text` is in no language that can be told"),
        "r5": ("missing", "no value in `text`"),
    }
    assert not filtered(column="text", language=["en"]).is_light
    long = filtered(column="text", language=["en"], min=9, length=True, certainty=0)
    assert [r.rule for r in clean(long, data).rejects.values()] == ["language", "language", "min", "min", "missing"]


def test_the_languages_are_those_that_can_be_told():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    assert set(LanguageIdentifier.from_model_file(MODEL_FILE).labels) - {"zxx"} == LANGUAGES
