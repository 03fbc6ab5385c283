from __future__ import annotations

import json
import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import Columns, OptionError
from ladle_tabular.binning import Bins


def bins(**options) -> Bins:
    return Bins.model_validate(options)


def test_a_number_has_a_1_at_the_place_of_its_bin_and_null_at_the_last(rows_of, fit_and_extract):
    rows = rows_of({"age": [0.0, 1.0, 2.0, 3.0, 4.0, None, math.nan]})
    assert bins(count=2).fit(rows) == {"age": [0.0, 2.0, 4.0]}
    done = fit_and_extract(bins(count=2), rows)
    assert done.column_names == ["_id", "age_bins"]
    assert done.schema.field("age_bins").type == pa.list_(pa.float32())
    low, high, none = [1, 0, 0], [0, 1, 0], [0, 0, 1]
    assert done["age_bins"].to_pylist() == [low, low, high, high, high, none, none]


def test_slopes_say_how_far_through_each_bin_a_number_is(rows_of, fit_and_extract):
    rows = rows_of({"age": [0, 1, 2, 3, 4]})
    done = fit_and_extract(bins(count=2, shape="slopes", keep=True), rows)
    assert done.column_names == ["_id", "age", "age_bins"]
    assert done["age_bins"].to_pylist() == [[0, 0, 0], [0.5, 0, 0], [1, 0, 0], [1, 0.5, 0], [1, 1, 0]]


def test_borders_are_learnt_from_the_train_split_only(rows_of, fit_and_extract):
    rows = rows_of({"age": [0.0, 4.0, 100.0, -math.inf]}, ["train", "train", "test", "test"])
    assert bins(count=2).fit(rows.of_split("train")) == {"age": [0.0, 2.0, 4.0]}
    for shape, beyond in (("steps", [0, 1, 0]), ("slopes", [1, 1, 0])):
        found = fit_and_extract(bins(count=2, shape=shape), rows)["age_bins"].to_pylist()
        assert found[2] == beyond
        assert found[3] == ([1, 0, 0] if shape == "steps" else [0, 0, 0])


def test_a_value_that_most_rows_share_does_not_hide_the_others(rows_of):
    gains = [0] * 95 + [100, 200, 300, 400, 500]
    borders = bins(count=5).fit(rows_of({"gain": gains}))["gain"]
    assert borders == pytest.approx([0, 100, 200, 300, 400, 500])


@pytest.mark.parametrize("values", [[7, 7], [None, None], [math.nan, math.inf]])
@pytest.mark.parametrize("shape", ["steps", "slopes"])
def test_a_column_that_says_nothing_is_one_bin(rows_of, fit_and_extract, values, shape):
    found = fit_and_extract(bins(shape=shape), rows_of({"x": pa.array(values, pa.float64())}))["x_bins"].to_pylist()
    assert all(len(vector) == 2 for vector in found)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40),
    others=st.lists(st.floats(allow_nan=False), max_size=5),
    count=st.integers(2, 12),
)
def test_bins_keep_the_order_of_numbers(values, others, count):
    from ladle_tabular.binning import _borders

    state = json.loads(json.dumps({"x": _borders(pa.array(values).to_numpy(), count)}))
    batch = pa.record_batch({"x": pa.array(sorted(values + others), pa.float64())})
    steps = bins(count=count).with_state(state).extract_batch(batch)["x_bins"].to_pylist()
    assert all(sum(vector) == 1 for vector in steps)
    places = [vector.index(1) for vector in steps]
    assert places == sorted(places)
    assert max(places) < count
    slopes = bins(count=count, shape="slopes").with_state(state).extract_batch(batch)["x_bins"].to_pylist()
    totals = [sum(vector) for vector in slopes]
    assert totals == pytest.approx(sorted(totals))


def test_declares_the_vectors_it_makes():
    given_columns = Columns({"age": "integer", "size": "number", "name": "text"})
    after = {"name": "text", "age_bins": "vector", "size_bins": "vector"}
    assert dict(bins().columns_after(given_columns)) == after
    with pytest.raises(OptionError, match="column `name` holds text, expected number"):
        bins(columns=["name"]).columns_after(given_columns.fresh())
