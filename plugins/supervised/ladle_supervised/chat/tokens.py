"""Conversations as tokens, of which those of the answers are learnt: told by their places, never by which they are."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from ladle import OptionError

from .conversations import Rendered
from .template import is_one_token, markers_in

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

UNLEARNT = -100
_NO_END = ("unk_token_id", "bos_token_id", "cls_token_id", "mask_token_id")


class Tokens(NamedTuple):
    """A conversation as tokens."""

    ids: list[int]
    learnt: list[bool]
    """Of each token, whether it belongs to an answer, its end token included."""
    ends: set[int]
    """The tokens that end the answers."""
    is_end_added: bool
    """Whether the template leaves an end token out of what it marks as generated."""


class ChatTokens:
    """Turns rendered conversations into tokens, and refuses what a model would learn wrongly from."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        special = {id_: token.content for id_, token in tokenizer.added_tokens_decoder.items() if token.special}
        self._names = sorted(special.values())
        self._any_special = next(iter(special.items()), (None, ""))
        self._ends = special.keys() - {getattr(tokenizer, name) for name in _NO_END} | {tokenizer.eos_token_id}
        self._known: set[str] = set()

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The tokens of rendered texts, to which the tokeniser adds none."""
        return self.tokenizer(texts, add_special_tokens=False).input_ids

    def special_in(self, text: str) -> str | None:
        """A special token whose name stands in a text, and would be read as that token."""
        return next((name for name in self._names if name in text), None)

    def of(self, rendered: Rendered, contents: list[str]) -> Tokens:
        """The tokens of a conversation whose messages have these contents. Raises OptionError for what is wrong."""
        self._check_markers(rendered.text, contents)
        pieces = self._cut(rendered)
        learnt = [[False] * len(piece) for piece in pieces]
        ends, is_added = set(), False
        for place in range(1, len(pieces), 2):  # answers are every second piece
            stop, after = self._end_in(pieces[place]), 0
            if stop is None:
                stop, after = len(pieces[place]), self._end_after(pieces[place + 1])
                is_added = True
            ends.add(pieces[place + 1][after - 1] if after else pieces[place][stop - 1])
            learnt[place][:stop] = [True] * stop
            learnt[place + 1][:after] = [True] * after
        ids = list(itertools.chain(*pieces))
        self._check_beginning(ids)
        return Tokens(ids, list(itertools.chain(*learnt)), ends, is_added)

    def _cut(self, rendered: Rendered) -> list[list[int]]:
        """The tokens of the pieces of a text: before the first answer, the answer, what is between, and so on.

        Together they are the tokens of the whole text, cut where a model that is given the text before an answer goes
        on. Where a token would reach over such a place, the pieces are tokenised one by one, as happens when the model
        is used.
        """
        text = rendered.text
        places = [0, *itertools.chain(*rendered.spans), len(text)]
        first, *others = (text[start:end] for start, end in itertools.pairwise(places))
        whole, *pieces = [*self.encode([text, first]), *self._encode_inside(others)]
        if list(itertools.chain(*pieces)) == whole:
            return pieces
        beginnings = self.encode([text[:place] for place in places])
        if all(whole[: len(beginning)] == beginning for beginning in beginnings):
            return [whole[len(one) : len(other)] for one, other in itertools.pairwise(beginnings)]
        if self._text_of(list(itertools.chain(*pieces))) == self._text_of(whole):
            return pieces
        raise OptionError(
            "the tokeniser makes one token of the end of a prompt and the beginning of the answer: a model that is "
            "asked with the prompt alone would see other tokens than it learnt from",
            option="template",
            help="let the template end what comes before an answer with a special token or a new line, not a space",
        )

    def _encode_inside(self, texts: list[str]) -> list[list[int]]:
        """The tokens of texts that come after another: without the space that some tokenisers put before a text."""
        number, name = self._any_special
        return [ids[1:] if ids[:1] == [number] else ids for ids in self.encode([name + text for text in texts])]

    def _text_of(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, clean_up_tokenization_spaces=False)

    def _end_in(self, answer: list[int]) -> int | None:
        """How many tokens an answer has with its end token, behind which only white space stands; None without one."""
        places = [place for place, id_ in enumerate(answer, 1) if id_ in self._ends]
        return places[-1] if places and not self._text_of(answer[places[-1] :]).strip() else None

    def _end_after(self, between: list[int]) -> int:
        """How many tokens after an answer belong to it, the last of them its end token. Raises OptionError for none."""
        for place, id_ in enumerate(between, 1):
            if id_ in self._ends:
                return place
            if self._text_of(between[:place]).strip():
                break
        raise OptionError(
            "the template writes no end token after an answer: a model that learns from it would never stop",
            option="template",
            help="let it write `{{ eos_token }}` after each answer, or another special token of the tokeniser",
        )

    def _check_markers(self, text: str, contents: list[str]) -> None:
        for marker in markers_in(text) - self._known:
            if any(marker in content for content in contents):
                continue
            if not is_one_token(self.tokenizer, marker):
                raise OptionError(
                    f"the template writes `{marker}`, which the tokeniser does not know as one token",
                    option="template",
                    help=f'let it learn it: special_tokens = ["{marker}"], with all others that it does not know',
                )
            self._known.add(marker)

    def _check_beginning(self, ids: list[int]) -> None:
        first = self.tokenizer.bos_token_id
        if first is not None and ids[:2] == [first, first]:
            raise OptionError(
                f"conversations begin with `{self.tokenizer.bos_token}` twice: the template writes it two times",
                option="template",
                help="take one of them out",
            )
