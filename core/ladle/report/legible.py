"""Texts of rows made legible: what cannot be seen is spelt out, and what a cleaner changed is marked."""

from __future__ import annotations

import difflib
import re

_JOINERS = "\u200c\u200d"  # cannot be seen alone, but belong to words and emoji
_LONGEST = 2000  # characters of a text that are compared
_AROUND = 40  # characters shown on either side of a change

Piece = tuple[str, bool]
"""A stretch of a text, and whether it is other than in the text beside it."""


def visible(text: str) -> str:
    """A text with its control codes, zero-width characters, odd spaces and turns of direction as escapes."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in "\n\t" or character in _JOINERS
        else character.encode("unicode_escape").decode()
        for character in text
    )


def differences(before: str | None, after: str | None) -> tuple[list[Piece], list[Piece]]:
    """Two texts, word by word, in pieces that are the same or differ; of what is the same only what stands near."""
    old, new = (re.findall(r"\w+|\s+|[^\w\s]", (text or "")[:_LONGEST]) for text in (before, after))
    pieces: tuple[list[Piece], list[Piece]] = ([], [])
    steps = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for number, (step, old_from, old_to, new_from, new_to) in enumerate(steps):
        is_same = step == "equal"
        for words, found in ((old[old_from:old_to], pieces[0]), (new[new_from:new_to], pieces[1])):
            stretch = "".join(words)
            if is_same:
                stretch = _cut(stretch, _AROUND * (number > 0), _AROUND * (number < len(steps) - 1))
            if stretch:
                found.append((stretch, not is_same))
    return pieces


def _cut(text: str, head: int, tail: int) -> str:
    return text if len(text) <= head + tail + 3 else f"{text[:head]} … {text[len(text) - tail :]}".lstrip()
