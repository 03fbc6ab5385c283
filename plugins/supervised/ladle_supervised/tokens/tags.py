"""Spans from the tags of words: entities where tags have prefixes (BIO, IOBES, BILOU), else the words themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

OUTSIDE = "O"
_TAG = re.compile(r"([BIMELSU])(?:-(.+))?", re.DOTALL)
_ONLY_TYPE = "span"  # of tags that tell none
_ALONE = ("S", "U")
_LAST = ("E", "L", *_ALONE)
_FIRST = ("B", *_ALONE)


class Span(NamedTuple):
    """Words that belong together: from `first` to before `end`."""

    first: int
    end: int
    type: str


def are_prefixed(tags: Iterable[str]) -> bool:
    """Whether tags say with a prefix where entities begin and end: all but `O` do, and tell a type unless none does."""
    others = set(tags) - {OUTSIDE}
    have_types = {"-" in tag for tag in others}
    return (
        len(have_types) == 1 and all(_TAG.fullmatch(tag) for tag in others) and (True in have_types or OUTSIDE in tags)
    )


def entities(tags: Sequence[str]) -> list[Span]:
    """The entities that prefixed tags tell, in their order.

    B, or S (U) for a single word, begins one, and E (L) ends one. So does a tag of another type, and what stands where
    nothing goes on begins one too: then IOB1 is read right, and tags that break the rules are read as conlleval reads
    them (Tjong Kim Sang & De Meulder 2003).
    """
    found: list[Span] = []
    first, before = 0, ("", "")
    for place, tag in enumerate([*tags, OUTSIDE]):
        match = _TAG.fullmatch(tag)
        prefix, type_ = match.groups(_ONLY_TYPE) if match else ("", "")
        goes_on = type_ == before[1] and prefix not in _FIRST and before[0] not in _LAST
        if before[1] and not goes_on:
            found.append(Span(first, place, before[1]))
        if not goes_on:
            first = place
        before = (prefix, type_)
    return found


def spans(tags: Sequence[str], are_entities: bool) -> list[Span]:
    """The entities, or where tags have no prefixes each word that has a tag, as a span whose type is the tag."""
    if are_entities:
        return entities(tags)
    return [Span(place, place + 1, tag) for place, tag in enumerate(tags) if tag]
