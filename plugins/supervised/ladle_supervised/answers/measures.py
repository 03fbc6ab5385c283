"""Which answer a row gets from its windows, and what answers are worth, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ladle.training import Measured

from ..measures import MISTAKES, intervals_of, resampled_sums
from .answers import exact, overlap


class Found(NamedTuple):
    """An answer, or the empty text for none: where it stands in the context, and its probability."""

    text: str
    start: int
    end: int
    probability: float

    def told(self) -> dict[str, Any]:
        """The answer as a person reads it."""
        place = {"start": self.start, "end": self.end} if self.text else {}
        return {"answer": self.text, "probability": round(self.probability, 4)} | place


def found(outputs: dict[str, np.ndarray], contexts: Sequence[str], unanswerable: bool) -> list[Found]:
    """The answer of each row: the likeliest of all its windows.

    Where questions may be `unanswerable`, there is none if that is likelier in every window than the likeliest answer
    is in its own (Devlin et al. 2019 compare the scores in this way).
    """
    firsts = np.flatnonzero(outputs["number"] == 0)
    none = np.minimum.reduceat(outputs["none"], firsts)
    rows = []
    for row, windows in enumerate(np.split(np.arange(len(outputs["number"])), firsts[1:])):
        best = windows[outputs["probability"][windows].argmax()]
        probability = float(outputs["probability"][best])
        if unanswerable and none[row] > probability:
            rows.append(Found("", -1, -1, float(none[row])))
        else:
            rows.append(_bare(contexts[row], int(outputs["start"][best]), int(outputs["end"][best]), probability))
    return rows


def _bare(context: str, start: int, end: int, probability: float) -> Found:
    """A piece of a context without white space around it."""
    text = context[start:end]
    start += len(text) - len(text.lstrip())
    return Found(text.strip(), start, start + len(text.strip()), probability)


def scores(said: Sequence[str], right: Sequence[Sequence[str]]) -> dict[str, float]:
    """The mean of exact match and F1, both from 0 to 1."""
    return _means(_counts(said, right).sum(0))


def measure_answers(said: Sequence[str], right: Sequence[Sequence[str]], loss: float) -> Measured:
    """Exact match and F1 as SQuAD defines them, of the right answers the one that fits best.

    If some questions have no answer (`right` is empty), a table tells both apart.
    """
    counts = _counts(said, right)
    values = _means(counts.sum(0))
    kinds = {"with an answer": [bool(texts) for texts in right], "without one": [not texts for texts in right]}
    lines = [
        {"class": kind, **_means(counts[chosen].sum(0)), "rows": sum(chosen)}
        for kind, chosen in kinds.items()
        if any(chosen)
    ]
    return Measured(
        metrics=values | {"loss": loss, "rows": len(said)},
        intervals=intervals_of(values, map(_means, resampled_sums(counts))),
        tables={"per_class": lines} if len(lines) > 1 else {},
    )


def _counts(said: Sequence[str], right: Sequence[Sequence[str]]) -> np.ndarray:
    """Of each row 1, exact match and F1: [rows, 3]."""
    return np.array([(1.0, exact(one, texts), overlap(one, texts)) for one, texts in zip(said, right, strict=True)])


def _means(sums: np.ndarray) -> dict[str, float]:
    return {"exact_match": float(sums[1] / sums[0]), "f1": float(sums[2] / sums[0])}


def surest_mistakes(said: Sequence[Found], right: Sequence[Sequence[str]]) -> tuple[list[int], list[dict[str, Any]]]:
    """The answers that are no exact match and of which the model was surest: their rows, and what was said there."""
    wrong = [row for row, (one, texts) in enumerate(zip(said, right, strict=True)) if not exact(one.text, texts)]
    wrong = sorted(wrong, key=lambda row: -said[row].probability)[:MISTAKES]
    return wrong, [
        {
            "truth": " | ".join(dict.fromkeys(right[row])) or "no answer",
            "predicted": said[row].text or "no answer",
            "probability": said[row].probability,
        }
        for row in wrong
    ]
