"""The whole words of a model's vocabulary, by the embeddings that it has of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ladle.training import tokenizer_from

from .moves import embedding_of

_MARKERS = ("Ġ", "▁")  # a piece that begins a word begins with one of these, or else a piece that begins none with ##
_MANY = 0.1


class WordsOfModel:
    """Which words are near each other: at most `count`, whose embeddings have a cosine of at least `cosine`."""

    def __init__(self, model: torch.nn.Module, start: Path, count: int, cosine: float) -> None:
        numbers = _whole_words(tokenizer_from(start))
        weights = embedding_of(model).weight.detach()[torch.tensor(list(numbers.values()))].float().cpu()
        self._words = list(numbers)
        self._places = {word: place for place, word in enumerate(self._words)}
        self._directions = torch.nn.functional.normalize(weights, dim=-1)
        self._count = count
        self._cosine = cosine
        self._found: dict[str, list[str]] = {}

    def near(self, word: str) -> list[str]:
        """Other words that are near, the nearest first; none if the word itself is none of the vocabulary."""
        known = word if word in self._places else word.lower()
        if known not in self._places:
            return []
        if known not in self._found:
            self._found[known] = self._search(known)
        return [*self._found[known]]

    def _search(self, word: str) -> list[str]:
        cosines = self._directions @ self._directions[self._places[word]]
        values, places = cosines.topk(min(len(self._words), 2 * self._count + 1))  # some are other cases of the word
        near = [self._words[int(p)] for c, p in zip(values, places, strict=True) if c >= self._cosine]
        return [other for other in near if other.lower() != word.lower()][: self._count]


def _whole_words(tokenizer: Any) -> dict[str, int]:
    """The pieces of a vocabulary that are words by themselves, with their numbers, in the order of these."""
    pieces = dict(sorted(tokenizer.get_vocab().items(), key=lambda piece: piece[1]))
    marked = {mark: sum(piece.startswith(mark) for piece in pieces) for mark in _MARKERS}
    mark = next((mark for mark, count in marked.items() if count > _MANY * len(pieces)), "")
    special = set(tokenizer.all_special_tokens)
    begin = [piece for piece in pieces if piece.startswith(mark) and piece not in special]
    words = {tokenizer.convert_tokens_to_string([piece]).strip(): pieces[piece] for piece in begin}
    return {word: number for word, number in words.items() if word.isalpha()}
