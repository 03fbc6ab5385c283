from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF

from ladle_supervised.sequences.overlap import Overlap, words_for
from ladle_supervised.sequences.perplexity import measure_tokens

WORDS = st.sampled_from(["the", "film", "is", "good", "bad", "and", "very", ",", ".", "猫", "が", "います"])
TEXTS = st.lists(WORDS, max_size=9).map(" ".join)
REFERENCES = st.lists(WORDS, min_size=1, max_size=9).map(" ".join)
PAIRS = st.lists(st.tuples(TEXTS, REFERENCES), min_size=1, max_size=12)


@given(PAIRS, st.sampled_from(["13a", "intl", "char", "zh", "none"]))
@settings(max_examples=25, deadline=None)
def test_scores_are_those_of_sacrebleu(pairs, tokenizer):
    texts, references = map(list, zip(*pairs, strict=True))
    found = Overlap(texts, references, tokenizer)
    bleu, chrf = BLEU(tokenize=tokenizer), CHRF()
    assert found.scores == {
        "bleu": pytest.approx(min(100, bleu.corpus_score(texts, [references]).score)),
        "chrf": pytest.approx(chrf.corpus_score(texts, [references]).score),
    }
    assert [entry["signature"] for entry in found.signatures] == [str(bleu.get_signature()), str(chrf.get_signature())]
    alone = [chrf.sentence_score(text, [reference]).score for text, reference in pairs]
    assert found.of_each() == pytest.approx(alone)


def test_intervals_are_those_of_resampled_texts():
    chance = np.random.default_rng(5)
    words = ["a", "b", "c", "d", "e"]
    references = [" ".join(chance.choice(words, size=8)) for _ in range(30)]
    texts = [" ".join(w if chance.random() < 0.7 else "x" for w in text.split()) for text in references]
    found = Overlap(texts, references, "13a")
    scores = []
    for _ in range(300):
        drawn = chance.integers(30, size=30)
        scores.append(BLEU().corpus_score([texts[n] for n in drawn], [[references[n] for n in drawn]]).score)
    low, high = found.intervals["bleu"]
    assert (low, high) == pytest.approx(np.percentile(scores, [2.5, 97.5]), abs=3)
    assert low < found.scores["bleu"] < high


def test_what_is_right_throughout_has_100_and_what_is_wrong_throughout_0():
    same = ["one two three four five"] * 3
    assert Overlap(same, same, "auto").scores == {"bleu": pytest.approx(100), "chrf": pytest.approx(100)}
    assert max(Overlap(same, same, "auto").scores.values()) <= 100
    assert Overlap([""] * 3, same, "auto").scores == {"bleu": 0, "chrf": 0}


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["The cat sits."], "13a"),
        (["猫が座っている。"], "char"),
        (["PyTorch 2.0 で学習を始めます。"], "char"),
        (["The word 猫 means cat, as everybody knows."], "13a"),
        (["고양이가 앉아 있다."], "13a"),
        (["แมวนั่ง"], "char"),
        (["Кошка сидит."], "13a"),
        (["12 + 30"], "13a"),
        ([], "13a"),
    ],
)
def test_words_are_characters_where_a_script_has_no_spaces(texts, words):
    assert words_for(texts) == words


def test_loss_and_perplexity_are_per_token_by_hand():
    measured = measure_tokens(np.array([2.0, 1.0, 9.0], np.float32), np.array([4, 1, 3]))
    assert measured.metrics == {"loss": pytest.approx(1.5), "perplexity": pytest.approx(math.exp(1.5)), "rows": 3}
    low, high = measured.intervals["perplexity"]
    assert (low, high) == (pytest.approx(math.exp(0.5)), pytest.approx(math.exp(3)))
