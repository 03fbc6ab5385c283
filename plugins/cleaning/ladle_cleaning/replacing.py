"""Writing something else where a pattern is found."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from ladle import Changes, Cleaner, OptionError

if TYPE_CHECKING:
    import pyarrow as pa


class Replace(Cleaner):
    """Replace what matches a regular expression (Python's) in text columns, wherever it stands."""

    form = "arrow"

    columns: Annotated[list[str], Changes("text")] = Field(min_length=1, description="The text columns.")
    pattern: str = Field(description="What to look for, such as \\{[^}]*\\} for notes in braces.")
    by: str = Field(default="", description="What takes its place; \\1 or \\g<name> stand for what a group matched.")

    @model_validator(mode="after")
    def _possible(self) -> Replace:
        try:
            compiled = re.compile(self.pattern)
        except re.error as error:
            raise OptionError(f"this is no regular expression: {error}", option="pattern") from None
        try:
            re.compile(f"(?:{self.pattern})|", compiled.flags & ~re.UNICODE).sub(self.by, "")
        except (re.error, IndexError) as error:
            raise OptionError(f"this cannot take the place of a match: {error}", option="by") from None
        return self

    @property
    def is_light(self) -> bool:
        return True

    @functools.cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def clean_row(self, row: dict[str, Any]) -> dict[str, Any]:
        return row | {name: self._replaced(row[name]) for name in self.columns}

    def clean_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        from ladle import with_column

        for name in self.columns:
            texts = [self._replaced(text) for text in batch[name].to_pylist()]
            batch = with_column(batch, name, pa.array(texts, pa.string()))
        return batch

    def _replaced(self, text: str | None) -> str | None:
        return None if text is None else self._compiled.sub(self.by, text)
