"""What classifiers and regressors are worth, from sklearn's metrics, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats
from sklearn import metrics

from ladle.training import Measured

if TYPE_CHECKING:
    from datasets import Dataset

RESAMPLES = 500
MISTAKES = 30


def measure_classes(probabilities: np.ndarray, truth: Any, labels: list[str], rows: Dataset) -> Measured:
    """Accuracy, macro-F1 and log loss, AUC where there are two classes; tables and the surest mistakes.

    `probabilities` are [rows, classes], `truth` class numbers, `rows` what a reader sees of each row.
    """
    truth = np.asarray(truth)
    probabilities = probabilities.astype(np.float64)
    probabilities /= probabilities.sum(-1, keepdims=True)  # single precision leaves them a little off
    predicted = probabilities.argmax(-1)
    numbers = list(range(len(labels)))
    measures: dict[str, Callable[..., float]] = {
        "accuracy": lambda true, guess, _: metrics.accuracy_score(true, guess),
        "macro_f1": lambda true, guess, _: metrics.f1_score(
            true, guess, average="macro", labels=numbers, zero_division=0
        ),
    }
    if len(labels) == 2:
        measures["auc"] = lambda true, _, shares: metrics.roc_auc_score(true, shares[:, 1])
    values = {name: float(measure(truth, predicted, probabilities)) for name, measure in measures.items()}
    loss = float(metrics.log_loss(truth, probabilities, labels=numbers))
    return Measured(
        metrics={**values, "loss": loss, "rows": len(truth)},
        intervals=_intervals(measures, truth, predicted, probabilities),
        tables={
            "confusion": {
                "labels": labels,
                "counts": metrics.confusion_matrix(truth, predicted, labels=numbers).tolist(),
            },
            "per_class": _per_class(truth, predicted, labels),
        },
        mistakes=_mistakes(probabilities, truth, labels, rows),
    )


def _intervals(measures: dict[str, Callable[..., float]], *arrays: np.ndarray) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals over resampled rows (Efron 1979)."""
    count = len(arrays[0])
    if count < 2:
        return {}
    positions = np.arange(count)

    def resampled(chosen: np.ndarray, *, measure: Callable[..., float]) -> float:
        chosen = chosen.astype(int)
        try:
            return float(measure(*(array[chosen] for array in arrays)))
        except ValueError:  # AUC of a sample with one class only
            return float("nan")

    found = {}
    for name, measure in measures.items():
        scores = stats.bootstrap(
            (positions,),
            lambda chosen, measure=measure: resampled(chosen, measure=measure),
            n_resamples=RESAMPLES,
            vectorized=False,
            method="percentile",
            rng=np.random.default_rng(0),
        ).bootstrap_distribution
        low, high = np.nanpercentile(scores, [2.5, 97.5])
        found[name] = (float(low), float(high))
    return found


def _per_class(truth: np.ndarray, predicted: np.ndarray, labels: list[str]) -> list[dict[str, Any]]:
    table = metrics.precision_recall_fscore_support(truth, predicted, labels=list(range(len(labels))), zero_division=0)
    return [
        {"class": label, "precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
        for label, p, r, f, n in zip(labels, *table, strict=True)
    ]


def _mistakes(probabilities: np.ndarray, truth: np.ndarray, labels: list[str], rows: Dataset) -> list[dict[str, Any]]:
    """The wrong predictions that the model was surest of."""
    predicted = probabilities.argmax(-1)
    wrong = np.flatnonzero(predicted != truth)
    surest = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:MISTAKES]
    hidden = {"label", "length", "_split", "_origin"}
    return [
        {
            "row": {name: value for name, value in rows[int(at)].items() if name not in hidden},
            "truth": labels[int(truth[at])],
            "predicted": labels[int(predicted[at])],
            "probability": float(probabilities[at, predicted[at]]),
        }
        for at in surest
    ]


def commonest_class(train: Any, test: Any, labels: list[str]) -> dict[str, float]:
    """The metrics of always answering the commonest class of the train split."""
    commonest = np.bincount(np.asarray(train), minlength=len(labels)).argmax()
    truth = np.asarray(test)
    guess = np.full(len(truth), commonest)
    scores = {
        "accuracy": float(metrics.accuracy_score(truth, guess)),
        "macro_f1": float(
            metrics.f1_score(truth, guess, average="macro", labels=list(range(len(labels))), zero_division=0)
        ),
    }
    return scores | ({"auc": 0.5} if len(labels) == 2 else {})


def measure_numbers(predicted: np.ndarray, truth: np.ndarray, rows: Dataset) -> Measured:
    """Root mean squared error, mean absolute error and R²; the rows that were missed by most."""
    measures: dict[str, Callable[..., float]] = {
        "rmse": metrics.root_mean_squared_error,
        "mae": metrics.mean_absolute_error,
        "r2": lambda true, guess: metrics.r2_score(true, guess) if len(true) > 1 else float("nan"),
    }
    values = {name: float(measure(truth, predicted)) for name, measure in measures.items()}
    missed = np.argsort(-np.abs(truth - predicted), kind="stable")[:MISTAKES]
    hidden = {"label", "_split", "_origin"}
    return Measured(
        metrics={**values, "loss": float(np.mean((truth - predicted) ** 2)), "rows": len(truth)},
        intervals=_intervals(measures, truth, predicted),
        mistakes=[
            {
                "row": {name: value for name, value in rows[int(at)].items() if name not in hidden},
                "truth": float(truth[at]),
                "predicted": float(predicted[at]),
            }
            for at in missed
        ],
    )


def mean_of(train: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The metrics of always answering the mean of the train split."""
    guess = np.full(len(truth), train.mean())
    return {
        "rmse": float(metrics.root_mean_squared_error(truth, guess)),
        "mae": float(metrics.mean_absolute_error(truth, guess)),
        "r2": float(metrics.r2_score(truth, guess)) if len(truth) > 1 else float("nan"),
    }
