from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import OptionError
from ladle_supervised.answers.windows import Windows

WORDS = ["good", "bad", "fine", "awful", "film", "plot", "day", "end"]


@pytest.fixture(scope="module")
def windows(saved):
    """Windows of the tokeniser of BERT or Llama; the latter has no token of its own that could stand for no answer."""
    from ladle.training import tokenizer_from

    return lambda kind, limit, stride: Windows(tokenizer_from(saved(kind)), limit, stride)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_windows_cover_the_context_and_overlap(kind, data, windows):
    limit = data.draw(st.integers(12, 24))
    stride = data.draw(st.integers(0, limit // 2 - 4))
    question = " ".join(data.draw(st.lists(st.sampled_from(WORDS), max_size=20)))
    words = data.draw(st.lists(st.sampled_from(WORDS), max_size=60))
    context = "  ".join(words)
    ((found, is_cut),) = windows(kind, limit, stride)([question], [context])
    places = [sorted((s, e) for s, e in zip(w.starts, w.ends, strict=True) if s >= 0) for w in found]
    assert is_cut == (len(question.split()) > (limit // 2 - 1 if kind == "bert" else (limit - 1) // 2 - 2))
    assert [window.number for window in found] == list(range(len(found)))
    assert {context[s:e] for own in places for s, e in own} <= set(WORDS)
    assert sorted({place for own in places for place in own}) == [
        (n, n + len(word)) for n, word in zip(_starts(words), words, strict=True)
    ]
    for window, own in zip(found, places, strict=True):
        assert len(window.input_ids) == len(window.starts) == len(window.ends) == len(window.types) <= limit
        assert window.starts[window.nowhere] == -1
        assert window.nowhere == (0 if kind == "bert" else len(window.input_ids) - 1)
        assert all(window.input_ids[window.starts.index(s)] for s, _ in own)
    for before, after in itertools.pairwise(places):
        assert before[len(before) - stride :] == after[:stride]


def _starts(words):
    at = 0
    for word in words:
        yield at
        at += len(word) + 2


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_an_answer_is_found_in_each_window_that_has_all_of_it(data, windows):
    words = data.draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=40))
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, min(first + 3, len(words) - 1)))
    context = "  ".join(words)
    starts = list(_starts(words))
    answer = (starts[first], starts[last] + len(words[last]))
    ((found, _),) = windows("bert", 20, 4)(["film"], [context])
    hits = 0
    for window in found:
        inside = [place for place, start in enumerate(window.starts) if start >= 0]
        has_it = window.starts[inside[0]] <= answer[0] and window.ends[inside[-1]] >= answer[1]
        begin, end = window.places(answer)
        if has_it:
            assert (window.starts[begin], window.ends[end]) == answer
        else:
            assert begin == end == window.nowhere
        hits += has_it
    assert hits  # no answer is longer than what neighbours share


def test_without_an_answer_or_a_context_the_places_stand_for_none(windows):
    ((found, _),) = windows("bert", 20, 4)(["film"], [""])
    assert [window.places((0, 3)) for window in found] == [(0, 0)]
    ((found, _),) = windows("bert", 20, 4)(["film"], ["good day"])
    assert found[0].places(None) == (0, 0)


def test_a_part_of_a_word_is_widened_to_its_token(windows):
    ((found, _),) = windows("bert", 20, 4)(["film"], ["good day"])
    assert found[0].places((1, 6)) == (3, 4)


def test_a_line_feed_parts_question_and_context_where_no_token_does():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    bytes_ = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokens = Tokenizer(models.BPE(bytes_, []))
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, eos_token="!", pad_token="!")
    ((found, _),) = Windows(tokenizer, 20, 2)(["ab"], ["cd"])
    assert tokenizer.convert_ids_to_tokens(found[0].input_ids) == ["a", "b", "Ċ", "c", "d", "!"]
    assert found[0].starts == [-1, -1, -1, 0, 1, -1]
    assert found[0].nowhere == 5


def test_types_tell_the_question_from_the_context(windows):
    ((found, _),) = windows("bert", 20, 4)(["film"], ["good day"])
    starts = found[0].starts
    assert [type_ for type_, start in zip(found[0].types, starts, strict=True) if start >= 0] == [1, 1]
    assert found[0].types[:3] == [0, 0, 0]


@pytest.mark.parametrize(("limit", "stride", "option"), [(20, 8, "stride"), (6, None, "max_length"), (4, 0, "stride")])
def test_windows_that_are_too_short_are_refused(limit, stride, option, windows):
    with pytest.raises(OptionError, match=f"windows of {limit} tokens, half of them for the question") as raised:
        windows("bert", limit, stride)
    assert raised.value.option == option
    assert raised.value.help
