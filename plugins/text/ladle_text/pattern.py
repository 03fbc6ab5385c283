"""What stands in a text, by a pattern, as columns."""

from __future__ import annotations

import functools
import re
from typing import Annotated, Any

from pydantic import Field, field_validator

from ladle import Columns, FeatureExtractor, OptionError, Reads


class Pattern(FeatureExtractor):
    """Take parts out of a text by a regular expression (Python's): each named group becomes a text column.

    Where the text does not match, or a group has no part in the match, the column is null.
    """

    column: Annotated[str, Reads("text")] = Field(default="text", description="The text column to look into.")
    pattern: str = Field(
        description="What to look for, with a name for each part, such as (?P<chapter>\\d+):(?P<verse>\\d+)."
    )
    whole: bool = Field(default=False, description="Whether the pattern has to match the whole text.")

    @field_validator("pattern")
    @classmethod
    def _with_names(cls, pattern: str) -> str:
        try:
            names = re.compile(pattern).groupindex
        except re.error as error:
            raise OptionError(f"this is no regular expression: {error}", option="pattern") from None
        if not names:
            raise OptionError(
                "the pattern names no part", option="pattern", help="write a named group for each column: (?P<NAME>…)"
            )
        return pattern

    @functools.cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    @property
    def is_light(self) -> bool:
        return True

    def columns_after(self, given: Columns) -> Columns:
        after = super().columns_after(given)
        for name in self._compiled.groupindex:
            after = after.having(name, "text")
        return after

    def extract_row(self, row: dict[str, Any]) -> dict[str, Any]:
        look = self._compiled.fullmatch if self.whole else self._compiled.search
        text = row[self.column]
        found = None if text is None else look(text)
        return row | (found.groupdict() if found else dict.fromkeys(self._compiled.groupindex))
