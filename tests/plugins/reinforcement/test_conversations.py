"""Prompts and answers as tokens."""

from __future__ import annotations

import json

import pytest

from ladle import OptionError
from ladle_reinforcement.conversations import (
    Renderer,
    UnusableError,
    divided,
    read_cell,
    to_be_answered,
    without_prompt,
)

from .conftest import CHAT, make_tokenizer

USER = {"role": "user", "content": "say red"}
ANSWER = {"role": "assistant", "content": "red"}


def tokens(tokenizer, ids):
    return " ".join(tokenizer.convert_ids_to_tokens(ids))


def test_cells_hold_texts_messages_or_these_as_json():
    assert read_cell("say red", "p") == "say red"
    assert read_cell([USER | {"name": "me"}], "p") == read_cell(json.dumps([USER]), "p") == [USER]
    assert read_cell("[1, 2] is what?", "p") == "[1, 2] is what?"
    for empty in (None, "", []):
        with pytest.raises(UnusableError, match="without `p`"):
            read_cell(empty, "p")
    with pytest.raises(UnusableError, match="with `p` that are no list of"):
        read_cell([{"content": "x"}], "p")


def test_a_prompt_ends_before_its_answer():
    assert to_be_answered([USER, ANSWER]) == to_be_answered([USER]) == [USER]
    with pytest.raises(UnusableError):
        to_be_answered([ANSWER])


def test_answers_may_have_their_prompt_in_front():
    assert without_prompt("say red", [USER, ANSWER]) == without_prompt([USER], [ANSWER]) == [ANSWER]
    assert without_prompt("say red", "red") == "red"
    with pytest.raises(UnusableError):
        without_prompt([USER], [USER])
    other = ANSWER | {"content": "blue"}
    assert divided([USER, ANSWER], [USER, other]) == ([USER], [ANSWER], [other])
    for pair in (([USER, ANSWER], [USER]), (["a"], ["b"]), ("a", "b")):
        with pytest.raises(UnusableError):
            divided(*pair)


def test_texts_go_on_from_each_other_and_end():
    tokenizer = make_tokenizer()
    renderer = Renderer(tokenizer, None, None)
    assert not renderer.is_chat
    before, answer = renderer.tokens_of_pair(renderer.prompt("say red . "), "red red")
    assert (tokens(tokenizer, before), tokens(tokenizer, answer)) == ("say red .", "red red </s>")
    assert tokens(tokenizer, renderer.tokens_of_whole("say ", [ANSWER])) == "say red"
    with pytest.raises(UnusableError, match="whose answers are conversations"):
        renderer.tokens_of_whole(None, [USER, ANSWER])


def test_a_token_over_the_border_is_the_answers_own():
    renderer = Renderer(make_tokenizer(), None, None)
    before, answer = renderer.tokens_of_pair("say r", "ed red")
    assert tokens(renderer.tokenizer, before) == "say <unk>"
    assert tokens(renderer.tokenizer, answer) == "<unk> red </s>"


def test_conversations_are_written_by_the_template():
    renderer = Renderer(make_tokenizer(CHAT), None, "good")
    prompt = renderer.prompt("say red")
    assert prompt == [{"role": "system", "content": "good"}, USER]
    own = [{"role": "system", "content": "bad"}, USER]
    assert renderer.prompt(own) == own
    before, answer = renderer.tokens_of_pair(prompt, "red")
    assert tokens(renderer.tokenizer, before) == "system : good . user : say red . assistant :"
    assert tokens(renderer.tokenizer, answer) == "red </s>"
    assert before + answer == renderer.tokens_of_whole(prompt, [ANSWER])


def test_a_template_may_be_left_out():
    assert Renderer(make_tokenizer(CHAT), False, None).prompt("say red") == "say red"


def test_what_a_template_refuses_is_unusable():
    stern = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}a"
    renderer = Renderer(make_tokenizer(stern), None, "good")
    with pytest.raises(UnusableError, match="that the chat template refuses: no system"):
        renderer.tokens_of_prompt(renderer.prompt("say red"))
    fickle = "{{ messages | length }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(UnusableError, match="writes otherwise where an answer follows"):
        Renderer(make_tokenizer(fickle), None, None).tokens_of_pair([USER], "red")


@pytest.mark.parametrize(
    ("template", "chat", "system", "value", "option"),
    [
        (None, True, None, "say", "chat"),
        (None, None, "good", "say", "system_text"),
        (None, None, None, [USER], "prompt"),
    ],
)
def test_what_needs_a_template_is_refused_without_one(template, chat, system, value, option):
    with pytest.raises(OptionError) as told:
        Renderer(make_tokenizer(template), chat, system).prompt(value)
    assert told.value.path == (option,)
