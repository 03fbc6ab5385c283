"""Changing a text by its tokens, so that a person would still read the same in it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Augmentation(NamedTuple):
    """Tokens dropped, exchanged with a neighbour, or hidden: each with a probability of its own, in this order."""

    drop: float
    swap: float
    mask: float
    special: Collection[int]
    """Tokens that stay as they are, where they are."""
    hidden: int | None
    """The token that stands for hidden ones."""

    def __call__(self, tokens: list[int], random: np.random.Generator) -> list[int]:
        """Changed tokens; of those that are not special at least one stays."""
        return self._hide(self._exchange(self._leave_out(tokens, random), random), random)

    def _leave_out(self, tokens: list[int], random: np.random.Generator) -> list[int]:
        goes = random.random(len(tokens)) < self.drop
        rest = [token for token, gone in zip(tokens, goes, strict=True) if not gone or token in self.special]
        return rest if any(token not in self.special for token in rest) else list(tokens)

    def _exchange(self, tokens: list[int], random: np.random.Generator) -> list[int]:
        goes = random.random(len(tokens)) < self.swap
        at = 0
        while at < len(tokens) - 1:
            pair = tokens[at : at + 2]
            if goes[at] and not any(token in self.special for token in pair):
                tokens[at : at + 2] = pair[::-1]
                at += 1  # no token moves on and on
            at += 1
        return tokens

    def _hide(self, tokens: list[int], random: np.random.Generator) -> list[int]:
        goes = random.random(len(tokens)) < self.mask
        return [
            self.hidden if gone and token not in self.special else token
            for token, gone in zip(tokens, goes, strict=True)
        ]
