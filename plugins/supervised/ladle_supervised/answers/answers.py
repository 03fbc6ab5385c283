"""Answers to questions: as rows have them, and how right an answer is (SQuAD: Rajpurkar et al. 2016, 2018)."""

from __future__ import annotations

import collections
import re
import string
from collections.abc import Sequence
from typing import Any, NamedTuple

_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Answer(NamedTuple):
    """A text, and where it starts in the context if that is known."""

    text: str
    start: int | None

    def place_in(self, context: str) -> tuple[int, int] | None:
        """From which character to before which it stands in the context: where it says, or first occurs; or None."""
        start = context.find(self.text) if self.start is None else self.start
        end = start + len(self.text)
        return (start, end) if start >= 0 and context[start:end] == self.text else None


def answers_of(value: Any, start: Any = None) -> list[Answer]:
    """The right answers to a question: from a text, a list of texts, or SQuAD's record; [] if there is none.

    `start`, a number or a list of them, says where the answers start; the record says it itself.
    """
    if isinstance(value, dict):
        value, start = value.get("text"), value.get("answer_start")
    texts = value if isinstance(value, list) else [value]
    starts = start if isinstance(start, list) else [start]
    starts = [*starts, *[None] * (len(texts) - len(starts))]
    return [Answer(text, at) for text, at in zip(texts, starts, strict=False) if isinstance(text, str) and text.strip()]


def normalised(text: str) -> str:
    """A text as SQuAD compares it: in lower case, without punctuation, articles and needless spaces."""
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def exact(said: str, right: Sequence[str]) -> float:
    """1 if an answer is one of the right ones, else 0; an empty answer is right where there is none."""
    return float(normalised(said) in {normalised(text) for text in right or [""]})


def overlap(said: str, right: Sequence[str]) -> float:
    """The F1 of the words of an answer and of the right one that it has most in common with."""
    return max(_f1(normalised(said).split(), normalised(text).split()) for text in right or [""])


def _f1(said: list[str], right: list[str]) -> float:
    if not said or not right:
        return float(said == right)
    common = (collections.Counter(said) & collections.Counter(right)).total()
    return 2 * common / (len(said) + len(right))
