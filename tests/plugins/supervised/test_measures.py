from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from ladle_supervised.measures import (
    commonest_class,
    furthest_misses,
    mean_of,
    measure_classes,
    measure_numbers,
    surest_mistakes,
    with_correlations,
)


def predictions(rows: int, classes: int, seed: int = 0, skill: float = 1.0):
    random = np.random.default_rng(seed)
    truth = random.integers(classes, size=rows)
    scores = random.normal(size=(rows, classes)) + skill * np.eye(classes)[truth]
    shares = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    return shares.astype(np.float32), truth


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_metrics_are_those_of_sklearn(classes):
    shares, truth = predictions(200, classes)
    predicted = shares.argmax(-1)
    found = measure_classes(shares, truth, [f"c{n}" for n in range(classes)]).metrics
    assert found["accuracy"] == metrics.accuracy_score(truth, predicted)
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(truth, predicted, average="macro"))
    assert found["loss"] == pytest.approx(-np.log(shares[np.arange(200), truth]).mean(), rel=1e-5)
    assert found["rows"] == 200
    assert ("auc" in found) == (classes == 2)
    if classes == 2:
        assert found["auc"] == pytest.approx(metrics.roc_auc_score(truth, shares[:, 1]))


def test_there_is_no_auc_where_the_truth_has_one_class():
    shares, _ = predictions(20, 2)
    found = measure_classes(shares, np.ones(20, int), ["no", "yes"])
    assert "auc" not in found.metrics
    assert "auc" not in found.intervals


def test_the_tables_add_up():
    shares, truth = predictions(150, 3)
    tables = measure_classes(shares, truth, ["a", "b", "c"]).tables
    counts = np.array(tables["confusion"]["counts"])
    assert counts.sum() == 150
    assert [line["rows"] for line in tables["per_class"]] == counts.sum(1).tolist() == np.bincount(truth).tolist()
    for number, line in enumerate(tables["per_class"]):
        assert line["recall"] == pytest.approx(counts[number, number] / counts[number].sum())
        assert line["precision"] == pytest.approx(counts[number, number] / counts[:, number].sum())


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "auc"])
def test_intervals_are_those_of_many_samples_of_rows(name):
    """The interval of 400 rows is about as wide as what 400 fresh rows vary by."""
    low, high = measure_classes(*predictions(400, 2), ["a", "b"]).intervals[name]
    fresh = [measure_classes(*predictions(400, 2, seed), ["a", "b"]).metrics[name] for seed in range(1, 150)]
    assert high - low == pytest.approx(np.subtract(*np.percentile(fresh, [97.5, 2.5])), rel=0.25)


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(1, 30), classes=st.integers(2, 5), seed=st.integers(0, 99), skill=st.floats(-5, 9))
def test_intervals_contain_their_value_and_stay_between_0_and_1(rows, classes, seed, skill):
    measured = measure_classes(*predictions(rows, classes, seed, skill), [str(n) for n in range(classes)])
    assert set(measured.intervals) == set(measured.metrics) - {"loss", "rows"}
    for name, (low, high) in measured.intervals.items():
        assert 0 <= low <= measured.metrics[name] <= high <= 1


def test_mistakes_are_the_surest_wrong_ones_first():
    shares = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]], np.float32)
    places, mistakes = surest_mistakes(shares, np.array([0, 0, 0, 1]), ["no", "yes"])
    assert places == [1, 2, 3]
    assert mistakes[0] == {"truth": "no", "predicted": "yes", "probability": pytest.approx(0.8)}


def test_the_baseline_answers_the_commonest_class_of_the_train_split():
    scores = commonest_class([0, 1, 1, 1, 2], [0, 1, 2, 0], 3)
    assert scores == {"accuracy": 0.25, "macro_f1": pytest.approx((0 + 0.4 + 0) / 3)}
    assert commonest_class([0, 1, 1], [0, 1], 2)["auc"] == 0.5


def test_metrics_of_numbers_are_those_of_sklearn():
    random = np.random.default_rng(0)
    truth = random.normal(size=100)
    predicted = truth + random.normal(size=100) / 3
    measured = measure_numbers(predicted, truth)
    assert measured.metrics == {
        "rmse": pytest.approx(metrics.root_mean_squared_error(truth, predicted)),
        "mae": pytest.approx(metrics.mean_absolute_error(truth, predicted)),
        "r2": pytest.approx(metrics.r2_score(truth, predicted)),
        "loss": pytest.approx(metrics.mean_squared_error(truth, predicted)),
        "rows": 100,
    }
    for name, (low, high) in measured.intervals.items():
        assert low < measured.metrics[name] < high


def test_numbers_that_do_not_vary_have_no_r2():
    measured = measure_numbers(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    assert set(measured.metrics) == {"rmse", "mae", "loss", "rows"}
    assert measured.intervals["rmse"] == (1, 1)


def test_the_baseline_of_numbers_is_the_mean_of_the_train_split():
    found = mean_of(np.array([1.0, 3.0]), np.array([2.0, 6.0]))
    assert found == {"rmse": pytest.approx(8**0.5), "mae": 2, "r2": pytest.approx(-1)}


def test_correlations_are_those_of_scipy_and_lie_in_their_intervals():
    random = np.random.default_rng(0)
    truth = np.round(random.normal(size=200), 1) + 1e6
    predicted = (truth - 1e6 + random.normal(size=200)) * 1e-3
    measured = with_correlations(measure_numbers(predicted, truth), predicted, truth)
    assert list(measured.metrics) == ["rmse", "mae", "r2", "pearson", "spearman", "loss", "rows"]
    assert measured.metrics["pearson"] == pytest.approx(stats.pearsonr(predicted, truth).statistic)
    assert measured.metrics["spearman"] == pytest.approx(stats.spearmanr(predicted, truth).statistic)
    for name in ("pearson", "spearman"):
        low, high = measured.intervals[name]
        assert low < measured.metrics[name] < high
        z = np.arctanh(measured.metrics[name])
        assert (low, high) == pytest.approx(np.tanh([z - 1.96 / 197**0.5, z + 1.96 / 197**0.5]), abs=0.03)


def test_numbers_that_do_not_vary_have_no_correlation():
    measured = measure_numbers(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    assert "pearson" not in with_correlations(measured, np.array([1.0, 3.0]), np.array([2.0, 2.0])).metrics
    truth, same = np.array([1.0, 2.0, 4.0]), np.array([2.0, 2.0, 2.0])
    found = with_correlations(measure_numbers(same, truth), same, truth)
    assert found.metrics["pearson"] == found.metrics["spearman"] == 0


def test_misses_come_with_the_furthest_first():
    places, misses = furthest_misses(np.array([1.0, 9.0, 3.5]), np.array([1.0, 2.0, 3.0]))
    assert places == [1, 2, 0]
    assert misses[0] == {"truth": 2, "predicted": 9}
