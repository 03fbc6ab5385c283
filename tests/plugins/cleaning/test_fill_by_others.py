"""Filling in missing values by what other columns say: groups, neighbours, a model."""

from __future__ import annotations

import json
import math
import random
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import Columns, OptionError, Sample
from ladle_cleaning import extras
from ladle_cleaning.gaps import FillMissing


def fill(**options) -> FillMissing:
    return FillMissing.model_validate({"columns": ["x"]} | options)


def filled(cleaner: FillMissing, state, data) -> list:
    return [value for batch in cleaner.with_state(state).work(data) for value in batch["x"].to_pylist()]


def test_groups_have_medians_of_their_own(rows, clean):
    data = rows(
        {
            "x": [1, 3, 9, None, 100, 200, 300, None, None, None],
            "city": ["Rome"] * 4 + ["Oslo"] * 4 + ["Bonn", None],
        },
        splits=["train"] * 9 + ["test"],
    )
    cleaner = fill(strategy="median", by=["city"])
    assert cleaner.fit(data.of_split("train")) == {"x": {"all": 9, "groups": {"Oslo": 200, "Rome": 3}}}
    assert clean(cleaner, data).values("x") == [1, 3, 9, 3, 100, 200, 300, 200, 9, 9]


def test_groups_may_be_of_several_columns_and_of_no_value(rows, clean):
    data = rows(
        {
            "x": ["a", "b", "b", "?", "c", None, "c", None],
            "one": [1, 1, 1, 1, None, None, 2, 2],
            "two": [True, True, True, True, False, False, None, None],
        }
    )
    done = clean(fill(strategy="most-frequent", by=["one", "two"], markers=["?"]), data)
    assert done.values("x") == ["a", "b", "b", "b", "c", "c", "c", "c"]
    assert done.columns.read == {"x", "one", "two"}


def test_rows_outside_the_train_split_teach_no_group(rows, clean):
    data = rows({"x": [1, 2, 50, None], "by": ["a", "a", "b", "b"]}, splits=["train", "train", "test", "test"])
    assert clean(fill(strategy="median", by=["by"]), data).values("x") == [1, 2, 50, 1]


PEOPLE = {
    "age": [20, 21, 22, 60, 61, 62, 21, 61, None],
    "job": ["student"] * 3 + ["retired"] * 3 + ["student", "retired", None],
}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0, 3.0, 10.0, 20.0, 30.0], [2.0, 20.0]),
        ([1, 2, 4, 10, 20, 31], [2, 20]),
        (["a", "b", "b", "c", "d", "c"], ["b", "c"]),
        ([True, False, True, False, True, False], [True, False]),
    ],
)
def test_neighbours_tell_a_value_together(rows, clean, values, expected):
    data = rows(PEOPLE | {"x": [*values, None, None, None]})
    done = clean(fill(strategy="neighbours", using=["age", "job"], k=3), data).values("x")
    assert done[6:8] == expected
    assert done[8] is not None  # of a row that nothing is known of
    assert type(done[6]) is type(values[0])


def test_the_nearest_row_alone_may_tell(rows, clean):
    data = rows(
        {"x": [1.5, 2.5, 3.5, None, None], "y": [0.0, 5.0, 10.0, 4.0, math.nan], "z": ["a", "b", "b", "b", "a"]}
    )
    assert clean(fill(strategy="neighbours", using=["y", "z"], k=1), data).values("x") == [1.5, 2.5, 3.5, 2.5, 1.5]


def test_distances_are_those_of_gower(rows):
    """By hand, where `y` goes over 10: 2 is 0.2 from 0 and 0.8 from 10; the means are of two columns, and of one."""
    from ladle_cleaning.neighbours import Neighbours, learn

    data = rows({"x": [1.0, 2.0, 4.0], "y": [0.0, 10.0, None], "z": ["b", "b", "c"], "u": [1, 1, 1]})
    known = next(iter(data.batches("arrow")))
    found = Neighbours(learn(known, "x", ["y", "z", "u"]), 1)
    row = pa.record_batch({"y": [2.0], "z": ["b"], "u": pa.array([None], pa.int64())})
    distances = found._distances(np.array([[2.0, 0.0, np.nan]]))
    assert distances[0].tolist() == pytest.approx([0.1, 0.4, 1.0])
    assert found.tell(row) == [1.0]


def linear(rows, count=300):
    """`x` follows from `y` and `z`, `c` from `y` alone; the last rows do not say so."""
    random.seed(5)
    y = [random.uniform(0, 10) for _ in range(count)]
    z = [random.choice(["up", "down"]) for _ in range(count)]
    x = [(one if other == "up" else -one) for one, other in zip(y, z, strict=True)]
    truth = x[-20:], ["big" if one > 5 else "small" for one in y[-20:]]
    data = rows(
        {
            "x": [*x[:-20], *[None] * 20],
            "c": [*("big" if one > 5 else "small" for one in y[:-20]), *["?"] * 20],
            "n": [*(round(one) for one in x[:-20]), *[None] * 20],
            "y": y,
            "z": z,
        },
        per_batch=64,
    )
    return data, truth


