from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ladle import Columns, OptionError
from ladle_tabular.scaling import Scale

COLUMNS = Columns({"text": "text", "price": "number", "rooms": "integer", "garden": "boolean"})


def scale(**options) -> Scale:
    return Scale.model_validate(options)


def test_standard_gives_mean_0_and_deviation_1(rows_of, fit_and_extract):
    done = fit_and_extract(scale(), rows_of({"price": [1.0, 2.0, 3.0, 4.0, 10.0]}))
    values = done["price"].to_numpy()
    assert values.mean() == pytest.approx(0)
    assert values.std() == pytest.approx(1)


def test_min_max_gives_0_to_1(rows_of, fit_and_extract):
    done = fit_and_extract(scale(method="min-max"), rows_of({"rooms": [2, 4, 3]}))
    assert done["rooms"].to_pylist() == [0, 1, 0.5]
    assert done.schema.field("rooms").type == pa.float64()


def test_robust_is_not_moved_by_an_outlier(rows_of, fit_and_extract):
    done = fit_and_extract(scale(method="robust"), rows_of({"price": [1.0, 2.0, 3.0, 4.0, 1e9]}))
    assert done["price"].to_pylist()[:4] == [-1, -0.5, 0, 0.5]


@pytest.mark.parametrize("method", ["standard", "min-max", "robust"])
def test_learns_from_the_train_split_only(method, rows_of):
    train = [3.0, 5.0, 9.0, 4.0]
    alone = rows_of({"price": train})
    mixed = rows_of({"price": [1e6, *train, -1e6]}, ["test", *["train"] * 4, "validation"])
    component = scale(method=method)
    assert component.fit(mixed.of_split("train")) == component.fit(alone.of_split("train"))


@pytest.mark.parametrize("method", ["standard", "min-max", "robust"])
def test_a_constant_column_becomes_0_and_missing_values_stay(method, rows_of, fit_and_extract):
    rows = rows_of({"price": [0.1, None, 0.1, math.nan, 0.1, 7.0]}, ["train"] * 5 + ["test"])
    done = fit_and_extract(scale(method=method), rows)["price"].to_pylist()
    assert [done[position] for position in (0, 1, 2, 4, 5)] == [0, None, 0, 0, 0]
    assert math.isnan(done[3])


@pytest.mark.parametrize("method", ["standard", "min-max", "robust"])
def test_a_column_without_values_stays_null(method, rows_of, fit_and_extract):
    done = fit_and_extract(scale(columns=["price"], method=method), rows_of({"price": pa.nulls(4)}))
    assert done["price"].to_pylist() == [None] * 4
    assert done.schema.field("price").type == pa.float64()


def test_values_mostly_alike_are_only_centred_by_robust(rows_of, fit_and_extract):
    done = fit_and_extract(scale(method="robust"), rows_of({"price": [5.0] * 9 + [8.0]}))
    assert done["price"].to_pylist() == [0] * 9 + [3]


def test_infinities_teach_nothing(rows_of, fit_and_extract):
    done = fit_and_extract(scale(method="min-max"), rows_of({"price": [0.0, math.inf, 2.0]}))
    assert done["price"].to_pylist() == [0, math.inf, 1]


def test_other_columns_stay_as_they_are(rows_of, fit_and_extract):
    rows = rows_of({"text": ["a", "b"], "price": [1.0, 3.0], "garden": [True, False], "label": [0, 1]})
    done = fit_and_extract(scale(except_for=["label"]), rows)
    assert done.to_pydict() == {
        "_id": ["r0", "r1"],
        "text": ["a", "b"],
        "price": [-1, 1],
        "garden": [True, False],
        "label": [0, 1],
    }


def test_rows_to_predict_may_lack_a_column(rows_of):
    component = scale()
    ready = component.with_state(component.fit(rows_of({"area": [1.0, 3.0], "price": [5.0, 6.0]})))
    (batch,) = ready.work(rows_of({"area": [2.0]}))
    assert batch.to_pydict() == {"_id": ["r0"], "area": [0]}


def test_mean_and_deviation_stay_exact_far_from_0(rows_of):
    values = [1e9 + part for part in (4.0, 7.0, 13.0, 16.0)]
    assert scale().fit(rows_of({"price": values}))["price"] == {
        "centre": 1e9 + 10,
        "spread": pytest.approx(math.sqrt(22.5), rel=1e-12),
    }


numbers = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6).map(lambda x: round(x, 3))), min_size=1, max_size=40)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=numbers, cut=st.integers(1, 50), method=st.sampled_from(["standard", "min-max", "robust"]))
def test_agrees_with_numpy_however_the_rows_are_cut(values, cut, method, rows_of, fit_and_extract):
    rows = rows_of({"x": pa.array(values, pa.float64())}, cut=cut)
    done = fit_and_extract(scale(columns=["x"], method=method), rows)["x"].to_pylist()
    known = np.array([value for value in values if value is not None])
    assert [value is None for value in done] == [value is None for value in values]
    if not len(known):
        return
    centre, spread = {
        "standard": lambda: (known.mean(), known.std()),
        "min-max": lambda: (known.min(), np.ptp(known)),
        "robust": lambda: (np.median(known), np.subtract(*np.percentile(known, [75, 25]))),
    }[method]()
    expected = np.zeros(len(known)) if np.ptp(known) == 0 else (known - centre) / (spread or 1)
    assert [value for value in done if value is not None] == pytest.approx(expected.tolist(), rel=1e-6, abs=1e-6)


def test_declares_what_it_changes():
    given = COLUMNS.fresh()
    after = scale().columns_after(given)
    assert after["rooms"] == "number"
    assert after.written == after.read == {"price", "rooms"}


def test_a_boolean_column_is_scaled_where_it_is_named(rows_of, fit_and_extract):
    assert scale(columns=["garden"]).columns_after(COLUMNS.fresh())["garden"] == "number"
    done = fit_and_extract(scale(columns=["garden"], method="min-max"), rows_of({"garden": [True, False, None]}))
    assert done["garden"].to_pylist() == [1, 0, None]


def test_a_text_column_is_refused_before_any_work():
    with pytest.raises(OptionError, match="column `text` holds text, expected number") as raised:
        scale(columns=["text"]).columns_after(COLUMNS.fresh())
    assert raised.value.option == "columns"


def test_a_misspelt_exception_is_refused():
    with pytest.raises(OptionError, match="no column `pric` at this point") as raised:
        scale(except_for=["pric"]).columns_after(COLUMNS.fresh())
    assert (raised.value.option, raised.value.help) == ("except_for", "did you mean `price`?")


def test_nothing_to_work_on_is_refused():
    with pytest.raises(OptionError, match="no number or integer column to work on") as raised:
        scale().columns_after(Columns({"text": "text"}))
    assert raised.value.help == "the columns here are: text (text)"


def test_unknown_columns_are_taken_on_trust_and_looked_at_when_there_are_rows(rows_of):
    assert dict(scale(columns=["text"]).columns_after(Columns({}, known=False))) == {"text": "number"}
    assert dict(scale().columns_after(Columns({}, known=False))) == {}
    with pytest.raises(OptionError, match="column `text` holds text, expected number"):
        scale(columns=["text"]).fit(rows_of({"text": ["a"]}))
    with pytest.raises(OptionError, match="column `place` holds record, expected number"):
        scale(columns=["place"]).fit(rows_of({"place": [{"x": 1}]}))


def test_naming_columns_and_exceptions_is_refused():
    with pytest.raises(ValueError, match="`except_for` has nothing to leave out"):
        scale(columns=["price"], except_for=["rooms"])
