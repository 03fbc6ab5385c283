from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle_supervised.tokens.words import first_tokens, words_of


def test_words_of_a_list_stand_in_a_text_with_spaces_between_them():
    words = words_of(["New York", "is", None, "big"])
    assert words.text == "New York is  big"
    assert words.texts == ["New York", "is", "", "big"]
    assert words.text[slice(*words.within(0, 2))] == "New York is"


def test_a_text_is_split_at_white_space():
    assert words_of("  New\tYork \n is").texts == ["New", "York", "is"]
    assert words_of(None).texts == words_of("").texts == words_of([]).texts == []


@given(st.data())
def test_the_first_token_of_a_word_is_the_first_that_ends_in_it(data):
    """Words are cut into pieces anyhow; some pieces have the space before the word in them; the end may be cut off."""
    texts = data.draw(st.lists(st.text("ab", max_size=5), max_size=6))
    words = words_of(texts)
    offsets, expected = [(0, 0)], []
    for start, end in words.places:
        expected.append(len(offsets) if end > start else -1)
        cuts = sorted(data.draw(st.sets(st.integers(start + 1, end - 1)))) if end - start > 1 else []
        edges = [start, *cuts, end] if end > start else []
        pieces = list(itertools.pairwise(edges))
        if pieces and start and data.draw(st.booleans()):
            pieces[0] = (start - 1, pieces[0][1])
        offsets += pieces
    kept = data.draw(st.integers(1, len(offsets)))
    assert first_tokens(words, [*offsets[:kept], (0, 0)]) == [place if place < kept else -1 for place in expected]


@pytest.mark.parametrize("kind", ["wordpiece", "bytes"])
def test_the_tokens_of_a_word_list_are_found_as_transformers_finds_them(kind):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    if kind == "wordpiece":
        vocabulary = {
            piece: number for number, piece in enumerate(["[UNK]", "un", "##aff", "##able", ".", "York", "New"])
        }
        tokens = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
        tokens.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    else:
        tokens = Tokenizer(models.BPE())
        tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(vocab_size=270, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
        tokens.train_from_iterator(["unaffable New York é"] * 3, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens)
    texts = ["unaffable", "New", "York", ".", "é…", "unaff"]
    by_words = tokenizer(texts, is_split_into_words=True)
    numbers = by_words.word_ids()
    words = words_of(texts)
    (encoding,) = tokenizer([words.text]).encodings
    assert encoding.ids == by_words["input_ids"]
    assert first_tokens(words, encoding.offsets) == [numbers.index(word) for word in range(len(texts))]
