"""Rows made ready for tuning and for answering: their conversations as tokens, and what became of them."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from .conversations import ASSISTANT, Conversation, Renderer, UnusableError, read_messages, to_answer, to_learn
from .template import begins_by_itself
from .tokens import UNLEARNT, ChatTokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedTokenizerBase

_TYPES = {
    **dict.fromkeys(("_id", "said", "wanted"), pa.string()),
    **dict.fromkeys(("input_ids", "labels", "prompt"), pa.list_(pa.int32())),
}


class Conversations(NamedTuple):
    """The columns that conversations come from: either one with messages, or one for each part."""

    messages: str | None
    prompt: str
    answer: str
    system: str | None


class Limits(NamedTuple):
    """How many tokens are read at most."""

    whole: int
    """Of a conversation to learn from."""
    prompt: int
    """Of what comes before an answer that is to be written; the last ones are."""


class Preparer:
    """Makes the rows of a split ready, batch after batch, and keeps account of them."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, columns: Conversations, limits: Limits, last_only: bool
    ) -> None:
        self.columns = columns
        self.limits = limits
        self.renderer = Renderer(tokenizer, last_only)
        self.tokens = ChatTokens(tokenizer)
        self.ends: set[int] = set()
        """The tokens that end answers."""
        self.left_out: collections.Counter[str] = collections.Counter()
        """How many rows are left out, by the reason."""
        self.counted: collections.Counter[str] = collections.Counter()
        """Of how many conversations a reader should know something."""
        self._first = (tokenizer.bos_token_id, tokenizer.bos_token) if begins_by_itself(tokenizer) else None

    def to_train(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows to learn from: `input_ids`, `labels` of the same length, and this `length`."""
        return _table(self._each(batch, self._learnable), ["input_ids", "labels"])

    def to_measure(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows to measure on: with `prompt` besides, the tokens to which the last answer is `wanted`.

        `said` is the message that it answers.
        """
        rows = self._each(batch, lambda messages: self._learnable(messages) | self._last(to_learn(messages)))
        return _table(rows, ["input_ids", "labels", "prompt", "said", "wanted"])

    def to_answer(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows to answer: `prompt` and its `length`. A text in place of messages is what a user says."""
        rows = self._each(batch, lambda messages: {"prompt": self._prompt(to_answer(messages))}, is_asked=True)
        return _table(rows, ["prompt"])

    def _each(
        self, batch: pa.RecordBatch, work: Callable[[Conversation], dict[str, Any]], is_asked: bool = False
    ) -> Iterator[dict[str, Any]]:
        """What becomes of each row that can be used."""
        for row in batch.to_pylist():
            try:
                yield {"_id": row["_id"], **work(self._conversation(row, is_asked))}
            except UnusableError as error:
                self.left_out[str(error)] += 1

    def _conversation(self, row: dict[str, Any], is_asked: bool) -> Conversation:
        if self.columns.messages:
            return read_messages(row[self.columns.messages], self.columns.messages, is_asked)
        roles = {self.columns.system: "system", self.columns.prompt: "user", self.columns.answer: ASSISTANT}
        messages = []
        for name, role in roles.items():
            if name not in row or (row[name] is None and role == "system"):
                continue
            if row[name] is None and not is_asked:
                raise UnusableError(f"without `{name}`")
            messages.append({"role": role, "content": row[name] or ""})
        return messages

    def _learnable(self, messages: Conversation) -> dict[str, Any]:
        messages = to_learn(messages)
        rendered = self.renderer.whole(messages)
        contents = [message["content"] for message in messages]
        tokens = self.tokens.of(rendered, contents)
        limit = self.limits.whole
        labels = [id_ if learnt else UNLEARNT for id_, learnt in zip(tokens.ids, tokens.learnt, strict=True)][:limit]
        labels[:1] = [UNLEARNT]  # nothing comes before the first token, from which it could be told
        if all(label == UNLEARNT for label in labels):
            raise UnusableError(f"with no token of an answer among their first {limit}")
        self.ends |= tokens.ends
        special = next(filter(None, map(self.tokens.special_in, contents)), None)
        holds = {
            f"cut after {limit} tokens": len(tokens.ids) > limit,
            "whose answer the template changes (it takes away white space, for example)": rendered.is_changed,
            "whose answer's end token is learnt though the template does not mark it": tokens.is_end_added,
            f"with the special token `{special}` in a message": special is not None,
        }
        if self._first:
            number, name = self._first
            holds[f"that do not begin with `{name}`, as the tokeniser's texts do"] = tokens.ids[0] != number
        self.counted.update(note for note, is_so in holds.items() if is_so)
        return {"input_ids": tokens.ids[:limit], "labels": labels}

    def _last(self, messages: Conversation) -> dict[str, Any]:
        *before, answer = messages
        said = before[-1]["content"] if before else ""
        return {"prompt": self._prompt(before), "said": said, "wanted": answer["content"]}

    def _prompt(self, messages: Conversation) -> list[int]:
        [ids] = self.tokens.encode([self.renderer.prompt(messages)])
        if not ids:
            raise UnusableError("of whose prompt the template writes nothing")
        if len(ids) > self.limits.prompt:
            self.counted[f"of whose prompt only the last {self.limits.prompt} tokens are read"] += 1
        return ids[-self.limits.prompt :]


def _table(rows: Iterator[dict[str, Any]], names: Sequence[str]) -> pa.RecordBatch:
    """Rows with their ids and the columns of these names, of which the first gives each row its length."""
    found = list(rows)
    columns = {name: pa.array([row[name] for row in found], _TYPES[name]) for name in ("_id", *names)}
    lengths = [len(row[names[0]]) for row in found]
    return pa.RecordBatch.from_pydict(columns | {"length": pa.array(lengths, pa.int32())})
