"""Labels by the words of a text."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache, cached_property
from itertools import groupby
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from ladle import OptionError, Reads

from .column import ColumnLabeler


class Rule(BaseModel):
    """A label, and the words or the pattern that a text must hold to get it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    label: str = Field(description="The label of a text in which the rule finds something.")
    words: list[str] = Field(
        default=[],
        alias="any",
        description="Words or phrases, of which one must be in the text, as whole words.",
    )
    pattern: str | None = Field(
        default=None,
        description="A regular expression of Python that must be found in the text; `(?i)` at its start ignores case.",
    )
    priority: int = Field(default=0, description="Of several rules that match, those of the highest priority decide.")

    @field_validator("words")
    @classmethod
    def _no_empty_word(cls, words: list[str], info: ValidationInfo) -> list[str]:
        if not all(word.strip() for word in words):
            raise OptionError(f"the rule for `{info.data.get('label')}` has an empty word, which every text holds")
        return words

    @field_validator("pattern")
    @classmethod
    def _regular(cls, pattern: str | None, info: ValidationInfo) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                raise OptionError(
                    f'the rule for `{info.data.get("label")}` has the pattern "{pattern}", which is no regular '
                    f"expression: {error}",
                    help="in TOML write patterns in single quotes, which leave backslashes alone",
                    code="pattern",
                ) from None
        return pattern

    @model_validator(mode="after")
    def _words_or_pattern(self) -> Rule:
        if bool(self.words) == (self.pattern is not None):
            raise OptionError(
                f"the rule for `{self.label}` needs either words or a pattern",
                help='write any = ["refund", "money back"] or pattern = \'refund(ed|s)?\'',
            )
        return self

    def finder(self, ignore_case: bool) -> re.Pattern[str]:
        """What searches texts for the words or the pattern."""
        if self.pattern is not None:
            return re.compile(self.pattern)
        phrases = "|".join(r"\s+".join(map(re.escape, word.split())) for word in self.words)
        # that marks start at U+0300 is asked first, because it is asked at every word and much faster than the class
        after_mark = rf"(?<=[^\x00-\u02ff])(?<=[{_marks()}])"
        whole_words = rf"(?<!\w)(?!{after_mark})(?:{phrases})(?![\w{_marks()}])"
        return re.compile(whole_words, re.IGNORECASE if ignore_case else re.NOFLAG)


@cache
def _marks() -> str:
    """All combining marks (accents, vowel signs): parts of words that Python's `\\w` does not know as such."""
    return "".join(c for c in map(chr, range(0x300, sys.maxunicode + 1)) if unicodedata.category(c).startswith("M"))


class Keywords(ColumnLabeler):
    """Label texts by the words in them, or by regular expressions.

    A text gets the label of the rule that matches, of several the one of the highest priority. A text in which no
    rule finds anything gets `default`, or no label; a row without a text gets none.
    """

    column: Annotated[str, Reads("text")] = Field(default="text", description="The column with the texts.")
    rules: list[Rule] = Field(min_length=1, description="Labels, and what texts must hold to get them.")
    ignore_case: bool = Field(
        default=True, description="Whether words are found in upper and lower case alike; patterns say it themselves."
    )
    on_conflict: Literal["abstain", "first"] = Field(
        default="abstain",
        description="What rules of equal priority with different labels do: give none, or let the first one decide.",
    )
    default: str | None = Field(default=None, description="The label of texts that match no rule.")

    @property
    def is_light(self) -> bool:
        return all(rule.pattern is not None for rule in self.rules)  # words need all of Unicode looked through

    def label_of(self, text: str | None) -> str | None:
        if text is None:
            return None
        for rules in self._by_priority:
            found = dict.fromkeys(label for label, finder in rules if finder.search(text))
            if found:
                return next(iter(found)) if len(found) == 1 or self.on_conflict == "first" else None
        return self.default

    @cached_property
    def _by_priority(self) -> list[list[tuple[str, re.Pattern[str]]]]:
        """Labels and finders, the rules of the highest priority first."""
        ranked = sorted(self.rules, key=lambda rule: -rule.priority)
        return [
            [(rule.label, rule.finder(self.ignore_case)) for rule in rules]
            for _, rules in groupby(ranked, key=lambda rule: rule.priority)
        ]
