"""A reward for the right answer."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ladle import OptionError, Reads

from .reward import Prompt, Reward, Rows

_UNSIGNED = r"(?:(?:\d{1,3}(?:,\d{3})+|\d{1,300})(?:\.\d{1,300})?|\.\d{1,300})"
_NUMBER = re.compile(  # its sign is not the minus of a difference
    rf"(?:(?<![\w.)])[-+])?{_UNSIGNED}(?:[eE][-+]?\d{{1,3}}(?!\d))?(?:/[1-9]\d{{0,299}})?"
)
_CURRENCIES = "$€£¥"
_ENDS = " .,;:!?\"'`*_()[]{}"


class ExactAnswer(Reward):
    """1 for the right answer, 0 for any other.

    Numbers are compared as numbers (`1,000.0` is `1000`, and `1/2` is `0.5`), and texts letter by letter. A row without
    a right answer gives no reward.
    """

    tells_right = True

    column: Annotated[str, Reads("text", "integer", "number", "boolean", "list")] = Field(
        default="answer", description="The column with the right answer; of a list, any one is right."
    )
    take: Literal["whole", "last-number", "last-line", "tag"] = Field(
        default="whole",
        description="What of an answer is compared: all of it, its last number, its last line, or what stands in the "
        "last `<tag>…</tag>`. Where there is no such part, it is wrong.",
    )
    tag: str = Field(default="answer", pattern=r"^[\w-]+$", description="The name of the tag.")
    normalise: bool = Field(
        default=True,
        description="Whether texts are the same that differ only in large and small letters, in white space, or in "
        "punctuation at their ends.",
    )
    tolerance: float = Field(default=0.0, ge=0, description="By how much a number may be off.")

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> ExactAnswer:
        if self.take != "tag" and self.tag != type(self).model_fields["tag"].default:
            raise OptionError(
                f'`tag` has no effect where take = "{self.take}"',
                option="tag",
                help='write take = "tag", or leave it out',
            )
        return self

    def score(self, prompts: list[Prompt], answers: list[str], rows: Rows) -> list[float | None]:
        return [self._score(answer, row[self.column]) for answer, row in zip(answers, rows, strict=True)]

    def _score(self, answer: str, right: Any) -> float | None:
        wanted = [str(one) for one in (right if isinstance(right, list) else [right]) if one is not None]
        if not wanted:
            return None
        said = self._part(answer)
        return float(said is not None and any(self._are_same(said, one) for one in wanted))

    def _part(self, answer: str) -> str | None:
        if self.take == "last-number":
            return next(reversed(numbers_in(answer)), None)
        if self.take == "last-line":
            return next((line for line in reversed(answer.splitlines()) if line.strip()), None)
        if self.take == "tag":
            start, end = f"<{self.tag}>", f"</{self.tag}>"
            before, found, _ = answer.rpartition(end)
            return before.rpartition(start)[2] if found and start in before else None
        return answer

    def _are_same(self, said: str, wanted: str) -> bool:
        one, other = number_of(said), number_of(wanted)
        if one is not None and other is not None:
            return abs(one - other) <= Fraction(str(self.tolerance))
        return _normal(said) == _normal(wanted) if self.normalise else said == wanted


def numbers_in(text: str) -> list[str]:
    """The numbers in a text, as they are written there."""
    return _NUMBER.findall(text.replace("\N{MINUS SIGN}", "-"))


def number_of(text: str) -> Fraction | None:
    """The number that a text is, if it is nothing else: white space around it, a currency or a full stop aside."""
    text = text.strip().replace("\N{MINUS SIGN}", "-").removesuffix(".")
    sign = text[:1] if text[:1] in ("-", "+") else ""
    text = sign + text.removeprefix(sign).lstrip(_CURRENCIES)
    if not text or not _NUMBER.fullmatch(text):
        return None
    above, _, below = text.replace(",", "").partition("/")
    return Fraction(above) / int(below or 1)


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_ENDS)
