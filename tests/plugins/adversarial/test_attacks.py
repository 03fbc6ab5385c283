"""Attacks on texts: what they change, and what they leave alone."""

from __future__ import annotations

import math
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ladle.registry import installed
from ladle_adversarial.attack import Attack, Change, Edit, count_words, distance
from ladle_adversarial.synonyms import Synonyms
from ladle_adversarial.typos import CharacterSwaps, Typos
from ladle_adversarial.word_attacks import WordDeletion, WordSwaps

ATTACKS = [Typos, CharacterSwaps, WordSwaps, WordDeletion]
TEXT = "The quiet film isn't loud, and the actors hardly ever speak; nobody minded that at all."
TEXTS = st.lists(st.from_regex(r"[A-Za-zäß]{1,12}[,.!?]?|[0-9]{1,3}|—|\n|don't", fullmatch=True), max_size=25).map(
    " ".join
)


def every_edit(attack: Attack, text: str = TEXT, seed: int = 0) -> list[Edit]:
    return list(attack.edits(text, random.Random(seed)))


def with_edit(attack: Attack, edit: Edit, text: str = TEXT) -> str:
    return Change(attack, text).with_edit(edit).text


@pytest.mark.parametrize("attack_class", ATTACKS)
@given(
    text=TEXTS | st.text(max_size=60),
    share=st.floats(0.01, 1),
    changed=st.floats(0.01, 1),
    min_letters=st.integers(1, 6),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_attacks_keep_their_bounds(attack_class, text, share, changed, min_letters, seed):
    attack = attack_class.model_validate({"share": share, "changed": changed, "min_letters": min_letters})
    change = attack.random_change(text, random.Random(seed))
    assert change.touched <= math.ceil(share * count_words(text))
    assert distance(text, change.text) <= change.characters <= changed * len(text)
    before, after = ([word.strip(",.!?;—\n") for word in one.split()] for one in (text, change.text))
    if attack_class in (Typos, CharacterSwaps):
        assert len(after) == len(before)
        assert all(len(one) >= min_letters for one, other in zip(before, after, strict=False) if one != other)
    if attack_class is WordSwaps:
        assert sorted(text) == sorted(change.text)  # what stands beside words, such as ˥, stays where it was
        assert count_words(text) == count_words(change.text)
    assert attack.random_change(text, random.Random(seed)).text == change.text


@given(one=st.text(max_size=8), other=st.text(max_size=8))
@settings(max_examples=100, deadline=None)
def test_distance_is_levenshteins(one, other):
    def slow(a: str, b: str) -> int:
        if not a or not b:
            return len(a) + len(b)
        return min(slow(a[1:], b) + 1, slow(a, b[1:]) + 1, slow(a[1:], b[1:]) + (a[0] != b[0]))

    assert distance(one[:5], other[:5]) == slow(one[:5], other[:5])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("neighbour", r"w[^o]rd|wo[^r]d"),
        ("delete", "wrd|wod"),
        ("insert", r"w\word|wo\wrd"),
        ("transpose", "wrod"),
    ],
)
def test_each_kind_of_typo(kind, expected):
    typos = {with_edit(Typos(kinds=[kind]), edit, "word") for edit in every_edit(Typos(kinds=[kind]), "word")}
    assert typos
    assert all(re.fullmatch(expected, typo) for typo in typos)


def test_keys_are_those_beside_the_right_one():
    def typed(text: str, **options: object) -> set[str]:
        attack = Typos.model_validate({"kinds": ["neighbour"], "min_letters": 1} | options)
        return {edit.instead for edit in every_edit(attack, text)}

    assert typed("aga") == {"ata", "aya", "afa", "aha", "ava", "aba"}
    assert typed("aGa") == {"aTa", "aYa", "aFa", "aHa", "aVa", "aBa"}
    assert "aza" in typed("ata", keyboard="qwertz")
    assert "aya" in typed("ata")
    assert typed("a5a") == set()
    assert typed("ag", ends=True) > {"sg", "ah"}
    assert typed("ag") == set()


def test_first_and_last_letters_stay_unless_told_so():
    for attack_class in (Typos, CharacterSwaps):
        edits = every_edit(attack_class())
        assert edits
        for edit in edits:
            word = TEXT[edit.start : edit.end]
            assert (edit.instead[0], edit.instead[-1]) == (word[0], word[-1])
        loose = every_edit(attack_class.model_validate({"ends": True}))
        assert any(edit.instead[0] != TEXT[edit.start] for edit in loose)


def test_letters_trade_places_within_their_reach():
    assert {edit.instead for edit in every_edit(CharacterSwaps(reach=1), "abcdef")} == {"acbdef", "abdcef", "abcedf"}
    assert {edit.instead for edit in every_edit(CharacterSwaps(reach=2), "abcdef")} > {"adcbef", "abedcf"}
    assert every_edit(CharacterSwaps(), "noon") == []


