"""A reward for answers that a regular expression matches."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from ladle import OptionError

from .reward import Prompt, Reward, Rows

if TYPE_CHECKING:
    import regex

_SECONDS = 1.0  # for one answer: some expressions would take years on some texts


class Pattern(Reward):
    """1 for answers that a regular expression matches, 0 for others.

    It is one of the module `regex`, which knows all that Python's own does. An answer for which it takes longer than a
    second counts as not matched.
    """

    pattern: str = Field(description="The regular expression, such as `(?s)<think>.*</think>.+`.")
    where: Literal["anywhere", "whole"] = Field(
        default="anywhere", description="Whether it is to match some part of an answer, or the whole of it."
    )
    ignore_case: bool = Field(default=False, description="Whether large and small letters are the same.")

    @field_validator("pattern")
    @classmethod
    def _is_an_expression(cls, pattern: str) -> str:
        import regex

        try:
            regex.compile(pattern)
        except regex.error as error:
            raise OptionError(f"this is no regular expression: {error}") from None
        return pattern

    @functools.cached_property
    def _compiled(self) -> regex.Pattern[str]:
        import regex

        return regex.compile(self.pattern, regex.IGNORECASE if self.ignore_case else 0)

    def score(self, prompts: list[Prompt], answers: list[str], rows: Rows) -> list[float]:
        return [float(self._matches(answer)) for answer in answers]

    def _matches(self, answer: str) -> bool:
        search = self._compiled.fullmatch if self.where == "whole" else self._compiled.search
        try:
            return search(answer, timeout=_SECONDS) is not None
        except TimeoutError:
            return False
