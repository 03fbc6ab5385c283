"""Looking for a variant of a text that a model takes for something else."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Sequence
from random import Random
from typing import NamedTuple

from .attack import Attack, Change, Edit

_PER_PLACE = 8  # edits of one place that are tried


class Said(NamedTuple):
    """What a model says of a text."""

    predicted: int
    """The class."""
    margin: float
    """By how much the true class is ahead of the best other one, as a difference of logits; below 0 if it is not."""
    is_right: bool


class Found(NamedTuple):
    """What came of attacking a text."""

    was_right: bool
    """Whether the text as it is is put into its class."""
    is_right: bool
    """Whether it is under attack."""
    text: str
    """The variant that was taken for another class, or the one that came nearest."""
    predicted: int
    """The class of that variant."""
    queries: int
    """How many texts the model was asked about."""
    touched: float
    """The share of words that the variant has otherwise."""


Search = Generator[list[str], list[Said], Found]
"""Gives texts to ask the model about, gets what it says of them, and returns what was found."""


def one_variant(attack: Attack, text: str, random: Random) -> Search:
    """What the model says of the text, and of one random variant of it."""
    change = attack.random_change(text, random)
    first, last = yield [text, change.text]
    return _found(first, last, change, 2)


def greedy(attack: Attack, text: str, random: Random, budget: int) -> Search:
    """Edits that lower the margin, place by place, until the class is wrong or `budget` texts have been asked about.

    First one edit of every place tells which places matter; then, the most important place first, the best of a few
    edits is kept if it lowers the margin (a greedy search by importance: Gao et al. 2018, Jin et al. 2020).
    """
    change = Change(attack, text)
    [first] = yield [text]
    asked, last = 1, first
    if not first.is_right:
        return _found(first, last, change, asked)
    places = _places(attack, change, random, budget)
    singles = [change.with_edit(edits[0]) for edits in places][: budget - asked]
    answers = (yield [single.text for single in singles]) if singles else []
    asked += len(singles)
    ranked = sorted(zip(answers, singles, places, strict=False), key=lambda known: known[0].margin)
    if ranked and not ranked[0][0].is_right:
        said, single, _ = ranked[0]
        return _found(first, said, single, asked)
    for _, _, edits in ranked:
        tried = [change.with_edit(edit) for edit in edits if change.allows(edit)][: budget - asked]
        if not tried:
            continue
        answers = yield [other.text for other in tried]
        asked += len(tried)
        said, best = min(zip(answers, tried, strict=True), key=lambda known: known[0].margin)
        if said.margin < last.margin:
            change, last = best, said
        if not last.is_right or asked >= budget:
            break
    return _found(first, last, change, asked)


def _places(attack: Attack, change: Change, random: Random, budget: int) -> list[list[Edit]]:
    """The edits that can be made alone, those of one place together, as far as there is a budget for."""
    places: dict[tuple[int, int], list[Edit]] = {}
    for edit in itertools.islice(attack.edits(change.original, random), budget * _PER_PLACE):
        edits = places.setdefault((edit.start, edit.end), [])
        if len(edits) < _PER_PLACE and change.allows(edit):
            edits.append(edit)
    return [edits for edits in places.values() if edits]


def _found(first: Said, last: Said, change: Change, asked: int) -> Found:
    return Found(first.is_right, last.is_right, change.text, last.predicted, asked, change.share)


def run(
    searches: Sequence[Search],
    ask: Callable[[list[int], list[str]], list[Said]],
    ended: Callable[[int], None] = lambda count: None,
) -> list[Found]:
    """Run searches side by side, so that the model is asked about many texts at a time.

    `ask` gets the numbers of the searches and their texts; `ended` is told of every search that is over.
    """
    found: dict[int, Found] = {}
    wanted: dict[int, list[str]] = {}

    def go_on(number: int, answers: list[Said] | None) -> None:
        try:
            wanted[number] = searches[number].send(answers) if answers is not None else next(searches[number])
        except StopIteration as end:
            found[number] = end.value
            ended(1)

    for number in range(len(searches)):
        go_on(number, None)
    while wanted:
        asking, wanted = wanted, {}
        numbers = [number for number, texts in asking.items() for _ in texts]
        answers = iter(ask(numbers, [text for texts in asking.values() for text in texts]))
        for number, texts in asking.items():
            go_on(number, list(itertools.islice(answers, len(texts))))
    return [found[number] for number in range(len(searches))]
