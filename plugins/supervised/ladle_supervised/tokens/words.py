"""Words in a text: where they are, and which of a model's tokens is the first of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple


class Words(NamedTuple):
    """A text, and the places of its words in it: from one character to before another."""

    text: str
    places: list[tuple[int, int]]

    @property
    def texts(self) -> list[str]:
        """The words themselves."""
        return [self.text[start:end] for start, end in self.places]

    def within(self, first: int, end: int) -> tuple[int, int]:
        """Where the words from `first` to before `end` begin and end in the text."""
        return self.places[first][0], self.places[end - 1][1]


def words_of(value: str | Sequence[str | None] | None) -> Words:
    """The words of a list, with spaces between them; or those that white space divides a text into."""
    if value is None or isinstance(value, str):
        return Words(value or "", [match.span() for match in re.finditer(r"\S+", value or "")])
    places, end = [], 0
    for word in value:
        places.append((end, end + len(word or "")))
        end += len(word or "") + 1
    return Words(" ".join(word or "" for word in value), places)


def first_tokens(words: Words, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """For each word the place of its first token, or -1 if it has none: it is empty, or was cut off.

    `offsets` say where in the text each token begins and ends; tokens that are not of the text have (0, 0). A token
    belongs to the word in which it ends: some have the space before a word in them. The space alone belongs to it too.
    """
    found = [-1] * len(words.places)
    word = 0
    for token, (start, end) in enumerate(offsets):
        if start == end:
            continue
        while word < len(found) and words.places[word][1] < end:
            word += 1
        if word == len(found):
            break
        first, after = words.places[word]
        if first <= end and first < after and found[word] < 0:
            found[word] = token
    return found
