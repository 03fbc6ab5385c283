"""What tags of words are worth: entities found as a whole, or words in their classes, with 95 % intervals."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from ladle.training import Measured

from ..measures import MISTAKES, intervals_of, resampled_sums
from .tags import Span, are_prefixed, spans

Tags = Sequence[Sequence[str]]
"""The tags of each row's words."""


def measure_tags(predicted: Tags, truth: Tags, labels: list[str], loss: float) -> Measured:
    """Precision, recall and F1 of entities, and the accuracy of tags; or accuracy and macro-F1 of plain tags.

    An entity is right if its first and last word and its type are. Macro-F1 is the mean over the tags that occur in the
    truth or the predictions. A share of nothing (no entity found, none there) is 0.
    """
    types, counts = _counts(predicted, truth, labels)
    metrics = functools.partial(_metrics, are_entities=are_prefixed(labels))
    sums = counts.sum(0)
    values = metrics(sums)
    return Measured(
        metrics=values | {"loss": loss, "rows": len(truth)},
        intervals=intervals_of(values, map(metrics, resampled_sums(counts))),
        tables={"per_class": _per_class(types, sums, "entities" if are_prefixed(labels) else "words")},
    )


def always(tag: str, truth: Tags, labels: list[str]) -> dict[str, float]:
    """The metrics of giving every word the same tag."""
    _, counts = _counts([[tag] * len(row) for row in truth], truth, labels)
    return _metrics(counts.sum(0), are_entities=are_prefixed(labels))


def _counts(predicted: Tags, truth: Tags, labels: list[str]) -> tuple[list[str], csr_array]:
    """The types of spans, and what each row has: [rows, 3 types + 2].

    Of each type, how many are found, how many are predicted, how many there are; then words that are right, and words.
    """
    are_entities = are_prefixed(labels)
    numbers: dict[str, int] = {}
    entries: list[tuple[int, int, int]] = []  # row, type, which of the three counts
    for row, (said, there) in enumerate(zip(predicted, truth, strict=True)):
        own = set(spans(said, are_entities)), set(spans(there, are_entities))
        for which, some in enumerate((own[0] & own[1], *own)):
            entries += [(row, numbers.setdefault(span.type, len(numbers)), which) for span in some]
    types = sorted(numbers)
    places = {numbers[type_]: place for place, type_ in enumerate(types)}
    right = [sum(map(str.__eq__, said, there)) for said, there in zip(predicted, truth, strict=True)]
    last = 3 * len(types)
    rows = [row for row, *_ in entries] + 2 * list(range(len(truth)))
    columns = [3 * places[number] + which for _, number, which in entries] + [last] * len(truth)
    columns += [last + 1] * len(truth)
    values = np.array([1] * len(entries) + right + [len(row) for row in truth])
    return types, csr_array((values, (rows, columns)), shape=(len(truth), last + 2))


def _metrics(sums: np.ndarray, are_entities: bool) -> dict[str, float]:
    found, predicted, there = sums[:-2].reshape(-1, 3).T
    accuracy = _share(sums[-2], sums[-1])
    if not are_entities:
        occurs = predicted + there > 0
        scores = 2 * found[occurs] / (predicted + there)[occurs]
        return {"accuracy": accuracy, "macro_f1": float(scores.mean()) if len(scores) else 0.0}
    return {**_scores(found.sum(), predicted.sum(), there.sum()), "accuracy": accuracy}


def _scores(found: int, predicted: int, there: int) -> dict[str, float]:
    return {
        "f1": _share(2 * found, predicted + there),
        "precision": _share(found, predicted),
        "recall": _share(found, there),
    }


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0


def _per_class(types: list[str], sums: np.ndarray, counted: str) -> list[dict[str, Any]]:
    """One line for each type of span, with how many of it there are."""
    lines = zip(types, sums[:-2].reshape(-1, 3).tolist(), strict=True)
    return [{"class": type_, **_scores(*three), counted: three[2]} for type_, three in lines]


def surest_rows(predicted: Tags, truth: Tags, probabilities: Sequence[np.ndarray], labels: list[str]) -> list[int]:
    """The rows in which spans are wrong, where the model was surest of a wrong tag first."""
    are_entities = are_prefixed(labels)
    surest = {
        row: _surest(said, there, sure)
        for row, (said, there, sure) in enumerate(zip(predicted, truth, probabilities, strict=True))
        if spans(said, are_entities) != spans(there, are_entities)
    }
    return sorted(surest, key=lambda row: -surest[row])[:MISTAKES]


def told_mistake(
    predicted: Sequence[str], truth: Sequence[str], probabilities: np.ndarray, words: Sequence[str], labels: list[str]
) -> dict[str, Any]:
    """What was wrong in a row: the spans that are in the truth alone, and those that are in the predictions alone."""
    said, there = (set(spans(tags, are_prefixed(labels))) for tags in (predicted, truth))
    told = {"truth": _told(there - said, words), "predicted": _told(said - there, words)}
    return told | {"probability": _surest(predicted, truth, probabilities)}


def _surest(predicted: Sequence[str], truth: Sequence[str], probabilities: np.ndarray) -> float:
    pairs = zip(predicted, truth, probabilities, strict=True)
    return max(float(probability) for said, there, probability in pairs if said != there)


def _told(found: set[Span], words: Sequence[str]) -> str:
    return ", ".join(f"{' '.join(words[first:end])} ({type_})" for first, end, type_ in sorted(found)) or "nothing"
