"""The right words for wrong ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ladle import OptionError

from .values import shown

_LIKELY = 3  # words that a text may be as similar to as to any other


def comparable(text: str) -> str:
    """A text without what does not count when texts are compared: case, and the amount of white space."""
    return " ".join(text.split()).casefold()


def check_table(pairs: Iterable[tuple[str, str]], option: str) -> None:
    """Raises OptionError if pairs of something wrong and what it means contradict each other."""
    meant: dict[str, str] = {}
    pairs = list(pairs)
    for wrong, right in pairs:
        if (other := meant.setdefault(comparable(wrong), right)) != right:
            raise OptionError(
                f"{shown(wrong)} means both {shown(other)} and {shown(right)}",
                option=option,
                help="case and white space do not count; keep one of the two",
            )
    for wrong, right in pairs:
        if (other := meant.get(comparable(right), right)) != right:
            raise OptionError(
                f"{shown(wrong)} means {shown(right)}, which is wrong itself and means {shown(other)}",
                option=option,
                help="write what is meant in the end",
            )


class Vocabulary:
    """What is right, and what is meant by what is not."""

    def __init__(self, table: Mapping[str, str], words: Iterable[str], similarity: float) -> None:
        """`table` tells what is meant by wrong texts; `words` are right, and so is all that stands in its right column.

        Words that are at least as similar as `similarity` can be meant by a text that the table does not know.
        """
        self._table = {comparable(wrong): right for wrong, right in table.items()}
        right = [word for word in words if self._table.get(comparable(word), word) == word]
        self._near = list(dict.fromkeys(map(comparable, right)))
        self._right = dict.fromkeys((*right, *table.values()))
        self._alike: dict[str, list[str]] = {}
        for word in self._right:
            self._alike.setdefault(comparable(word), []).append(word)
        self._least = similarity - 1e-9  # 0.8 is not quite 1 - 0.2

    def knows(self, text: str) -> bool:
        """Whether a text is wrong by the table, or right but for case and white space."""
        plain = comparable(text)
        return plain in self._table or plain in self._alike

    def meant(self, text: str) -> list[str]:
        """What a text means: one word, which may be itself, or several that are as likely, or none.

        The table goes first, then what differs in case and white space alone, then the most similar words: by the
        insertions, deletions, substitutions and swaps of neighbours between them (Damerau 1964), as a share of the
        longer one's length.
        """
        plain = comparable(text)
        if plain in self._table:
            return [self._table[plain]]
        if text in self._right:
            return [text]
        return self._alike[plain] if plain in self._alike else self._nearest(plain)

    def _nearest(self, plain: str) -> list[str]:
        from rapidfuzz.distance import OSA
        from rapidfuzz.process import extract

        well_below = self._least - 0.05  # at its own cutoff it leaves some out
        found = extract(plain, self._near, scorer=OSA.normalized_similarity, score_cutoff=well_below, limit=_LIKELY)
        best = max((score for _, score, _ in found), default=0.0)
        if best < self._least:
            return []
        return [word for other, score, _ in found if score == best for word in self._alike[other]]