def test_neighbouring_words_trade_places():
    swapped = {
        with_edit(WordSwaps(), edit, "one two, three four Four")
        for edit in every_edit(WordSwaps(), "one two, three four Four")
    }
    assert swapped == {"two one, three four Four", "one two, four three Four"}  # not over a comma, not equal ones


def test_words_are_left_out_with_a_space():
    edits = every_edit(WordDeletion(min_letters=1), "One two. Three")
    assert {with_edit(WordDeletion(), edit, "One two. Three") for edit in edits} == {
        "two. Three",
        "One. Three",
        "One two.",
    }


@pytest.mark.parametrize("attack_class", ATTACKS)
def test_protected_and_short_words_are_left_alone(attack_class):
    attack = attack_class.model_validate({"protect": ["quiet", "NOBODY", "isn't"], "min_letters": 5})
    touched = " ".join(TEXT[edit.start : edit.end] for edit in every_edit(attack)).lower()
    if attack_class is WordSwaps:
        assert touched == "actors hardly"
        return
    assert set(re.findall(r"[\w']+", touched)) == {"actors", "hardly", "speak", "minded"}


def test_the_first_edits_are_of_different_places():
    for attack in (Typos(), CharacterSwaps()):
        words = len(attack.words(TEXT))
        first = every_edit(attack)[:words]
        assert len({edit.start for edit in first}) == words
        assert [edit.start for edit in first] != sorted(edit.start for edit in first)
        assert every_edit(attack, seed=1) != every_edit(attack)


def test_edits_that_overlap_are_not_made_together():
    change = Change(WordSwaps(share=1, changed=1), "one two three").with_edit(Edit(0, 7, "two one"))
    assert not change.allows(Edit(4, 13, "three two"))
    assert change.allows(Edit(8, 13, "four"))
    assert change.share == pytest.approx(2 / 3)


def test_attacks_have_names_of_their_own():
    offers = {offer.use: offer.load() for offer in installed().of_kind("attack")}
    assert set(offers) == {"typos", "character-swaps", "word-swaps", "word-deletion", "synonyms"}
    assert {use: attack().called for use, attack in offers.items()} == {use: use for use in offers}


def test_values_out_of_range_are_refused():
    for wrong in ({"share": 0}, {"share": 1.5}, {"changed": 0}, {"min_letters": 0}):
        with pytest.raises(ValidationError):
            Typos.model_validate(wrong)
    with pytest.raises(ValidationError):
        Typos.model_validate({"kinds": []})


# Synonyms


@pytest.fixture
def near(saved, tiny):
    """The attack on a model in which good and fine are near, bad and awful are near, and all other words far apart."""
    import torch

    model = tiny("bert")
    weights = model.get_input_embeddings().weight.data
    weights.copy_(torch.nn.functional.pad(torch.eye(16), (0, 0, 0, len(weights) - 16)))
    weights[16:] = -1.0
    words = {"good": 8, "bad": 9, "fine": 10, "awful": 11}
    weights[words["fine"]] = weights[words["good"]] + 0.1
    weights[words["awful"]] = 3 * weights[words["bad"]] + 1.5

    def prepared(**options: object) -> Synonyms:
        return Synonyms.model_validate({"min_letters": 1} | options).prepared(model, saved("bert"))

    return prepared


def test_synonyms_have_near_embeddings(near):
    def others(text: str, **options: object) -> set[str]:
        return {edit.instead for edit in every_edit(near(**options), text)}

    assert others("the film is good") == {"fine"}
    assert others("the film is Good") == {"Fine"}
    assert others("FINE bad") == {"GOOD", "awful"}
    assert others("bad", cosine=0.8) == set()  # 4.5 / √(4.5² + 15 · 1.5²) is less
    assert others("unheard, the") == set()
    assert others("good bad", protect=["good"]) == {"awful"}
    assert others("good", cosine=0.01, neighbours=1) == {"fine"}


def test_whole_words_of_other_vocabularies():
    from ladle_adversarial.words_of_model import _whole_words

    class Vocabulary:
        def __init__(self, *pieces: str) -> None:
            self.pieces = {piece: number for number, piece in enumerate(pieces)}
            self.all_special_tokens = ["[CLS]", "<s>", "Ġmask"]

        def get_vocab(self) -> dict[str, int]:
            return self.pieces

        def convert_tokens_to_string(self, tokens: list[str]) -> str:
            return "".join(tokens).replace("Ġ", " ").replace("▁", " ").replace("Ã¼", "ü")

    assert _whole_words(Vocabulary("[CLS]", "film", "##s", "a1", "!", "good")) == {"film": 1, "good": 5}
    assert _whole_words(Vocabulary("<s>", "film", "Ġfilm", "Ġmask", "ĠfÃ¼r", "s")) == {"film": 2, "für": 4}
    assert _whole_words(Vocabulary("<s>", "▁film", "s", "▁", "▁2")) == {"film": 1}
