"""Likely mistakes that trainers see in the first rows and in a model's files."""

from __future__ import annotations

import json

import pytest

from ladle import Sample
from ladle_supervised.tables.classification import TabularClassification
from ladle_supervised.texts.classification import TextClassification


def texts(*lengths: int, target: str = "label") -> Sample:
    return Sample([{"text": "film " * length, target: f"class {n % 2}"} for n, length in enumerate(lengths)])


@pytest.fixture
def doubts(saved):
    """What a text trainer doubts, as (code, option, message)."""

    def find(sample: Sample, folder=None, **options):
        start = {"pretrained": str(folder or saved("bert"))}
        trainer = TextClassification.model_validate({"data": "r", "model": start} | options)
        return [(doubt.code, doubt.option, str(doubt)) for doubt in trainer.doubts(sample)]

    return find


def test_texts_that_will_be_cut_are_told_with_their_share(doubts):
    sample = texts(*[5] * 60, *[50] * 39, 800)
    cut = "about 40% of the texts are longer than {} tokens and will be cut (of the first 100 rows the longest has 802)"
    assert doubts(sample) == [("cut", "max_length", cut.format(24))]
    assert doubts(sample, max_length=20) == [("cut", "max_length", cut.format(20))]


def test_few_cut_texts_are_no_mistake(doubts):
    assert doubts(texts(*[5] * 90, *[50] * 10)) == []
    assert doubts(texts(*[22] * 100)) == []  # 24 tokens with those around them
    assert doubts(texts(*[50] * 19)) == []
    assert doubts(texts(*[60] * 100), max_length=24)[0][0] == "cut"


def test_long_words_are_no_long_texts(doubts):
    assert doubts(Sample([{"text": "x" * 500, "label": f"class {n % 2}"} for n in range(50)])) == []


def test_positions_of_roberta_begin_behind_the_padding(doubts, saved):
    assert [code for code, *_ in doubts(texts(*[21] * 50), saved("roberta"))] == []
    assert "longer than 23 tokens" in doubts(texts(*[22] * 50), saved("roberta"))[0][2]


def test_a_length_beyond_the_positions(doubts):
    message = "the model reads at most 24 tokens of a text, not 100"
    assert doubts(Sample(), max_length=100) == [("option", "max_length", message)]
    assert doubts(Sample(), max_length=24) == []


@pytest.mark.parametrize("added", [{}, {"added_tokens": [{"id": 25, "content": "[NEW]"}]}])
def test_a_vocabulary_larger_than_the_models(doubts, bert_with, saved, added):
    folder = bert_with()
    known = json.loads((folder / "tokenizer.json").read_text())
    size = len(known["model"]["vocab"])
    assert doubts(Sample(), folder) == []
    (folder / "tokenizer.json").write_text(json.dumps(known | added))
    if not added:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 10}))
    known, places = (26, size) if added else (size, 10)
    message = f"the tokeniser knows {known} tokens, and the model has a place for {places}: it fails at any beyond"
    assert doubts(Sample(), folder) == [("vocabulary", "model", message)]


@pytest.mark.parametrize("size", [3, 4])
def test_a_vocabulary_that_is_a_list(doubts, bert_with, size):
    folder = bert_with(
        {"vocab_size": size}, {"tokenizer.json": {"model": {"vocab": [["a", 0], ["b", 0], ["c", 0], ["d", 0]]}}}
    )
    assert [code for code, *_ in doubts(Sample(), folder)] == (["vocabulary"] if size < 4 else [])


def labels(*values, is_whole=True) -> list[str]:
    sample = Sample([{"label": value} for value in values], is_whole)
    return [str(doubt) for doubt in TabularClassification.model_validate({"data": "r"}).doubts(sample)]


def test_a_target_of_one_class_only():
    assert labels(*["a"] * 20) == ["`label` is `a` in all rows that have one: there is nothing to tell apart"]
    assert labels(*["a"] * 20, "b") == []
    assert labels(*["a"] * 20, is_whole=False) == []  # a file may be sorted by it
    assert labels(*["a"] * 19) == []


def test_an_id_taken_for_a_class():
    message = "`label` has 40 different values in the 40 rows: more like an id than a class"
    assert labels(*range(40)) == [message]
    assert labels(*(n % 36 for n in range(40))) == []
    assert labels(*range(19)) == []
