"""An attack on texts: what plugins offer under `ladle_attacks`, the changes that it makes, and their bounds."""

from __future__ import annotations

import copy
import functools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, NamedTuple, Self

from pydantic import Field

from ladle import Component, Usual

if TYPE_CHECKING:
    import torch

_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")


class Edit(NamedTuple):
    """One change of a text: what stands from `start` to `end` becomes `instead`."""

    start: int
    end: int
    instead: str


class Attack(Component):
    """Changes texts a little, so that a person reads the same and a model may not.

    A plugin's own attack has to say which `edits` it makes. The bounds hold whatever they are.
    """

    kind = "attack"

    share: Annotated[float, Usual(0.01, 0.5, why_high="little is left of a text")] = Field(
        default=0.15, gt=0, le=1, description="Largest share of a text's words that is touched, rounded up."
    )
    changed: Annotated[float, Usual(0.02, 1)] = Field(
        default=0.25,
        gt=0,
        le=1,
        description="Largest share of a text's characters that is changed: letters put in, taken out or replaced.",
    )
    min_letters: Annotated[int, Usual(1, 10)] = Field(
        default=4, gt=0, description="Words of fewer letters are left alone."
    )
    protect: list[str] = Field(
        default=[], description="Words that are left alone, in capitals or not: negations and names, for example."
    )

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        """Changes of `text`, each by itself, in an order that is random: the first ones of different places."""
        raise NotImplementedError

    def prepared(self, model: torch.nn.Module, start: Path) -> Self:
        """A copy that has seen the model, as it is before training, and the folder that it comes from."""
        return self

    def words(self, text: str) -> list[tuple[int, int]]:
        """Where the words stand that may be touched."""
        protected = {word.lower() for word in self.protect}
        found = [match.span() for match in _WORD.finditer(text)]
        return [
            (start, end)
            for start, end in found
            if end - start >= self.min_letters and text[start:end].lower() not in protected
        ]

    def random_change(self, text: str, random: Random) -> Change:
        """As many random edits as the bounds allow."""
        change = Change(self, text)
        for edit in self.edits(text, random):
            if change.is_full:
                break
            change = change.with_edit(edit) if change.allows(edit) else change
        return change

    @property
    def called(self) -> str:
        """What it is called beside other attacks."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(self).__name__).lower()


class Change:
    """Edits of one text that can be made together, within the bounds of their attack."""

    def __init__(self, attack: Attack, original: str) -> None:
        self.attack = attack
        self.original = original
        self.edits: tuple[Edit, ...] = ()
        self.touched = 0
        """How many words of the original have been touched."""
        self.characters = 0
        """How many characters have been changed, at most."""
        self._words = count_words(original)

    @property
    def share(self) -> float:
        """The share of the original's words that has been touched."""
        return self.touched / max(1, self._words)

    @property
    def is_full(self) -> bool:
        """Whether no more words may be touched."""
        return self.touched >= self._most

    @property
    def _most(self) -> int:
        return math.ceil(self.attack.share * self._words - 1e-9)

    def with_edit(self, edit: Edit) -> Change:
        before, after = self.original[edit.start : edit.end], copy.copy(self)
        after.edits = (*self.edits, edit)
        after.touched += count_words(before)
        after.characters += distance(before, edit.instead)
        return after

    def allows(self, edit: Edit) -> bool:
        """Whether one more edit is within the bounds, and where no other is."""
        if any(edit.start < other.end and other.start < edit.end for other in self.edits):
            return False
        after = self.with_edit(edit)
        return after.touched <= self._most and after.characters <= self.attack.changed * len(self.original)

    @property
    def text(self) -> str:
        """The text with its edits."""
        text = self.original
        for edit in sorted(self.edits, reverse=True):
            text = text[: edit.start] + edit.instead + text[edit.end :]
        return text


class WordAttack(Attack):
    """An attack that puts something else in the place of a word."""

    def instead(self, word: str, random: Random) -> Iterator[str]:
        """What can stand in the place of a word, in random order."""
        raise NotImplementedError

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        words = self.words(text)
        random.shuffle(words)
        waiting = [(start, end, self.instead(text[start:end], random)) for start, end in words]
        while waiting:
            left = []
            for start, end, others in waiting:
                if (other := next(others, None)) is not None:
                    yield Edit(start, end, other)
                    left.append((start, end, others))
            waiting = left


def count_words(text: str) -> int:
    """How many words a text has; punctuation and spaces between them are none."""
    return sum(1 for _ in _WORD.finditer(text))


@functools.lru_cache(maxsize=4096)
def distance(one: str, other: str) -> int:
    """The fewest characters to put in, take out or replace to make one text of the other (Levenshtein 1966)."""
    last = list(range(len(other) + 1))
    for row, mine in enumerate(one, 1):
        now = [row]
        for column, its in enumerate(other, 1):
            now.append(min(last[column] + 1, now[-1] + 1, last[column - 1] + (mine != its)))
        last = now
    return last[-1]
