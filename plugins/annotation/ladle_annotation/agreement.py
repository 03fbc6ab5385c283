"""How far annotators agree beyond what chance would give: Cohen's kappa and Krippendorff's alpha."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Any


def apart(one: Any, other: Any) -> float:
    """The distance of two answers that are the same or are not: 0 or 1."""
    return float(one != other)


def far_apart(one: float, other: float) -> float:
    """The distance of two numbers: the square of their difference."""
    return float(one - other) ** 2


def unlike(one: Sequence[Any], other: Sequence[Any]) -> float:
    """The distance of two sets: the share of what is in either that is not in both (Jaccard 1912); 0 of empty ones."""
    first, second = ({_text(item) for item in items} for items in (one, other))
    return 1 - len(first & second) / len(first | second) if first or second else 0.0


def kappa(pairs: Iterable[tuple[Any, Any]]) -> float | None:
    """How far two annotators agree about the rows that both have labelled (Cohen 1960).

    `pairs` are their answers to each row. 1 is always, 0 as often as by chance. None if there is nothing to tell: no
    row, or one and the same answer to all of them.
    """
    pairs = list(pairs)
    if not pairs:
        return None
    first, second = (Counter(answers) for answers in zip(*pairs, strict=True))
    observed = sum(one == other for one, other in pairs) / len(pairs)
    expected = sum(count * second[answer] for answer, count in first.items()) / len(pairs) ** 2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def alpha(rows: Iterable[Sequence[Any]], distance: Callable[[Any, Any], float] = apart) -> float | None:
    """How far any number of annotators agree (Krippendorff 2004, chapter 11).

    `rows` are the answers to each row; annotators may have left rows out, and rows with less than two answers play no
    part. 1 is always, 0 as often as by chance. None if there is nothing to tell: no such row, or always one answer.
    """
    rows = [answers for answers in rows if len(answers) > 1]
    values: dict[str, Any] = {_text(answer): answer for answers in rows for answer in answers}

    def disagreement(counts: Counter[str]) -> float:
        """The sum of the distances of all ordered pairs."""
        if distance is apart:
            return counts.total() ** 2 - sum(count**2 for count in counts.values())
        pairs = combinations(counts.items(), 2)
        return sum(2 * m * n * distance(values[one], values[other]) for (one, m), (other, n) in pairs)

    within = [Counter(map(_text, answers)) for answers in rows]
    everything = Counter(text for counts in within for text in counts.elements())
    total = everything.total()
    expected = disagreement(everything)
    if not expected:
        return None
    observed = sum(disagreement(counts) / (counts.total() - 1) for counts in within)
    return 1 - (total - 1) * observed / expected


def _text(answer: Any) -> str:
    """An answer as something that can be counted."""
    return json.dumps(answer, sort_keys=True)
