"""The first rows of a data set, looked at before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .rows import Row


class Sample:
    """The first rows at one point of a recipe, as far as they can be told without heavy work.

    A column whose values are not known is in none of the rows.
    """

    def __init__(self, rows: Sequence[Row] = (), is_whole: bool = False) -> None:
        self.rows = rows
        self.is_whole = is_whole
        """Whether there are no other rows."""

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        """What the rows are, for a message: `the first 100 rows`."""
        return f"the {len(self)} rows" if self.is_whole else f"the first {len(self)} rows"

    def values(self, column: str) -> list[Any]:
        """The values of a column, without those that are missing (null)."""
        return [value for row in self.rows if (value := row.get(column)) is not None]
