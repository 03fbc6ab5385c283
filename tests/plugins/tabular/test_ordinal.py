from __future__ import annotations

import pyarrow as pa
import pytest

from ladle import Columns, OptionError
from ladle_tabular.ordinal import Ordinal


def ordinal(**options) -> Ordinal:
    return Ordinal.model_validate(options)


def test_categories_of_the_train_split_are_numbered_in_sorted_order(rows_of, fit_and_extract):
    rows = rows_of({"town": ["York", "Bath", None, "Leeds", "York"]}, ["train", "train", "train", "test", "train"])
    assert ordinal().fit(rows.of_split("train")) == {"town": ["Bath", "York"]}
    done = fit_and_extract(ordinal(), rows)
    assert done["town"].to_pylist() == [1, 0, -1, -1, 1]
    assert done.schema.field("town").type == pa.int64()


def test_integers_are_sorted_as_numbers(rows_of, fit_and_extract):
    done = fit_and_extract(ordinal(columns=["floor"]), rows_of({"floor": [10, 9, 100, 9]}))
    assert done["floor"].to_pylist() == [1, 0, 2, 0]


def test_a_given_order_is_kept(rows_of, fit_and_extract):
    rows = rows_of({"size": ["L", "S", "XL", "M"], "town": ["b", "a", "b", "b"]})
    done = fit_and_extract(ordinal(order={"size": ["S", "M", "L"]}), rows)
    assert done["size"].to_pylist() == [2, 0, -1, 1]
    assert done["town"].to_pylist() == [1, 0, 1, 1]


def test_a_given_order_of_integers(rows_of, fit_and_extract):
    rows = rows_of({"grade": [1, 6, 3]})
    done = fit_and_extract(ordinal(columns=["grade"], order={"grade": [6, 3, 1]}), rows)
    assert done["grade"].to_pylist() == [2, 0, 1]


def test_a_column_without_values_is_unknown_throughout(rows_of, fit_and_extract):
    done = fit_and_extract(ordinal(columns=["town"]), rows_of({"town": pa.nulls(2)}))
    assert done["town"].to_pylist() == [-1, -1]


def test_declares_what_it_changes():
    after = ordinal(except_for=["town"]).columns_after(Columns({"size": "text", "town": "text"}))
    assert dict(after) == {"size": "integer", "town": "text"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": {"colour": ["red"]}}, "`order` is given for `colour`, which is not encoded"),
        ({"order": {"size": ["S", 3]}}, "column `size` holds text, not 3"),
        ({"columns": ["price"]}, "column `price` holds number, expected text or integer"),
    ],
)
def test_what_does_not_fit_the_columns_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        ordinal(**options).columns_after(Columns({"size": "text", "price": "number"}))


def test_a_category_twice_in_an_order_is_refused():
    with pytest.raises(ValueError, match="the order of `size` has 0 twice"):
        ordinal(order={"size": [0, 1, 0]})
