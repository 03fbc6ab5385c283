"""What classifiers and regressors are worth: sklearn's metrics, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats
from sklearn import metrics

from ladle.training import Measured

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RESAMPLES = 1000
MISTAKES = 30


def measure_classes(probabilities: np.ndarray, truth: np.ndarray, labels: list[str]) -> Measured:
    """Accuracy, macro-F1 and log loss, AUC where there are two classes; the confusion and a table per class.

    `probabilities` are [rows, classes], `truth` [rows] class numbers. Macro-F1 is the mean over the classes that
    occur in the truth or the predictions; AUC is there if both classes occur in the truth.
    """
    probabilities = _summing_to_1(probabilities)
    predicted = probabilities.argmax(-1)
    numbers = list(range(len(labels)))
    confusion = metrics.confusion_matrix(truth, predicted, labels=numbers)
    values = {
        "accuracy": float(metrics.accuracy_score(truth, predicted)),
        "macro_f1": float(metrics.f1_score(truth, predicted, average="macro", zero_division=0)),
    }
    intervals = intervals_of(values, _resampled(confusion))
    if len(labels) == 2 and len(set(truth)) == 2:
        values["auc"] = float(metrics.roc_auc_score(truth, probabilities[:, 1]))
        intervals["auc"] = _auc_interval(values["auc"], probabilities[:, 1], truth)
    loss = float(metrics.log_loss(truth, probabilities, labels=numbers))
    return Measured(
        metrics={**values, "loss": loss, "rows": len(truth)},
        intervals=intervals,
        tables={
            "confusion": {"labels": labels, "counts": confusion.tolist()},
            "per_class": _per_class(truth, predicted, labels),
        },
    )


def _summing_to_1(probabilities: np.ndarray) -> np.ndarray:
    """In double precision: in single precision they are a little off, which sklearn warns of."""
    probabilities = probabilities.astype(np.float64)
    return probabilities / probabilities.sum(-1, keepdims=True)


def resampled_sums(counts: np.ndarray | csr_array) -> Iterable[np.ndarray]:
    """The sums over rows of `counts` [rows, …], for rows drawn anew with replacement (Efron 1979)."""
    random = np.random.default_rng(0)
    rows = counts.shape[0]
    for _ in range(RESAMPLES):
        yield np.bincount(random.integers(rows, size=rows), minlength=rows) @ counts


def _resampled(confusion: np.ndarray) -> Iterable[dict[str, float]]:
    """Accuracy and macro-F1 of resampled rows (Efron 1979).

    Both follow from the confusion matrix, whose cells have a multinomial distribution when rows are drawn anew.
    """
    true, predicted = np.nonzero(confusion)
    cells = confusion[true, predicted]
    right = true == predicted
    classes = len(confusion)
    for drawn in np.random.default_rng(0).multinomial(cells.sum(), cells / cells.sum(), RESAMPLES):
        hits = np.bincount(true[right], drawn[right], classes)
        occurrences = np.bincount(true, drawn, classes) + np.bincount(predicted, drawn, classes)
        there = occurrences > 0
        yield {
            "accuracy": hits.sum() / cells.sum(),
            "macro_f1": float(np.mean(2 * hits[there] / occurrences[there])),
        }


def intervals_of(values: dict[str, float], resampled: Iterable[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """The middle 95 % of each resampled metric, widened to its value if resampling has a bias (F1 of rare classes)."""
    samples = list(resampled)
    found = {}
    for name, value in values.items():
        low, high = np.percentile([sample[name] for sample in samples], [2.5, 97.5])
        found[name] = (float(min(low, value)), float(max(high, value)))
    return found


def _auc_interval(auc: float, scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """From the variance of the AUC over rows of both classes (DeLong, DeLong & Clarke-Pearson 1988), by midranks."""
    ranks = stats.rankdata(scores)
    shares = []  # for each row, the share of the other class's rows that score less
    for number in (0, 1):
        own = truth == number
        shares.append((ranks[own] - stats.rankdata(scores[own])) / (~own).sum())
    error = np.sqrt(sum(np.var(share, ddof=1) / len(share) for share in shares if len(share) > 1))
    return float(max(0.0, auc - 1.96 * error)), float(min(1.0, auc + 1.96 * error))


def _per_class(truth: np.ndarray, predicted: np.ndarray, labels: list[str]) -> list[dict[str, Any]]:
    table = metrics.precision_recall_fscore_support(truth, predicted, labels=list(range(len(labels))), zero_division=0)
    return [
        {"class": label, "precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
        for label, p, r, f, n in zip(labels, *table, strict=True)
    ]


def surest_mistakes(
    probabilities: np.ndarray, truth: np.ndarray, labels: list[str]
) -> tuple[list[int], list[dict[str, Any]]]:
    """The wrong predictions that the model was surest of: their places, and what was said there."""
    predicted = probabilities.argmax(-1)
    wrong = np.flatnonzero(predicted != truth)
    places = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:MISTAKES].tolist()
    return places, [
        {
            "truth": labels[int(truth[at])],
            "predicted": labels[int(predicted[at])],
            "probability": float(probabilities[at, predicted[at]]),
        }
        for at in places
    ]


def commonest_class(train: Any, test: Any, classes: int) -> dict[str, float]:
    """The metrics of always answering the commonest class of the train split."""
    truth = np.asarray(test)
    guess = np.full(len(truth), np.bincount(np.asarray(train), minlength=classes).argmax())
    scores = {
        "accuracy": float(metrics.accuracy_score(truth, guess)),
        "macro_f1": float(metrics.f1_score(truth, guess, average="macro", zero_division=0)),
    }
    return scores | ({"auc": 0.5} if classes == 2 else {})


def measure_numbers(predicted: np.ndarray, truth: np.ndarray) -> Measured:
    """Root mean squared error, mean absolute error, and R² where the truth varies; `loss` is the squared error."""
    values = _of_numbers(truth, predicted)
    return Measured(
        metrics={**values, "loss": float(np.mean((truth - predicted) ** 2)), "rows": len(truth)},
        intervals=intervals_of(values, _resampled_numbers(truth, predicted, values)),
    )


def _of_numbers(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    measures: dict[str, Callable[..., float]] = {
        "rmse": metrics.root_mean_squared_error,
        "mae": metrics.mean_absolute_error,
    }
    if np.ptp(truth) > 0:
        measures["r2"] = metrics.r2_score
    return {name: float(measure(truth, predicted)) for name, measure in measures.items()}


def _resampled_numbers(
    truth: np.ndarray, predicted: np.ndarray, values: dict[str, float]
) -> Iterable[dict[str, float]]:
    """The metrics of resampled rows; of a sample in which the truth does not vary, the R² of all rows."""
    random = np.random.default_rng(0)
    for _ in range(RESAMPLES):
        chosen = random.integers(len(truth), size=len(truth))
        missed, spread = (truth - predicted)[chosen], np.var(truth[chosen])
        squared = np.mean(missed**2)
        yield (
            values
            | {"rmse": float(np.sqrt(squared)), "mae": float(np.mean(np.abs(missed)))}
            | ({"r2": float(1 - squared / spread)} if spread > 0 else {})
        )


def with_correlations(measured: Measured, predicted: np.ndarray, truth: np.ndarray) -> Measured:
    """What was measured of numbers, with Pearson's and Spearman's correlation, where the truth varies.

    Intervals of Spearman's are those of the correlation of ranks, whose places among all rows are kept when rows are
    drawn anew. Predictions that do not vary have a correlation of 0.
    """
    if np.ptp(truth) == 0:
        return measured
    pairs = {"pearson": (predicted, truth), "spearman": (stats.rankdata(predicted), stats.rankdata(truth))}
    values, intervals = {}, {}
    for name, (one, other) in pairs.items():
        moments = _moments(one, other)
        values[name] = _correlation(moments.sum(0))
        intervals |= intervals_of({name: values[name]}, ({name: _correlation(m)} for m in resampled_sums(moments)))
    loss_and_rows = {name: measured.metrics.pop(name) for name in ("loss", "rows")}
    measured.metrics |= values | loss_and_rows
    measured.intervals |= intervals
    return measured


def _moments(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What a correlation is worked out from, for each row: [rows, 6]."""
    x, y = ((numbers - numbers.mean()) / (numbers.std() or 1.0) for numbers in (one.astype(float), other.astype(float)))
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)


def _correlation(sums: np.ndarray) -> float:
    """Pearson's correlation from sums of moments; 0 where one side does not vary."""
    x, y, xx, yy, xy = sums[1:] / sums[0]
    varies = max(xx - x * x, 0.0) * max(yy - y * y, 0.0)
    return float((xy - x * y) / np.sqrt(varies)) if varies > 1e-12 else 0.0


def furthest_misses(predicted: np.ndarray, truth: np.ndarray) -> tuple[list[int], list[dict[str, Any]]]:
    """The predictions that missed by most: their places, and what was said there."""
    places = np.argsort(-np.abs(truth - predicted), kind="stable")[:MISTAKES].tolist()
    return places, [{"truth": float(truth[at]), "predicted": float(predicted[at])} for at in places]


def mean_of(train: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The metrics of always answering the mean of the train split."""
    return _of_numbers(truth, np.full(len(truth), train.mean()))
