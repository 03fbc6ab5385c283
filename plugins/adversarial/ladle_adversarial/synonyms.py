"""An attack with words that mean nearly the same to a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, PrivateAttr

from ladle import Usual

from .attack import WordAttack

if TYPE_CHECKING:
    import torch


class Synonyms(WordAttack):
    """Put words in the place of others whose embeddings are near theirs.

    The embeddings are the model's own, of whole-word pieces, as they are before training: so no attack depends on how
    far a training is. Near means a cosine; a random model has no such neighbours.
    """

    share: Annotated[float, Usual(0.01, 0.5, why_high="little is left of a text")] = Field(
        default=0.2, gt=0, le=1, description="Largest share of a text's words that is touched, rounded up."
    )
    changed: Annotated[float, Usual(0.02, 1)] = Field(
        default=1.0, gt=0, le=1, description="Largest share of a text's characters that is changed."
    )
    cosine: Annotated[float, Usual(0.2, 0.95)] = Field(
        default=0.5, gt=0, lt=1, description="Smallest cosine between the embeddings of a word and what replaces it."
    )
    neighbours: Annotated[int, Usual(1, 100)] = Field(
        default=8, gt=0, description="How many of the nearest words may replace a word."
    )

    _known: Any = PrivateAttr(default=None)

    def prepared(self, model: torch.nn.Module, start: Path) -> Self:
        from .words_of_model import WordsOfModel

        copy = self.model_copy()
        copy._known = WordsOfModel(model, start, self.neighbours, self.cosine)
        return copy

    def instead(self, word: str, random: Random) -> Iterator[str]:
        near = self._known.near(word)
        random.shuffle(near)
        for other in near:
            yield other.capitalize() if word.istitle() else other.upper() if word.isupper() else other
