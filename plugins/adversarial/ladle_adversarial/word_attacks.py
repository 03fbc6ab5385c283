"""Attacks on the words of texts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from random import Random
from typing import Annotated

from pydantic import Field

from ladle import Usual

from .attack import Attack, Edit


class WordSwaps(Attack):
    """Let two neighbouring words trade places, if nothing but space is between them."""

    share: Annotated[float, Usual(0.01, 1)] = Field(
        default=0.2, gt=0, le=1, description="Largest share of a text's words that is touched, rounded up."
    )
    changed: Annotated[float, Usual(0.02, 1)] = Field(
        default=0.5, gt=0, le=1, description="Largest share of a text's characters that is changed."
    )
    min_letters: Annotated[int, Usual(1, 10)] = Field(
        default=1, gt=0, description="Words of fewer letters are left alone."
    )

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        pairs = list(itertools.pairwise(self.words(text)))
        random.shuffle(pairs)
        for (start, end), (next_start, next_end) in pairs:
            between, one, other = text[end:next_start], text[start:end], text[next_start:next_end]
            if between.isspace() and one.lower() != other.lower():
                yield Edit(start, next_end, other + between + one)


class WordDeletion(Attack):
    """Leave words out, with the space before them."""

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        words = self.words(text)
        random.shuffle(words)
        for start, end in words:
            if start and text[start - 1].isspace():
                yield Edit(start - 1, end, "")
            elif text[end : end + 1].isspace():
                yield Edit(start, end + 1, "")
