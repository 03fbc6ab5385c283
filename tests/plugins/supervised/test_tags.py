from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle_supervised.tokens.tags import Span, are_prefixed, entities, spans

SCHEMES = ("BIO", "IOBES", "BILOU", "IOB1")


@st.composite
def layouts(draw):
    """How many words there are, and which of them are entities."""
    pieces = draw(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["", "PER", "LOC", "B-side"])), max_size=6))
    found, at = [], 0
    for length, type_ in pieces:
        if type_:
            found.append(Span(at, at + length, type_))
        at += length
    return at, found


def written(count: int, found: list[Span], scheme: str) -> list[str]:
    """The tags of entities in a scheme."""
    tags = ["O"] * count
    last, alone = {"IOBES": "ES", "BILOU": "LU"}.get(scheme, "IB")
    for number, (first, end, type_) in enumerate(found):
        prefixes = ["B", *"I" * (end - first - 2), last] if end - first > 1 else [alone]
        if scheme == "IOB1":  # B only where two of one type meet
            before = found[number - 1] if number else Span(-1, -1, "")
            prefixes = ["B" if before[1:] == (first, type_) else "I", *"I" * (end - first - 1)]
        tags[first:end] = [f"{prefix}-{type_}" for prefix in prefixes]
    return tags


@given(layouts(), st.sampled_from(SCHEMES))
def test_entities_are_read_as_they_were_written(layout, scheme):
    count, found = layout
    assert entities(written(count, found, scheme)) == found


def naive(tags: list[str]) -> list[Span]:
    """All pieces that begin with a beginning, go on without one, and are followed by what does not go on."""

    def parts(place):
        prefix, _, type_ = tags[place].partition("-") if 0 <= place < len(tags) else ("O", "", "")
        return prefix, type_

    def joined(place):
        """Whether a word belongs to the entity of the word before it."""
        (before, type_before), (prefix, type_) = parts(place - 1), parts(place)
        return before in ("B", "I") and prefix in ("I", "E") and type_before == type_

    return [
        Span(first, end, parts(first)[1])
        for first in range(len(tags))
        for end in range(first + 1, len(tags) + 1)
        if tags[first] != "O" and not joined(first) and not joined(end) and all(map(joined, range(first + 1, end)))
    ]


@given(st.lists(st.sampled_from(["O", *(f"{prefix}-{type_}" for prefix in "BIES" for type_ in ("PER", "LOC"))])))
def test_tags_that_break_the_rules_are_read_as_conlleval_does(tags):
    assert entities(tags) == naive(tags)


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (["I-PER", "I-PER", "O"], [(0, 2, "PER")]),
        (["B-PER", "I-LOC"], [(0, 1, "PER"), (1, 2, "LOC")]),
        (["O", "E-PER", "I-PER"], [(1, 2, "PER"), (2, 3, "PER")]),
        (["B", "I", "O", "B"], [(0, 2, "span"), (3, 4, "span")]),
        ([], []),
    ],
)
def test_some_tags_by_hand(tags, found):
    assert entities(tags) == found


@pytest.mark.parametrize("tags", [["O", "B-PER"], ["B-PER", "I-PER"], ["O", "S-x", "M-x"], ["B", "I", "O"]])
def test_tags_with_prefixes_are_told_from_others(tags):
    assert are_prefixed(tags)


@pytest.mark.parametrize(
    "tags", [["O"], [], ["NOUN", "VERB"], ["O", "B-PER", "PER"], ["B", "I"], ["B-PER", "B"], ["X-y"]]
)
def test_plain_tags_are_no_prefixes(tags):
    assert not are_prefixed(tags)


def test_of_plain_tags_each_word_is_a_span_of_its_own():
    assert spans(["DET", "", "NOUN"], are_entities=False) == [(0, 1, "DET"), (2, 3, "NOUN")]
