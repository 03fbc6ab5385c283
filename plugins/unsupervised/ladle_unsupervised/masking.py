"""Which tokens are hidden, and what stands in their place (Devlin et al. 2019)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from ladle.training import drawn_from

from .language_model import UNLABELLED


class Masking:
    """Hides tokens at random, with torch's own random numbers.

    `share` is that of the tokens, or words, that are hidden. Of these `kept` stay as they are, `changed` become another
    token of the vocabulary, and the rest the token `mask`. Those in `special` are never hidden, nor drawn.
    """

    def __init__(
        self, share: float, kept: float, changed: float, mask: int, special: Iterable[int], vocabulary: int
    ) -> None:
        self.share = share
        self.kept = kept
        self.changed = changed
        self.mask = mask
        self.special = np.unique(list(special))
        self._special = torch.from_numpy(self.special)
        self._ordinary = torch.from_numpy(np.setdiff1d(np.arange(vocabulary), self.special))

    def __call__(self, tokens: torch.Tensor, words: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """`tokens` [n] with some hidden, and labels [n]: what was there, -100 where nothing is hidden.

        Of neighbours that have the same number in `words` [n], if that is given, all are hidden or none.
        """
        chosen = torch.rand(len(tokens)) < self.share
        if words is not None:
            chosen = chosen[_first_of_each(words)]
        chosen &= ~torch.isin(tokens, self._special)
        draw = torch.rand(len(tokens))
        drawn = self._ordinary[torch.randint(len(self._ordinary), (len(tokens),))]
        hidden = tokens.masked_fill(chosen & (draw >= self.kept), self.mask)
        hidden = drawn.where(chosen & (draw >= 1 - self.changed), hidden)
        return hidden, tokens.where(chosen, torch.tensor(UNLABELLED))

    def may_be_hidden(self, tokens: np.ndarray) -> np.ndarray:
        """Whether each of `tokens` [n] is one that is hidden at times."""
        return ~np.isin(tokens, self.special)

    def fixed(self, tokens: list[int], words: list[int] | None = None) -> dict[str, list[int]]:
        """A row with some tokens hidden, at least one, and its labels: always the same ones for the same tokens."""
        ids = torch.tensor(tokens)
        labels = torch.full_like(ids, UNLABELLED)
        with drawn_from("hidden", tokens):
            while bool((labels == UNLABELLED).all()):
                hidden, labels = self(ids, None if words is None else torch.tensor(words))
        return {"input_ids": hidden.tolist(), "labels": labels.tolist()}


def _first_of_each(words: torch.Tensor) -> torch.Tensor:
    """For each place that of the first of its word."""
    begins = torch.ones_like(words, dtype=torch.bool)
    begins[1:] = words[1:] != words[:-1]
    return (torch.arange(len(words)) * begins).cummax(0).values