def test_a_model_tells_numbers_and_categories(rows, clean):
    data, (x, c) = linear(rows)
    cleaner = fill(strategy="model", columns=["x", "c", "n"], using=["y", "z"], markers=["?"])
    done = clean(cleaner, data)
    errors = [abs(found - true) for found, true in zip(done.values("x")[-20:], x, strict=True)]
    assert sum(errors) / 20 < 0.5  # the median of all would be 5 off
    assert sum(found == true for found, true in zip(done.values("c")[-20:], c, strict=True)) >= 19
    assert all(isinstance(value, int) for value in done.values("n"))


def test_forests_are_told_as_their_library_would_tell(rows):
    """What is read from plain numbers says to the last digit what scikit-learn says."""
    from sklearn.ensemble import RandomForestRegressor

    from ladle_cleaning import forests
    from ladle_cleaning.tabular import numbers_of

    data, _ = linear(rows)
    batch = data.table().combine_chunks().to_batches()[0]
    holes = pa.array([None if at % 7 == 0 else value for at, value in enumerate(batch["y"].to_pylist())])
    batch = batch.set_column(batch.schema.get_field_index("y"), "y", holes)
    known = batch.slice(0, 280)
    learnt = json.loads(json.dumps(forests.learn(known, "x", ["y", "z"])))
    numbers = numbers_of(batch, learnt["categories"])
    forest = RandomForestRegressor(**forests._FOREST).fit(numbers[:280], known["x"].to_pylist())
    assert forests.Forest(learnt).tell(batch) == pytest.approx(forest.predict(numbers).tolist(), rel=1e-12)


def test_texts_that_are_no_categories_are_refused(rows):
    data = rows({"x": [f"text {n}" for n in range(300)], "y": list(range(300))}, per_batch=100)
    with pytest.raises(OptionError, match="column `x` has 300 different texts in the train split: they are no categor"):
        fill(strategy="model", using=["y"]).fit(data)


@pytest.mark.parametrize("strategy", ["neighbours", "model"])
def test_what_is_learnt_does_not_depend_on_order_or_batches_and_only_so_many_rows_count(rows, strategy):
    columns = {"x": [float(n % 13) for n in range(60)], "y": [float(n) for n in range(60)]}
    cleaner = fill(strategy=strategy, using=["y"], rows=25)
    state = cleaner.fit(rows(columns, per_batch=60))
    if strategy == "neighbours":
        assert len(state["x"]["values"]) == 25
    assert cleaner.fit(rows(columns, per_batch=7)) == state
    data = rows(columns, per_batch=9)
    table = data.table()
    order = random.Random(1).sample(range(60), 60)
    assert [table["_id"][at].as_py() for at in order] != table["_id"].to_pylist()

    class Shuffled:
        schema, columns = data.schema, data.columns

        def select(self, names):
            return self

        def batches(self, form):
            return table.take(order).combine_chunks().to_batches(max_chunksize=11)

    assert cleaner.fit(Shuffled()) == state


