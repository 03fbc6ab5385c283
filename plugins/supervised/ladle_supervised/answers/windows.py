"""A question with a context, as one or several overlapping windows of tokens."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ladle import OptionError

if TYPE_CHECKING:
    from tokenizers import Encoding
    from transformers import PreTrainedTokenizerBase


class Window(NamedTuple):
    """Some tokens of a context behind all of its question."""

    number: int
    """0 for the first of a context."""
    input_ids: list[int]
    types: list[int]
    """Which of the two texts a token belongs to, as models of BERT's kind want to know."""
    starts: list[int]
    """The character of the context at which each token starts; -1 for a token that is not of the context."""
    ends: list[int]
    """The character before which each token ends; -1 as well."""
    nowhere: int
    """The place that stands for no answer."""

    def places(self, answer: tuple[int, int] | None) -> tuple[int, int]:
        """The first and last token of an answer, given by characters; `nowhere` twice unless all of it is in here."""
        inside = [place for place, start in enumerate(self.starts) if start >= 0]
        if answer is None or not inside:
            return self.nowhere, self.nowhere
        start, end = answer
        first = next((place for place in inside if self.ends[place] > start), None)
        last = next((place for place in reversed(inside) if self.starts[place] < end), None)
        if first is None or last is None or self.starts[first] > start or self.ends[last] < end:
            return self.nowhere, self.nowhere
        return first, last


class Windows:
    """Cuts contexts into windows of at most `limit` tokens, of which neighbours share `stride`.

    A question may fill half of a window, or is cut. Raises OptionError if windows are too short for the stride.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, limit: int, stride: int | None) -> None:
        self._tokenizer = tokenizer
        (probe,) = tokenizer(["a"], ["a"]).encodings
        are_parted = (0, 1) not in itertools.pairwise(probe.sequence_ids)
        self._between = "" if are_parted else "\n"
        """What is put behind a question, where the tokeniser puts nothing between it and the context."""
        can_stand = tokenizer.cls_token_id in probe.ids or probe.ids[-1] in tokenizer.all_special_ids
        self._closing = [] if can_stand else [_end(tokenizer)]
        """What is put behind a window to stand for no answer, where neither its first token can nor its last."""
        self._limit = limit - len(self._closing)
        self._most = self._limit // 2 - 1 - len(self._between)  # it may get one token more before a context
        room = self._limit - self._limit // 2 - tokenizer.num_special_tokens_to_add(pair=True)
        self._stride = room // 2 if stride is None else stride
        if self._stride >= room or self._most < 1:
            raise OptionError(
                f"windows of {limit} tokens, half of them for the question, cannot share {self._stride}",
                option="max_length" if stride is None else "stride",
                help=f"write at most {room - 1}" if room > 1 and stride else "let `max_length` be higher",
            )

    def __call__(self, questions: Sequence[str], contexts: Sequence[str]) -> Iterator[tuple[list[Window], bool]]:
        """For each question its windows, and whether the question was cut."""
        whole = [question.strip() for question in questions]
        kept = [self._cut(question) for question in whole]
        options = {"truncation": "only_second", "max_length": self._limit, "stride": self._stride}
        encoded = self._tokenizer([text + self._between for text in kept], list(contexts), **options).encodings
        for question, given, first in zip(whole, kept, encoded, strict=True):
            windows = [self._window(number, part) for number, part in enumerate([first, *first.overflowing])]
            yield windows, given != question

    def _cut(self, question: str) -> str:
        """A question of not too many tokens; what remains of a text may be tokenised in another way than before."""
        while len((text := self._tokenizer(question, add_special_tokens=False)[0]).ids) > self._most:
            question = question[: min(text.offsets[self._most - 1][1], len(question) - 1)]
        return question

    def _window(self, number: int, part: Encoding) -> Window:
        ids = part.ids + self._closing
        rows = zip(part.sequence_ids, part.offsets, strict=True)
        places = [offset if text == 1 and offset[0] < offset[1] else (-1, -1) for text, offset in rows]
        places += [(-1, -1)] * len(self._closing)
        classifying = self._tokenizer.cls_token_id
        return Window(
            number,
            ids,
            part.type_ids + [0] * len(self._closing),
            [start for start, _ in places],
            [end for _, end in places],
            ids.index(classifying) if classifying in ids else len(ids) - 1,
        )


def _end(tokenizer: PreTrainedTokenizerBase) -> int:
    return tokenizer.pad_token_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id
