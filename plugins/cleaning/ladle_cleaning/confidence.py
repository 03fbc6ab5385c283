"""Confident learning: which labels are wrong, by what a model tells of rows that it has not seen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

_ALMOST = 1e-6  # by which a probability may miss the mean of its class


class Verdict(NamedTuple):
    """What a label should rather be."""

    label: Any
    other: float
    """The probability of that one."""
    own: float
    """The probability of the one that the row has."""


def suspects(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which labels are likely to be wrong, [rows], and are contradicted by the likeliest class.

    `probabilities` [rows, classes] are of rows that the model has not seen; `labels` [rows] are their classes. By
    Northcutt, Jiang and Chuang (2021): a row counts as of the likeliest class of which the model is as sure as on
    average of rows with that label; these counts, brought to the number of rows with each label, tell how many labels
    of one class are truly of another; and so many rows are named as speak most clearly for it ("prune by noise rate").
    """
    counts = _counts(probabilities, labels)
    found = np.zeros(len(labels), bool)
    for own in range(len(counts)):
        rows = np.flatnonzero(labels == own)
        for other in range(len(counts)):
            wrong = round(counts[own, other]) if own != other else 0
            margin = probabilities[rows, other] - probabilities[rows, own]
            found[rows[np.argsort(-margin, kind="stable")[:wrong]]] = True
    return found & (probabilities.argmax(axis=1) != labels)


def _counts(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many rows with a label are of a class, [labels, classes], as far as can be told."""
    classes = probabilities.shape[1]
    own = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, probabilities[np.arange(len(labels)), labels], classes)
    usual = np.divide(sums, own, out=np.full(classes, np.inf), where=own > 0)
    is_sure = probabilities >= usual - _ALMOST
    likeliest = np.where(is_sure, probabilities, -1).argmax(axis=1)
    confident = is_sure.any(axis=1)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels[confident], likeliest[confident]), 1)
    return counts / np.maximum(counts.sum(axis=1), 1)[:, None] * own[:, None]
