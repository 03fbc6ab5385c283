from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import Columns, OptionError
from ladle_tabular import categories
from ladle_tabular.onehot import OneHot


def one_hot(**options) -> OneHot:
    return OneHot.model_validate(options)


def test_each_category_has_its_place_and_null_the_last(rows_of, fit_and_extract):
    done = fit_and_extract(one_hot(), rows_of({"town": ["York", "Bath", None, "York"]}))
    assert done.column_names == ["_id", "town_onehot"]
    assert done.schema.field("town_onehot").type == pa.list_(pa.float32())
    assert done["town_onehot"].to_pylist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_learns_from_the_train_split_only_so_that_a_new_category_is_all_zeros(rows_of, fit_and_extract):
    rows = rows_of({"town": ["York", "Leeds", "Bath"]}, ["train", "test", "train"])
    assert one_hot().fit(rows.of_split("train")) == {"town": {"categories": ["Bath", "York"], "others": False}}
    assert fit_and_extract(one_hot(), rows)["town_onehot"].to_pylist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]


def test_the_rarest_categories_share_a_place_with_new_ones(rows_of, fit_and_extract):
    rows = rows_of({"town": ["a", "b", "c", "b", "c", "d", None, "new"]}, ["train"] * 7 + ["test"])
    done = fit_and_extract(one_hot(max_categories=2), rows)["town_onehot"].to_pylist()
    others = [0, 0, 1, 0]
    assert done == [others, [1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], others, [0, 0, 0, 1], others]


def test_of_equally_rare_categories_the_first_in_order_keeps_its_place(rows_of):
    state = one_hot(max_categories=1).fit(rows_of({"town": ["b", "a"]}))
    assert state == {"town": {"categories": ["a"], "others": True}}


def test_integers_and_booleans_are_encoded_where_they_are_named(rows_of, fit_and_extract):
    rows = rows_of({"floor": pa.array([10, 2, None], pa.int32()), "garden": [True, False, True]})
    done = fit_and_extract(one_hot(columns=["floor", "garden"], keep=True), rows)
    assert done.column_names == ["_id", "floor", "garden", "floor_onehot", "garden_onehot"]
    assert done["floor_onehot"].to_pylist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert done["garden_onehot"].to_pylist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0]]


def test_a_column_without_values_is_a_place_for_null(rows_of, fit_and_extract):
    done = fit_and_extract(one_hot(columns=["town"]), rows_of({"town": pa.nulls(2)}))
    assert done["town_onehot"].to_pylist() == [[1], [1]]


def test_values_that_are_no_categories_are_refused(rows_of, monkeypatch):
    monkeypatch.setattr(categories, "MOST_CATEGORIES", 3)
    with pytest.raises(OptionError, match="column `text` has more than 3 different values") as raised:
        one_hot().fit(rows_of({"text": list("abcdef")}))
    assert raised.value.help == 'name the columns to encode, or leave this one out: except_for = ["text"]'


def test_declares_the_vectors_it_makes_and_what_it_drops():
    given = Columns({"town": "text", "size": "text", "price": "number"})
    assert dict(one_hot().columns_after(given)) == {"price": "number", "town_onehot": "vector", "size_onehot": "vector"}
    assert dict(one_hot(columns=["town"], keep=True).columns_after(given)) == {**given, "town_onehot": "vector"}


def test_a_number_column_is_refused():
    with pytest.raises(OptionError, match="column `price` holds number, expected text or integer or boolean"):
        one_hot(columns=["price"]).columns_after(Columns({"price": "number"}))


@settings(deadline=None, max_examples=60)
@given(values=st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=1, max_size=30))
def test_the_category_can_be_read_from_the_vector(values):
    batch = pa.record_batch({"town": pa.array(values, pa.string())})
    known = sorted({value for value in values if value is not None})
    state = json.loads(json.dumps({"town": {"categories": known, "others": False}}))
    vectors = one_hot().with_state(state).extract_batch(batch)["town_onehot"].to_pylist()
    assert all(sum(vector) == 1 for vector in vectors)
    assert [[*known, None][vector.index(1)] for vector in vectors] == values
