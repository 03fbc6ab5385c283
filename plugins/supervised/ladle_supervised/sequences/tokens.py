"""Texts on both sides of a translation as tokens, cut to a length, and ended."""

from __future__ import annotations

from typing import NamedTuple

from transformers import PreTrainedTokenizerBase


class Encoded(NamedTuple):
    """The tokens of texts."""

    ids: list[list[int]]
    cut: int
    """How many texts were longer."""


class PairTokens:
    """The tokens of sources, which begin with a prefix, and of targets, which end with the token `end`."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, prefix: str, end: int) -> None:
        self.tokenizer = tokenizer
        self.prefix = prefix
        self.end = end
        self.ends_by_itself = end in tokenizer(text_target="")["input_ids"]

    def sources(self, texts: list[str], limit: int) -> Encoded:
        """At most `limit` tokens each, and at least one."""
        found = self._encoded("text", [self.prefix + text for text in texts], limit)
        pad = self.tokenizer.pad_token_id
        return found._replace(ids=[ids or [pad] for ids in found.ids])  # no model reads a text of no tokens

    def targets(self, texts: list[str], limit: int) -> Encoded:
        """At most `limit` tokens each, as the tokeniser writes targets; where it ends none, `end` comes after them."""
        if self.ends_by_itself:
            return self._encoded("text_target", texts, limit)
        found = self._encoded("text_target", texts, limit - 1)
        return found._replace(ids=[[*ids, self.end] for ids in found.ids])

    def _encoded(self, side: str, texts: list[str], limit: int) -> Encoded:
        if not texts:  # which tokenisers do not take
            return Encoded([], 0)
        ids: list[list[int]] = self.tokenizer(**{side: texts})["input_ids"]
        long = [place for place, tokens in enumerate(ids) if len(tokens) > limit]
        if long:  # a second time, for the tokens that come after a text are to stay
            cut = self.tokenizer(**{side: [texts[place] for place in long]}, truncation=True, max_length=limit)
            for place, tokens in zip(long, cut["input_ids"], strict=True):
                ids[place] = tokens
        return Encoded(ids, len(long))
