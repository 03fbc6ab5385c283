"""Conversations: read from rows, and rendered as the text that a model sees, with the places of the answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2

from ladle import OptionError

from .template import marks_answers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Conversation = list[dict[str, str]]
"""Messages, each with its `role` and `content`."""

ASSISTANT = "assistant"
_SHOWN = 60  # characters of a text in a message


class UnusableError(Exception):
    """A row from which nothing can be learnt; says why."""


def read_messages(value: Any, column: str, is_asked: bool) -> Conversation:
    """The conversation in a cell: a list of {role, content}, or such a list as JSON text.

    When a model `is_asked`, any other text is what a user says. Raises UnusableError for a cell that is neither.
    """
    found = _parsed(value) if isinstance(value, str) else value
    if is_asked and not is_conversation(found) and (value is None or isinstance(value, str)):
        return [{"role": "user", "content": value or ""}]
    if value is None:
        raise UnusableError(f"without `{column}`")
    if not is_conversation(found):
        raise UnusableError(f"with `{column}` that are no list of {{role, content}}")
    return [{key: said for key, said in message.items() if said is not None} for message in found]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def is_conversation(value: Any) -> bool:
    """Whether a value is a list of at least one message."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(
            isinstance(message, dict) and all(isinstance(message.get(key), str) for key in ("role", "content"))
            for message in value
        )
    )


def to_learn(messages: Conversation) -> Conversation:
    """A conversation up to its last answer. Raises UnusableError if it has none."""
    answers = _answers(messages)
    if not answers:
        raise UnusableError("without an answer")
    return messages[: answers[-1] + 1]


def to_answer(messages: Conversation) -> Conversation:
    """A conversation up to where an answer is due: its last message goes if that is an answer already."""
    return messages[:-1] if messages[-1]["role"] == ASSISTANT else messages


def _answers(messages: Conversation) -> list[int]:
    return [place for place, message in enumerate(messages) if message["role"] == ASSISTANT]


class Rendered(NamedTuple):
    """A conversation as one text."""

    text: str
    spans: list[tuple[int, int]]
    """Where the answers to learn begin and end, in characters."""
    is_changed: bool
    """Whether an answer is not, letter by letter, what the template has written."""


class Renderer:
    """Writes conversations as the tokeniser's chat template has it."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, last_only: bool) -> None:
        self.tokenizer = tokenizer
        self.last_only = last_only
        self._template = tokenizer.get_chat_template()
        self._is_marked = marks_answers(self._template)

    def prompt(self, messages: Conversation) -> str:
        """The text after which the model is to answer. Raises UnusableError if the template refuses the messages."""
        return self._write(messages, add_generation_prompt=True)[0]

    def whole(self, messages: Conversation) -> Rendered:
        """A conversation that ends with an answer.

        Raises UnusableError if the template refuses the messages, OptionError if answers cannot be found with it.
        """
        text, marked = self._write(messages)
        spans = marked if self._is_marked else list(self._found(messages, text))
        if not any(end > start for start, end in spans):
            raise OptionError(
                "the template marks nothing as generated: there would be nothing to learn",
                option="template",
                help="put `{% generation %}` and `{% endgeneration %}` around what the assistant writes, or neither",
            )
        spans = spans[-1:] if self.last_only else spans
        learnt = [message["content"] for message in messages if message["role"] == ASSISTANT]
        written = [text[start:end] for start, end in spans]
        unlike = [said for said in (learnt[-1:] if self.last_only else learnt) if not any(said in w for w in written)]
        return Rendered(text, spans, bool(unlike))

    def _found(self, messages: Conversation, text: str) -> Iterator[tuple[int, int]]:
        """The place of each answer: from where the template lets the model begin to where the next message would."""
        answers = _answers(messages)
        for place in answers[-1:] if self.last_only else answers:
            before = self.prompt(messages[:place])
            after = text if place + 1 == len(messages) else self._write(messages[: place + 1])[0]
            for part in (before, after):
                if not text.startswith(part):
                    raise self._not_a_beginning(part, text)
            yield len(before), len(after)

    def _not_a_beginning(self, part: str, text: str) -> OptionError:
        at = next(at for at in range(len(part)) if part[at] != text[at : at + 1])
        return OptionError(
            "the template writes the beginning of a conversation otherwise than in the whole, so that an answer cannot "
            f"be found in it: {part[at:][:_SHOWN]!r} stands where the whole has {text[at:][:_SHOWN]!r}",
            option="template",
            help="mark what the assistant writes with `{% generation %}`, name another template, or learn the last "
            'answers alone (learn = "last")',
        )

    def _write(self, messages: Conversation, add_generation_prompt: bool = False) -> tuple[str, list[tuple[int, int]]]:
        from transformers.utils.chat_template_utils import render_jinja_template

        try:
            [text], marked = render_jinja_template(
                conversations=[messages],
                chat_template=self._template,
                add_generation_prompt=add_generation_prompt,
                return_assistant_tokens_mask=self._is_marked,
                **self.tokenizer.special_tokens_map,
            )
        except jinja2.TemplateSyntaxError as error:
            raise OptionError(f"the model's chat template is no Jinja: {error}", option="template") from error
        except (jinja2.TemplateError, TypeError) as error:
            raise UnusableError(f"that the template refuses: {error}") from error
        return text, marked[0] if self._is_marked else []
