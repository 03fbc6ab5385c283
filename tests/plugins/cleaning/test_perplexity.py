"""Dropping texts by how surprising a language model finds them."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import pytest
import torch

from ladle import Columns, OptionError, Sample
from ladle_cleaning import extras
from ladle_cleaning.perplexity import Perplexity

WORDS = ["<pad>", "<unk>", "the", "cat", "sat", "on", "mat", "dog", "ran"]


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Path:
    """A Llama of one layer with random weights, and a tokeniser of a few words, in Hugging Face layout."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("decoder")
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>").save_pretrained(folder)
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=16,
        initializer_range=0.8,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def by_hand(folder: Path, text: str) -> float:
    """The perplexity of a text, worked out token by token."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.tensor([[WORDS.index(word) if word in WORDS else 1 for word in text.split()]])
    with torch.no_grad():
        chances = model(ids).logits[0].softmax(-1)
    told = [chances[at, ids[0, at + 1]].item() for at in range(ids.shape[1] - 1)]
    return math.exp(-sum(map(math.log, told)) / len(told))


def perplexity(folder: Path, **options) -> Perplexity:
    return Perplexity.model_validate({"model": {"pretrained": str(folder)}, "device": "cpu"} | options)


TEXTS = ["the cat sat on the mat", "dog dog", "mat on the zebra", "ran the dog ran", "cat", "", None, "the cat"]


def test_texts_go_whose_perplexity_is_beyond_the_bounds(rows, clean, decoder):
    found = {f"r{at}": by_hand(decoder, text) for at, text in enumerate(TEXTS) if text and " " in text}
    low, high = sorted(found.values())[1], sorted(found.values())[-2]
    done = clean(perplexity(decoder, min=low - 1e-3, max=high + 1e-3, batch_size=2), rows({"text": TEXTS}))
    assert set(done.kept) == {row for row, value in found.items() if low <= value <= high}
    surprising = max(found, key=found.get)
    assert tuple(done.rejects[surprising][:2]) == (
        "max",
        f"the perplexity of `text` is {found[surprising]:.4g}, more than max = {high + 1e-3:.15g}",
    )
    assert done.rejects[min(found, key=found.get)].rule == "min"
    assert {tuple(done.rejects[row][:2]) for row in ("r4", "r5", "r6")} == {
        ("missing", "`text` has less than two tokens")
    }


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_texts_beside_it_change_nothing(decoder, batch_size):
    from ladle_cleaning.surprise import Surprise

    surprise = Surprise(decoder, None, batch_size, "cpu")
    texts = [text for text in TEXTS if text is not None]
    expected = [by_hand(decoder, text) if " " in text else None for text in texts]
    assert surprise.perplexities(texts) == [value and pytest.approx(value, rel=1e-4) for value in expected]
    assert surprise.perplexities([]) == []


def test_only_so_many_tokens_count(decoder):
    from ladle_cleaning.surprise import Surprise

    [found] = Surprise(decoder, 3, 8, "cpu").perplexities(["the cat sat on the mat"])
    assert found == pytest.approx(by_hand(decoder, "the cat sat"), rel=1e-4)
    with pytest.raises(OptionError, match="the model reads at most 16 tokens of a text, not 17"):
        Surprise(decoder, 17, 8, "cpu")


@pytest.mark.parametrize(
    ("options", "message", "option"),
    [
        ({}, "nothing tells which texts stay", "max"),
        ({"min": 9, "max": 3}, "no perplexity is at least 9 and at most 3", "min"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(refused, decoder, options, message, option):
    error = refused(Perplexity, model={"pretrained": str(decoder)}, **options)
    assert (str(error), error.option) == (message, option)


def test_what_is_not_installed_is_told(monkeypatch, decoder):
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    with pytest.raises(OptionError, match="this needs transformers, which is not installed") as caught:
        perplexity(decoder, max=9).columns_after(Columns({"text": "text"}))
    assert (caught.value.option, caught.value.help) == ("model", 'pip install "ladle-cleaning[perplexity]"')
    assert importlib.util.find_spec("transformers")


def test_the_first_rows_show_texts_that_the_model_cannot_read_to_their_end(decoder):
    sample = Sample([{"text": "the cat sat on the mat " * 9}] * 30)
    [doubt] = perplexity(decoder, max=9, max_length=16).doubts(sample)
    assert "are longer than 16 tokens and will be cut" in str(doubt)


TABLES = """
[[data.reviews.clean]]
use = "perplexity"
model = { stage = "reader" }
max = 20
device = "cpu"

[data.good.source]
use = "lines"
path = "good.jsonl"

[[train]]
name = "reader"
use = "causal-language-model"
data = "good"
column = "text"
model = { scratch = "llama", size = "tiny", vocabulary = 300, length = 32 }
epochs = 4
learning_rate = 1e-2
batch_size = 8
device = "cpu"
"""


@pytest.mark.slow
def test_the_model_may_be_that_of_a_train_stage(run_recipe, tmp_path):
    def lines(texts):
        return [json.dumps({"text": text, "stars": "1", "split": "train"}) for text in texts]

    animals, places = ("cat", "dog", "cow"), ("mat", "hill", "bed")
    sentences = [f"the {animal} sat on the {place}" for animal in animals for place in places]
    (tmp_path / "good.jsonl").write_text("\n".join(lines(sentences * 8)))
    strange = ["mat the on sat cow the", "bed hill bed dog", "tac eht taas"]
    done = run_recipe(lines([*sentences, *strange]), TABLES, "ladle-unsupervised")
    assert [row["text"] for row in done.kept("reviews.clean.1")] == sentences
    assert {reject["rule"] for reject in done.rejects("reviews.clean.1")} == {"max"}
