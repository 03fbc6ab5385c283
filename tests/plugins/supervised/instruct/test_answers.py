"""Which tokens of a conversation are learnt."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ladle import OptionError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).filter(lambda text: "<|" not in text)
SPACED = st.sampled_from([" yes", "\n\nno", "  a  ", "", "good\n", " ", "\t"])
CONTENTS = st.one_of(TEXTS, SPACED)


@st.composite
def conversations(draw, roles=("user",)):
    """One to three questions with their answers, with or without a system message before them."""
    messages = [{"role": "system", "content": draw(CONTENTS)}] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        messages += [{"role": role, "content": draw(CONTENTS)} for role in (*roles, "assistant")]
    return messages


def prepared(tokenizer, conversations, last_only=False, limit=10_000):
    """What becomes of conversations: the ready rows, and who prepared them."""
    from ladle_supervised.chat.rows import Conversations, Limits, Preparer

    preparer = Preparer(tokenizer, Conversations("messages", "", "", None), Limits(limit, limit), last_only)
    messages = pa.array([json.dumps(each) for each in conversations])
    batch = pa.RecordBatch.from_arrays(
        [pa.array([str(number) for number in range(len(conversations))]), messages], names=["_id", "messages"]
    )
    return preparer.to_measure(batch).to_pylist(), preparer


def with_template(tokenizer, template, markers=()):
    from ladle_supervised.chat.template import give_template

    give_template(tokenizer, template, list(markers))
    return tokenizer


def learnt_texts(tokenizer, row):
    """The text of each run of tokens to learn, in its place."""
    ids, labels = row["input_ids"], row["labels"]
    found, start = [], None
    for place, label in enumerate([*labels, -100]):
        if label != -100 and start is None:
            start = place
        if label == -100 and start is not None:
            assert labels[start:place] == ids[start:place]
            before, after = (tokenizer.decode(ids[:at]) for at in (start, place))
            assert after.startswith(before)
            found.append(after[len(before) :])
            start = None
    return found


@pytest.fixture(scope="module")
def tokenizers(tokenizer_of, chatml, chatml_marked):
    """By name, a tokeniser with the template that it renders by, and what ends an answer."""
    made = {
        "chatml": (with_template(tokenizer_of("bytes"), "chatml"), "<|im_end|>"),
        "own chatml": (tokenizer_of("chat", chatml), "<|im_end|>"),
        "marked chatml": (tokenizer_of("chat", chatml_marked), "<|im_end|>"),
        "plain": (with_template(tokenizer_of("bytes"), "plain"), "<|endoftext|>"),
        "instruction": (with_template(tokenizer_of("bytes"), "instruction"), "<|endoftext|>"),
        "metaspace chatml": (with_template(tokenizer_of("metaspace"), "chatml"), "<|im_end|>"),
        "metaspace plain": (with_template(tokenizer_of("metaspace"), "plain"), "</s>"),
        "spaced": (
            with_template(
                tokenizer_of("bytes"),
                "{% for m in messages %}{{ m['role'] + ': ' + m['content'] }}"
                "{{ (eos_token if m['role'] == 'assistant' else '') + '\n' }}{% endfor %}"
                "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}",
            ),
            "<|endoftext|>",
        ),
    }
    return lambda name: made[name]


NAMES = [
    "chatml",
    "own chatml",
    "marked chatml",
    "plain",
    "instruction",
    "metaspace chatml",
    "metaspace plain",
    "spaced",
]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None)
@given(messages=conversations())
def test_what_is_learnt_are_the_answers_with_their_end_tokens_to_the_letter(name, tokenizers, messages):
    tokenizer, end = tokenizers(name)
    [row], preparer = prepared(tokenizer, [messages])
    assert learnt_texts(tokenizer, row) == [m["content"] + end for m in messages if m["role"] == "assistant"]
    assert preparer.ends == {tokenizer.convert_tokens_to_ids(end)}
    assert row["length"] == len(row["input_ids"]) == len(row["labels"])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=6, deadline=None)
@given(messages=conversations())
def test_the_last_answer_alone_is_learnt_after_the_tokens_that_the_model_is_asked_with(name, tokenizers, messages):
    tokenizer, end = tokenizers(name)
    [row], _ = prepared(tokenizer, [messages], last_only=True)
    assert learnt_texts(tokenizer, row) == [messages[-1]["content"] + end]
    asked = tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True).input_ids
    assert row["prompt"] == asked
    if sum(m["role"] == "assistant" for m in messages) == 1:  # answers before it may end where no token would
        learnt = [place for place, label in enumerate(row["labels"]) if label != -100]
        assert row["input_ids"][: learnt[0]] == asked


@settings(max_examples=12, deadline=None)
@given(messages=conversations())
def test_marks_mean_what_they_mean_to_transformers(tokenizers, messages):
    """Unless a token would reach into an answer, which they would learn as part of the prompt."""
    assume(all(m["content"][:1].strip() for m in messages if m["role"] == "assistant"))
    tokenizer, _ = tokenizers("marked chatml")
    [row], _ = prepared(tokenizer, [messages])
    theirs = tokenizer.apply_chat_template(messages, return_assistant_tokens_mask=True)
    assert row["input_ids"] == theirs.input_ids
    assert [label != -100 for label in row["labels"]] == [mask == 1 for mask in theirs.assistant_masks]


@settings(max_examples=12, deadline=None)
@given(messages=conversations())
def test_marks_and_beginnings_find_the_same_answers(tokenizers, messages):
    one, other = (prepared(tokenizers(name)[0], [messages])[0] for name in ("own chatml", "marked chatml"))
    assert one == other


@settings(max_examples=12, deadline=None)
@given(messages=conversations(), limit=st.integers(2, 40))
def test_a_cut_takes_tokens_off_the_end_alone(tokenizers, messages, limit):
    tokenizer, _ = tokenizers("chatml")
    [whole], _ = prepared(tokenizer, [messages])
    rows, preparer = prepared(tokenizer, [messages], limit=limit)
    if all(label == -100 for label in whole["labels"][:limit]):
        assert rows == []
        assert preparer.left_out == {f"with no token of an answer among their first {limit}": 1}
    else:
        assert rows[0]["labels"] == whole["labels"][:limit]
        assert preparer.counted[f"cut after {limit} tokens"] == (whole["length"] > limit)


def test_the_end_token_is_learnt_though_it_is_the_padding_token_too(tokenizers):
    tokenizer, _ = tokenizers("plain")
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    [row], _ = prepared(tokenizer, [chat("a", "b")])
    assert tokenizer.eos_token_id in row["labels"]


def test_what_comes_after_the_last_answer_is_left_out(tokenizers):
    tokenizer, _ = tokenizers("chatml")
    unanswered = {"role": "user", "content": "and then?"}
    one, other = (prepared(tokenizer, [[*chat("a", "b"), *rest]])[0] for rest in ([], [unanswered]))
    assert one == other


def test_pieces_are_tokenised_apart_where_a_token_would_reach_into_an_answer(tokenizers):
    tokenizer, _ = tokenizers("spaced")
    whole = tokenizer("assistant: the", add_special_tokens=False).input_ids
    prompt = tokenizer("assistant: ", add_special_tokens=False).input_ids
    assert whole[: len(prompt)] != prompt
    [row], _ = prepared(tokenizer, [chat("no", "the")])
    first = next(place for place, label in enumerate(row["labels"]) if label != -100)
    assert row["input_ids"][first - len(prompt) : first] == prompt


def test_tokens_that_reach_into_an_answer_are_refused_where_pieces_are_other_texts(tokenizer_of):
    spaced = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + eos_token }}{% endfor %}"
    spaced += "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    with pytest.raises(
        OptionError, match="makes one token of the end of a prompt and the beginning of the answer"
    ) as e:
        prepared(with_template(tokenizer_of("metaspace-always"), spaced), [chat("no", "the")])
    assert e.value.option == "template"
    assert "not a space" in e.value.help


def chat(*said):
    return [{"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(said)]


INST = (  # no sign for whose turn it is, and a space on either side of an answer, as Llama 2 has it
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + ' ' + eos_token }}{% endif %}{% endfor %}"
)


@pytest.mark.parametrize("kind", ["metaspace", "metaspace-always"])
def test_what_a_template_puts_around_an_answer_is_learnt_with_it(kind, tokenizer_of):
    tokenizer = with_template(tokenizer_of(kind), INST)
    messages = chat("What is the plot?", "the film", "and?", "no")
    [row], preparer = prepared(tokenizer, [messages])
    assert learnt_texts(tokenizer, row) == [" the film </s>", " no </s>"]
    asked = tokenizer.apply_chat_template(messages[:1], add_generation_prompt=True).input_ids
    assert row["input_ids"][: len(asked)] == asked
    assert row["labels"][len(asked)] == row["input_ids"][len(asked)]
    assert not +preparer.counted


def refused(tokenizer, template, messages=None, markers=()):
    with pytest.raises(OptionError) as raised:
        prepared(with_template(tokenizer, template, markers), [messages or chat("Hello", "yes")])
    assert raised.value.option == "template"
    return raised.value


def test_a_template_without_an_end_token_is_refused(tokenizer_of):
    template = "{% for m in messages %}{{ m['role'] + ':\n' + m['content'] + '\n' }}{% endfor %}"
    template += "{% if add_generation_prompt %}{{ 'assistant:\n' }}{% endif %}"
    error = refused(tokenizer_of("bytes"), template)
    assert str(error) == (
        "the template writes no end token after an answer: a model that learns from it would never stop"
    )
    assert "{{ eos_token }}" in error.help


def test_an_end_token_that_the_template_does_not_mark_is_learnt_and_told(tokenizer_of, chatml_marked):
    template = chatml_marked.replace(
        "m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n'",
        "m['content'] }}{% endgeneration %}{{ '<|im_end|>\n'",
    )
    assert template != chatml_marked
    messages = chat("a", "b", "c", "d")
    [row], preparer = prepared(tokenizer_of("chat", template), [messages])
    [whole], _ = prepared(tokenizer_of("chat", chatml_marked), [messages])
    assert row == whole
    assert preparer.counted == {"whose answer's end token is learnt though the template does not mark it": 1}


def test_two_first_tokens_are_refused(tokenizer_of):
    template = "{{ bos_token + bos_token }}{% for m in messages %}{{ m['content'] + eos_token }}{% endfor %}"
    error = refused(tokenizer_of("metaspace"), template)
    assert str(error) == "conversations begin with `<s>` twice: the template writes it two times"


def test_a_first_token_that_the_template_lacks_is_told(tokenizer_of):
    template = "{% for m in messages %}{{ m['role'] + '\n' + m['content'] + eos_token }}{% endfor %}"
    template += "{% if add_generation_prompt %}{{ 'assistant\n' }}{% endif %}"
    _, preparer = prepared(with_template(tokenizer_of("metaspace"), template), [chat("a", "b")])
    assert preparer.counted == {"that do not begin with `<s>`, as the tokeniser's texts do": 1}


@pytest.mark.parametrize("name", ["chatml", "plain", "instruction"])
def test_named_templates_begin_as_the_tokeniser_does(name, tokenizer_of):
    tokenizer = with_template(tokenizer_of("metaspace"), name)
    [row], preparer = prepared(tokenizer, [chat("a", "b")])
    assert row["input_ids"].count(tokenizer.bos_token_id) == 1
    assert row["input_ids"][0] == row["prompt"][0] == tokenizer.bos_token_id
    assert not +preparer.counted


def test_a_template_that_trims_an_answer_is_told(tokenizer_of, chatml):
    tokenizer = tokenizer_of("chat", chatml.replace("m['content']", "m['content'] | trim"))
    rows, preparer = prepared(tokenizer, [chat("a", " b\n"), chat(" a ", "b"), chat("a", " b", "c", "d")])
    assert learnt_texts(tokenizer, rows[0]) == ["b<|im_end|>"]
    assert preparer.counted == {"whose answer the template changes (it takes away white space, for example)": 2}
    _, last = prepared(tokenizer, [chat("a", " b", "c", "d")], last_only=True)
    assert not +last.counted


THINKING = (  # takes thoughts out of all answers but the last, as models that reason do
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{{ m['content'] if loop.last else m['content'].split('</think>')[-1] }}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def test_a_template_that_writes_answers_otherwise_later_on_is_refused(tokenizer_of):
    messages = chat("a", "<think>so</think>b", "c", "<think>then</think>d")
    error = refused(tokenizer_of("chat"), THINKING, messages)
    assert "writes the beginning of a conversation otherwise than in the whole" in str(error)
    assert "'<think>so</think>b<|im_end|>\\n' stands where the whole has 'b<|im_end|>\\n" in str(error)
    assert 'learn = "last"' in error.help
    tokenizer = with_template(tokenizer_of("chat"), THINKING)
    [row], _ = prepared(tokenizer, [messages], last_only=True)
    assert learnt_texts(tokenizer, row) == ["<think>then</think>d<|im_end|>"]


def test_marks_around_nothing_are_refused(tokenizer_of, chatml_marked):
    error = refused(tokenizer_of("chat"), chatml_marked.replace("== 'assistant'", "== 'bot'"))
    assert str(error) == "the template marks nothing as generated: there would be nothing to learn"


def test_a_marker_that_is_no_single_token_is_refused_unless_it_becomes_one(tokenizer_of, chatml):
    error = refused(tokenizer_of("bytes"), chatml)
    assert "which the tokeniser does not know as one token" in str(error)
    assert 'special_tokens = ["<|im_' in error.help
    tokenizer = with_template(tokenizer_of("bytes"), chatml, ["<|im_start|>", "<|im_end|>"])
    [row], _ = prepared(tokenizer, [chat("a", "b")])
    assert learnt_texts(tokenizer, row) == ["b<|im_end|>"]


def test_what_looks_like_a_marker_in_a_message_is_none(tokenizers):
    tokenizer, _ = tokenizers("chatml")
    [row], preparer = prepared(tokenizer, [chat("what is <|pipe|>?", "no <|marker|>")])
    assert learnt_texts(tokenizer, row) == ["no <|marker|><|im_end|>"]
    assert not +preparer.counted


def test_special_tokens_in_messages_are_told(tokenizers):
    tokenizer, _ = tokenizers("chatml")
    _, preparer = prepared(tokenizer, [chat("a", "b"), chat("say <|im_end|>", "b")])
    assert preparer.counted == {"with the special token `<|im_end|>` in a message": 1}


def test_what_a_template_refuses_is_left_out_with_its_reason(tokenizer_of, chatml):
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + chatml
    rows, preparer = prepared(tokenizer_of("chat", strict), [[{"role": "system", "content": "x"}, *chat("a", "b")]])
    assert rows == []
    assert preparer.left_out == {"that the template refuses: no system role": 1}


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ("hello", "with `messages` that are no list of {role, content}"),
        ([], "with `messages` that are no list of {role, content}"),
        ([{"from": "human", "value": "a"}], "with `messages` that are no list of {role, content}"),
        ([{"role": "user", "content": None}], "with `messages` that are no list of {role, content}"),
        ([{"role": "user", "content": "a"}], "without an answer"),
    ],
)
def test_cells_that_are_no_conversation_are_left_out_with_the_reason(messages, reason, tokenizers):
    rows, preparer = prepared(tokenizers("chatml")[0], [messages, chat("a", "b")])
    assert len(rows) == 1
    assert preparer.left_out == {reason: 1}


def test_a_tokeniser_without_an_end_token_gets_one_that_is_no_word(tokenizer_of, chatml):
    """A padding token that is a word would, once saved, be read apart from the words around it."""
    tokenizer = tokenizer_of("bytes")
    tokenizer.eos_token = None
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)
    refusal = refused(tokenizer, "plain")
    assert str(refusal) == "`plain` ends answers with the tokeniser's end token, and it has none"
    with_template(tokenizer, "chatml")
    assert tokenizer.pad_token == "<|im_end|>"
    [row], _ = prepared(tokenizer, [chat("a", "b!")])
    assert learnt_texts(tokenizer, row) == ["b!<|im_end|>"]