@pytest.mark.parametrize("strategy", ["median", "most-frequent", "neighbours", "model"])
@pytest.mark.parametrize(
    "column",
    [
        pa.array([Decimal("1.50"), None, Decimal("2.50"), Decimal("2.50")], pa.decimal128(6, 2)),
        pa.array([1, None, 3, 3], pa.int8()),
        pa.array([1.5, None, 2.5, 2.5], pa.float32()),
        pa.array([7, None, 9, 9]).dictionary_encode(),
        pa.array([2**64 - 1, None, 1, 1], pa.uint64()),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_columns_of_every_type_are_filled_and_keep_it(rows, clean, strategy, column):
    options = {"using": ["y"]} if strategy in ("neighbours", "model") else {"by": ["y"]}
    done = clean(fill(strategy=strategy, **options), rows({"x": column, "y": [1, 2, 2, 2]}, per_batch=2))
    assert None not in done.values("x")


def test_a_column_tells_what_was_filled(rows, clean):
    data = rows({"x": [1, None, 3], "y": ["?", "a", "a"], "z": [1.0, 2.0, 3.0]})
    done = clean(fill(strategy="most-frequent", columns=["x", "y"], markers=["?"], flag="_filled"), data)
    assert done.values("x_filled") == [False, True, False]
    assert done.values("y_filled") == [True, False, False]
    assert dict(done.columns) == {
        "x": "integer", "y": "text", "z": "number", "x_filled": "boolean", "y_filled": "boolean",
    }  # fmt: skip
    assert clean(fill(strategy="constant", value=0, flag="?"), data).values("x?") == [False, True, False]
    cleaner = FillMissing(strategy="median", flag="_filled").with_state({"x": 7})
    (batch,) = cleaner.work(data)  # `z` was not there in training
    assert batch["z_filled"].to_pylist() == [False] * 3


def test_a_column_to_learn_from_may_be_missing_later(rows):
    data = rows({"x": [1.0, 2.0, 3.0, None], "y": [1, 2, 3, 3], "z": ["a", "b", "c", "c"]})
    for strategy in ("neighbours", "model"):
        cleaner = (
            fill(strategy=strategy, using=["y", "z"], k=1)
            if strategy == "neighbours"
            else fill(strategy=strategy, using=["y", "z"])
        )
        state = json.loads(json.dumps(cleaner.fit(data)))
        assert None not in filled(cleaner, state, rows({"x": pa.nulls(2, pa.float64()), "z": ["a", "new"]}))


GIVEN = Columns({"x": "number", "y": "integer", "v": "vector", "x_filled": "boolean"})


@pytest.mark.parametrize(
    ("options", "message", "option"),
    [
        ({"strategy": "median", "using": ["y"]}, 'strategy "median" takes no `using`', "using"),
        ({"strategy": "model", "by": ["y"], "using": ["y"]}, 'strategy "model" takes no `by`', "by"),
        ({"strategy": "model", "k": 3, "using": ["y"]}, 'strategy "model" takes no `k`', "k"),
        ({"strategy": "drop", "flag": "_f"}, 'strategy "drop" takes no `flag`', "flag"),
        ({"strategy": "model"}, 'strategy "model" needs columns to tell a value by', "strategy"),
        ({"strategy": "neighbours", "using": ["x"]}, 'strategy "neighbours" needs columns to tell a value by', "using"),
        (
            {"strategy": "neighbours", "using": ["y"], "columns": []},
            'strategy "neighbours" fills the columns that are named',
            "strategy",
        ),
    ],
)
def test_options_belong_to_strategies(refused, options, message, option):
    error = refused(FillMissing, **({"columns": ["x"]} | options))
    assert (str(error), error.option) == (message, option)


@pytest.mark.parametrize(
    ("options", "message", "option"),
    [
        ({"strategy": "median", "by": ["v"]}, "column `v` holds vector, expected text or integer", "by"),
        ({"strategy": "model", "using": ["w"]}, "no column `w` at this point", "using"),
        ({"strategy": "median", "flag": "_filled"}, "there is a column `x_filled` already", "flag"),
    ],
)
def test_columns_have_to_be_there_and_new_ones_not(options, message, option):
    with pytest.raises(OptionError) as caught:
        fill(**options).columns_after(GIVEN)
    assert str(caught.value).startswith(message)
    assert caught.value.option == option


def test_a_model_needs_its_library_to_learn_and_not_to_tell(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    cleaner = fill(strategy="model", using=["y"])
    with pytest.raises(OptionError, match="this needs scikit-learn, which is not installed") as caught:
        cleaner.columns_after(GIVEN)
    assert (caught.value.option, caught.value.help) == ("strategy", 'pip install "ladle-cleaning[learning]"')
    assert cleaner.with_state({}).columns_after(GIVEN)["x"] == "number"
    assert fill(strategy="neighbours", using=["y"]).columns_after(GIVEN)["x"] == "number"


def test_options_survive_the_way_through_the_lock():
    cleaner = fill(strategy="most-frequent", by=["y"])
    assert FillMissing.model_validate_json(json.dumps(cleaner.model_dump(mode="json"))) == cleaner


def test_the_first_rows_show_markers_that_are_taken_for_values():
    sample = Sample([{"x": "N/A"}, {"x": " N/A "}, {"x": "?"}, {"x": "a"}])
    [doubt] = fill(strategy="most-frequent").doubts(sample)
    assert (str(doubt), doubt.help) == (
        '`x` is "N/A" in 2 of the first 4 rows, which is taken for a value',
        'if it stands for a missing one, add markers = ["N/A"]',
    )
    assert not list(fill(strategy="drop", markers=["n/a", "?"]).doubts(sample))
    assert not list(FillMissing(strategy="median").doubts(sample))
    assert len(list(FillMissing(strategy="drop").doubts(sample))) == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(-5, 5)), st.one_of(st.none(), st.sampled_from("ab")), st.integers(0, 3)
        ),
        min_size=1,
        max_size=12,
    ).filter(lambda table: any(row[0] is not None for row in table)),
    st.sampled_from(
        [
            {"strategy": "median", "by": ["y", "z"]},
            {"strategy": "most-frequent", "by": ["y"]},
            {"strategy": "neighbours", "using": ["y", "z"], "k": 2},
        ]
    ),
    st.integers(1, 5),
)
def test_every_gap_is_filled_and_nothing_else_changes(rows, table, options, per_batch):
    x, y, z = zip(*table, strict=True)
    types = {"x": "integer", "y": "text"}
    data = rows({"x": x, "y": y, "z": z}, types, per_batch=per_batch)
    cleaner = fill(**options)
    state = json.loads(json.dumps(cleaner.fit(data)))
    once = filled(cleaner, state, data)
    assert [new for new, old in zip(once, x, strict=True) if old is not None] == [old for old in x if old is not None]
    assert None not in once
    assert filled(cleaner, state, rows({"x": once, "y": y, "z": z}, types, per_batch=9)) == once
    assert filled(cleaner, state, rows({"x": x, "y": y, "z": z}, types, per_batch=1)) == once
