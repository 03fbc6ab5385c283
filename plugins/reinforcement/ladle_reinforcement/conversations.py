"""Prompts and answers: read from cells, and turned into the tokens that a model sees."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeGuard

import jinja2

from ladle import OptionError

from .reward import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Messages = list[dict[str, str]]
"""A conversation: each message has its `role` and `content`."""

ASSISTANT = "assistant"


class UnusableError(Exception):
    """A row that cannot be learnt from; says why."""


def read_cell(value: Any, column: str) -> Prompt:
    """The text, or the messages (as JSON text too), in a cell. Raises UnusableError for a cell that has neither."""
    if value is None or value in ("", []):
        raise UnusableError(f"without `{column}`")
    if is_conversation(value):
        return [{name: message[name] for name in ("role", "content")} for message in value]
    if not isinstance(value, str):
        raise UnusableError(f"with `{column}` that are no list of {{role, content}}")
    found = _parsed(value) if value.lstrip().startswith("[") else None
    return read_cell(found, column) if is_conversation(found) else value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def is_conversation(value: Any) -> TypeGuard[Messages]:
    """Whether a value is a list of at least one message."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(
            isinstance(message, dict) and all(isinstance(message.get(key), str) for key in ("role", "content"))
            for message in value
        )
    )


def answer_text(answer: Prompt) -> str:
    """What an answer says, be it a text or a message."""
    return answer if isinstance(answer, str) else answer[-1]["content"]


def to_be_answered(prompt: Prompt) -> Prompt:
    """A prompt without the answer that a conversation may end with already. Raises UnusableError if nothing is left."""
    if isinstance(prompt, str) or prompt[-1]["role"] != ASSISTANT:
        return prompt
    if len(prompt) == 1:
        raise UnusableError("whose prompts are nothing but an answer")
    return prompt[:-1]


def without_prompt(prompt: Prompt, answer: Prompt) -> Prompt:
    """An answer without the prompt, which some data sets have in front of each. Raises UnusableError for no answer."""
    asked = as_messages(prompt, "user")
    if isinstance(answer, str) or answer[: len(asked)] != asked:
        return answer
    if len(answer) == len(asked):
        raise UnusableError("whose answers are nothing but the prompt")
    return answer[len(asked) :]


def divided(one: Prompt, other: Prompt) -> tuple[Messages, Messages, Messages]:
    """Two conversations as what they begin with alike, and how each goes on. Raises UnusableError if they do not."""
    if isinstance(one, str) or isinstance(other, str):
        raise UnusableError("whose answers are texts, and that have no prompt")
    alike = 0
    while alike < min(len(one), len(other)) and one[alike] == other[alike]:
        alike += 1
    if not alike or not one[alike:] or not other[alike:]:
        raise UnusableError("whose conversations do not begin alike and end otherwise")
    return one[:alike], one[alike:], other[alike:]


class Renderer:
    """Turns prompts and answers into tokens: by the tokeniser's chat template, or as texts that go on from each other.

    Raises OptionError if it is to be by a template, and there is none.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, chat: bool | None, system: str | None) -> None:
        self.tokenizer = tokenizer
        self.is_chat = bool(tokenizer.chat_template) if chat is None else chat
        self.system = system
        if self.is_chat and not tokenizer.chat_template:
            raise OptionError(
                "the model has no chat template: nothing says how a conversation becomes one text",
                option="chat",
                help="start from a model that has one (instruction tuning gives it one), or write chat = false",
            )
        if system is not None and not self.is_chat:
            raise OptionError(
                "only a conversation begins with such a message", option="system_text", help="leave it out"
            )

    def prompt(self, value: Prompt) -> Prompt:
        """A prompt in the form in which the model gets it: messages, or a text."""
        if not self.is_chat:
            if not isinstance(value, str):
                raise OptionError(
                    "a prompt is a conversation, and the model has no chat template that would make one text of it",
                    option="prompt",
                    help="start from a model that has one (instruction tuning gives it one)",
                )
            return value
        messages = as_messages(value, "user")
        has_own = messages[0]["role"] == "system"
        return messages if self.system is None or has_own else [{"role": "system", "content": self.system}, *messages]

    def tokens_of_prompt(self, prompt: Prompt) -> list[int]:
        """The tokens after which the model is to answer."""
        if isinstance(prompt, str):
            return self.tokenizer(prompt)["input_ids"]
        return self._tokens(self._rendered(prompt, add_generation_prompt=True))

    def tokens_of_pair(self, prompt: Prompt, answer: Prompt) -> tuple[list[int], list[int]]:
        """The tokens of a prompt, and of an answer with the one that ends it."""
        before = self.tokens_of_prompt(prompt)
        if isinstance(prompt, str):
            plain = self._plain(answer)
            rest = self._rest(before, self.tokenizer(prompt + plain)["input_ids"], plain)
            end = self.tokenizer.eos_token_id
            return before, rest if end is None or rest[-1:] == [end] else [*rest, end]
        text, asked = (
            self._rendered([*prompt, *as_messages(answer)]),
            self._rendered(prompt, add_generation_prompt=True),
        )
        if not text.startswith(asked):
            raise UnusableError("whose prompt the chat template writes otherwise where an answer follows")
        return before, self._rest(before, self._tokens(text), text[len(asked) :])

    def tokens_of_whole(self, prompt: Prompt | None, answer: Prompt) -> list[int]:
        """The tokens of a prompt, if there is one, with its answer."""
        if self.is_chat:
            begin = [] if prompt is None else as_messages(prompt, "user")
            return self._tokens(self._rendered([*begin, *as_messages(answer)]))
        return self.tokenizer(f"{prompt or ''}{self._plain(answer)}")["input_ids"]

    def _plain(self, answer: Prompt) -> str:
        if not isinstance(answer, str) and len(answer) > 1:
            raise UnusableError("whose answers are conversations, for which the model has no chat template")
        return answer_text(answer)

    def _rest(self, before: list[int], whole: list[int], answer: str) -> list[int]:
        """The tokens of an answer: by itself, as when it is given, if a token reaches over its beginning."""
        return whole[len(before) :] if whole[: len(before)] == before else self._tokens(answer)

    def _tokens(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _rendered(self, messages: Messages, add_generation_prompt: bool = False) -> str:
        try:
            return self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=add_generation_prompt
            )
        except (jinja2.TemplateError, TypeError) as error:
            raise UnusableError(f"that the chat template refuses: {error}") from error


def as_messages(said: Prompt, role: str = ASSISTANT) -> Messages:
    """A text as the message of a role; messages as they are."""
    return [{"role": role, "content": said}] if isinstance(said, str) else said
