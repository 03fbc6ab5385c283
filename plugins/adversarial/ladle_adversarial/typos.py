"""Attacks on the letters of words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from random import Random
from typing import Annotated, Literal

from pydantic import Field

from ladle import Usual

from .attack import WordAttack

_LAYOUTS = {
    "qwerty": ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    "qwertz": ("qwertzuiop", "asdfghjkl", "yxcvbnm"),
    "azerty": ("azertyuiop", "qsdfghjklm", "wxcvbn"),
}
_TRIES = 40  # random typos of a word that are made before it has no other

Kind = Literal["neighbour", "delete", "insert", "transpose"]


class Typos(WordAttack):
    """Mistype words: a key beside the right one, a letter left out, one too many, or two in the wrong order.

    One typo a word; the first and last letter stay, as in Pruthi, Dhingra & Lipton (2019), unless `ends` says else.
    """

    kinds: list[Kind] = Field(
        default=["neighbour", "delete", "insert", "transpose"], min_length=1, description="What can go wrong."
    )
    keyboard: Literal["qwerty", "qwertz", "azerty"] = Field(
        default="qwerty", description="Which keys are beside each other."
    )
    ends: bool = Field(default=False, description="Whether the first and last letter of a word can go wrong too.")

    def instead(self, word: str, random: Random) -> Iterator[str]:
        seen = {word}
        for _ in range(_TRIES):
            typo = self._typo(word, random)
            if typo not in seen:
                seen.add(typo)
                yield typo

    def _typo(self, word: str, random: Random) -> str:
        """The word with a random typo; as it is, if the one that was drawn cannot be made there."""
        kind = random.choice(self.kinds)
        places = _places(word, self.ends)
        if not places:
            return word
        at = random.choice(places)
        letter = word[at]
        if kind == "delete":
            return word[:at] + word[at + 1 :]
        if kind == "transpose":
            return word[:at] + word[at + 1] + letter + word[at + 2 :] if at + 1 in places else word
        beside = _beside(letter.lower(), self.keyboard)
        if not beside:
            return word
        other = random.choice(beside)
        other = other.upper() if letter.isupper() else other
        return word[:at] + other + word[at + (kind == "neighbour") :]


class CharacterSwaps(WordAttack):
    """Let two letters of a word trade places (as in Belinkov & Bisk 2018)."""

    reach: Annotated[int, Usual(1, 20)] = Field(
        default=3, gt=0, description="How far apart the letters are at most; 1 for neighbours."
    )
    ends: bool = Field(default=False, description="Whether the first and last letter of a word can trade places too.")

    def instead(self, word: str, random: Random) -> Iterator[str]:
        pairs = [
            (one, other)
            for one, other in itertools.combinations(_places(word, self.ends), 2)
            if other - one <= self.reach and word[one] != word[other]
        ]
        random.shuffle(pairs)
        for one, other in pairs:
            yield word[:one] + word[other] + word[one + 1 : other] + word[one] + word[other + 1 :]


def _places(word: str, ends: bool) -> range:
    """Where letters of a word may change."""
    return range(len(word)) if ends else range(1, len(word) - 1)


def _beside(letter: str, keyboard: str) -> str:
    """The keys that touch a letter's, each row of keys half a key further right than the one above; "" for others."""
    rows = _LAYOUTS[keyboard]
    for number, row in enumerate(rows):
        if letter in row:
            at = row.index(letter)
            near = [(number, at - 1), (number, at + 1), (number - 1, at), (number - 1, at + 1)]
            near += [(number + 1, at - 1), (number + 1, at)]
            return "".join(rows[y][x] for y, x in near if 0 <= y < len(rows) and 0 <= x < len(rows[y]))
    return ""
