"""Measuring under attack: what is counted, and that it is counted right."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ladle.errors import RecipeError
from ladle_adversarial.attack import Attack, count_words
from ladle_adversarial.robustness import wilson
from ladle_adversarial.search import Said, greedy, one_variant, run
from ladle_adversarial.typos import Typos
from ladle_adversarial.word_attacks import WordDeletion

TEXT = "a quiet film that hardly anybody will ever remember seeing twice"


class Counting:
    """A classifier that likes long words and knows what it was asked; right as long as it likes a text enough."""

    def __init__(self, needed: int, favourite: str = "") -> None:
        self.needed = needed
        self.favourite = favourite
        self.asked: list[tuple[int, str]] = []

    def __call__(self, numbers: list[int], texts: list[str]) -> list[Said]:
        self.asked += zip(numbers, texts, strict=True)
        return [self.say(text) for text in texts]

    def say(self, text: str) -> Said:
        liked = sum(len(word) for word in text.split() if not self.favourite or word == self.favourite)
        margin = float(liked - self.needed)
        return Said(int(margin < 0), margin, margin >= 0)


def attacked(attack: Attack, ask: Counting, budget: int = 50, text: str = TEXT, seed: int = 0):
    [found] = run([greedy(attack, text, Random(seed), budget)], ask)
    return found


@given(
    needed=st.integers(0, 70),
    budget=st.integers(2, 60),
    share=st.floats(0.05, 1),
    changed=st.floats(0.05, 1),
    seed=st.integers(0, 20),
    attack_class=st.sampled_from([Typos, WordDeletion]),
)
@settings(max_examples=150, deadline=None)
def test_queries_are_counted_and_variants_are_what_they_are_said_to_be(
    needed, budget, share, changed, seed, attack_class
):
    attack = attack_class.model_validate({"share": share, "changed": changed, "min_letters": 1})
    ask = Counting(needed)
    found = attacked(attack, ask, budget, seed=seed)
    assert found.queries == len(ask.asked) <= budget
    assert ask.asked[0] == (0, TEXT)
    assert found.was_right == ask.say(TEXT).is_right
    assert (found.text == TEXT) or found.text in [text for _, text in ask.asked]
    said = ask.say(found.text)
    assert (said.is_right, said.predicted) == (found.is_right, found.predicted)
    assert found.touched <= math.ceil(share * count_words(TEXT)) / count_words(TEXT)
    if not found.was_right:
        assert found.queries == 1
    worst = min(ask.say(text).margin for _, text in ask.asked)
    assert found.is_right == (worst >= 0)  # the search ends with a wrong one if it has met one


def test_the_search_finds_the_word_that_matters():
    ask = Counting(needed=8, favourite="remember")
    found = attacked(Typos(), ask)
    assert not found.is_right
    assert found.text.replace(found.text.split()[8], "remember") == TEXT
    assert found.queries == 1 + len(Typos().words(TEXT))  # the text, and one typo in each word that may have one


def test_the_search_puts_edits_together():
    attack = WordDeletion(share=1.0, changed=1.0, min_letters=1)
    found = attacked(attack, Counting(needed=35), budget=200)
    assert not found.is_right
    longest = ({"anybody", "remember", "hardly"}, {"anybody", "remember", "seeing"})  # 21 of 54 letters
    assert set(TEXT.split()) - set(found.text.split()) in longest
    stubborn = attacked(WordDeletion(share=0.2, changed=1.0), Counting(needed=20), budget=200)
    assert stubborn.is_right
    assert set(TEXT.split()) - set(stubborn.text.split()) in longest  # as near as a fifth of eleven words comes


def test_searches_run_side_by_side():
    attack, texts = Typos(), [TEXT, "nothing here", "a quiet film", ""]
    together = Counting(needed=12)
    found = run([greedy(attack, text, Random(3), 20) for text in texts], together)
    alone = [run([greedy(attack, text, Random(3), 20)], Counting(needed=12))[0] for text in texts]
    assert found == alone
    for number, text in enumerate(texts):
        own = [asked for at, asked in together.asked if at == number]
        assert own[0] == text
        assert len(own) == found[number].queries


def test_one_variant_takes_two_queries():
    ask = Counting(needed=54)
    [found] = run([one_variant(Typos(kinds=["delete"]), TEXT, Random(0))], ask)
    assert (found.was_right, found.is_right, found.queries, len(ask.asked)) == (True, False, 2, 2)
    assert found.text == Typos(kinds=["delete"]).random_change(TEXT, Random(0)).text
    assert found.touched == pytest.approx(2 / 11)


def test_wilsons_interval():
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)  # as in statsmodels and R's binom
    assert wilson(0, 20)[0] == 0.0
    assert wilson(20, 20)[1] == 1.0
    for count in range(21):
        low, high = wilson(count, 20)
        assert 0 <= low <= count / 20 <= high <= 1


# In recipes

TYPOS = {"use": "typos", "min_letters": 3, "share": 0.5}


@pytest.fixture
def measure(stage, train, fitted):
    """Measures the fitted model under attack, as it stands."""
    return lambda **options: train(stage(("robustness", options), model={"pretrained": str(fitted)}, epochs=0))


def test_a_fitted_model_is_measured_under_attack(measure):
    """A model of whole words knows none that is mistyped."""
    found = measure(attacks=[TYPOS, {"use": "word-swaps"}])
    metrics = found.metrics["test"]
    assert metrics["clean_accuracy"] == metrics["accuracy"] == 1.0
    assert metrics["accuracy_under_typos"] < 1.0
    assert metrics["robust_accuracy"] <= min(metrics["accuracy_under_typos"], metrics["accuracy_under_word_swaps"])
    for name in ("clean_accuracy", "robust_accuracy", "accuracy_under_typos", "accuracy_under_word_swaps"):
        assert found.metrics["intervals"]["test"][name] == pytest.approx(wilson(round(metrics[name] * 12), 12))
    assert "clean_accuracy" not in found.metrics["validation"]
    tables = found.file("details.json")["test"]["tables"]
    typos, swaps = tables["under attack"]
    assert (typos["attack"], swaps["attack"]) == ("typos", "word-swaps")
    assert (typos["rows"], typos["right as they are"]) == (12, 12)
    assert typos["right under attack"] == round(12 * metrics["accuracy_under_typos"])
    assert typos["queries per row"] == pytest.approx(typos["queries"] / 12)
    notes = found.runs.store.outcome(found.run.lock["stages"][-1]["key"])["details"]["notes"]
    assert notes["texts that the model was asked about under typos"] == typos["queries"]
    assert sum(example["attack"] == "typos" for example in tables["attacks that succeeded"]) == 5
    page = found.run.report.read_text()
    assert "accuracy_under_typos" in page
    assert tables["attacks that succeeded"][0]["under attack"] in page


def test_examples_are_mistaken_by_the_model(measure, fitted):
    model = AutoModelForSequenceClassification.from_pretrained(fitted).eval()
    tokenizer = AutoTokenizer.from_pretrained(fitted)

    def said(text: str) -> str:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            return model.config.id2label[int(model(input_ids=ids).logits.argmax())]

    examples = measure(attacks=[TYPOS]).file("details.json")["test"]["tables"]["attacks that succeeded"]
    assert examples
    for example in examples:
        assert said(example["text"]) == example["truth"]
        assert said(example["under attack"]) == example["predicted"] != example["truth"]


def test_random_variants_are_measured_without_a_search(measure):
    options = {"attacks": [TYPOS, {**TYPOS, "share": 1.0}], "search": False}
    first = measure(**options)
    typos, harder = first.file("details.json")["test"]["tables"]["under attack"]
    assert (typos["attack"], harder["attack"]) == ("typos", "typos-2")
    assert typos["queries per row"] == 2
    assert harder["right under attack"] <= typos["right under attack"] < 12
    searched = measure(attacks=[TYPOS]).metrics["test"]
    assert searched["accuracy_under_typos"] <= first.metrics["test"]["accuracy_under_typos"]
    assert measure(**options, queries=7).metrics["test"] == first.metrics["test"]  # the same random variants


def test_some_rows_are_enough(measure):
    found = measure(attacks=["synonyms"], rows=5)
    assert found.metrics["test"]["rows"] == 12
    assert found.file("details.json")["test"]["tables"]["under attack"][0]["rows"] == 5
    assert found.metrics["intervals"]["test"]["clean_accuracy"] == pytest.approx(wilson(5, 5))


def test_measuring_changes_no_training(stage, train):
    plain = train(stage())
    measured = train(stage(("robustness", {"attacks": ["typos"]})))
    found, expected = measured.weights(), plain.weights()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    for split in ("validation", "test"):
        assert plain.metrics[split].items() <= measured.metrics[split].items()


def test_what_has_no_classes_or_no_texts_is_refused_with_the_reason(read, stage):
    with pytest.raises(RecipeError, match="counts the texts whose class is right under attack, and this trainer's"):
        read(stage(("robustness", {"attacks": ["typos"]}), use="own-loss", head=None))
    recipe = (
        '[[train]]\nuse = "tabular-classification"\ndata = "rows"\ncolumns = []\n'
        '[[train.technique]]\nuse = "robustness"\nattacks = ["typos"]\n'
    )
    with pytest.raises(RecipeError, match="asks the model about changed texts, and this trainer's rows are made of"):
        read(recipe)
