"""Labels by the range that a number is in."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from ladle import OptionError, Reads

from .column import ColumnLabeler

if TYPE_CHECKING:
    import pyarrow as pa


class Range(BaseModel):
    """A label, and the numbers that get it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    label: str = Field(description="The label of the numbers in the range.")
    above: FiniteFloat | None = Field(default=None, description="The range starts after this number.")
    at_least: FiniteFloat | None = Field(default=None, description="The range starts with this number.")
    below: FiniteFloat | None = Field(default=None, description="The range ends before this number.")
    at_most: FiniteFloat | None = Field(default=None, description="The range ends with this number.")

    @model_validator(mode="after")
    def _some_numbers(self) -> Range:
        for one, other in (("above", "at_least"), ("below", "at_most")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise OptionError(
                    f"range `{self.label}` has both `{one}` and `{other}`", option=other, help="leave one of them out"
                )
        if self.start[0] == -math.inf and self.end[0] == math.inf:
            raise OptionError(
                f"range `{self.label}` has no limit",
                help="add one or two of `above`, `at_least`, `below` and `at_most`",
            )
        if self.start > self.end:
            raise OptionError(f"no number is in range `{self.label}` ({self})", help="exchange its limits")
        return self

    def __str__(self) -> str:
        limits = ("above", "at_least", "below", "at_most")
        return ", ".join(f"{limit} = {at:.15g}" for limit in limits if (at := getattr(self, limit)) is not None)

    @property
    def start(self) -> tuple[float, int]:
        """Where the range starts: a number, and 1 for just after it. Starts and ends compare."""
        if self.above is not None:
            return self.above, 1
        return (-math.inf if self.at_least is None else self.at_least), 0

    @property
    def end(self) -> tuple[float, int]:
        """Where the range ends: a number, and -1 for just before it."""
        if self.below is not None:
            return self.below, -1
        return (math.inf if self.at_most is None else self.at_most), 0

    def holds(self, numbers: pa.Array) -> pa.Array:
        """Which of the numbers are in the range."""
        import pyarrow.compute as pc

        (low, after), (high, before) = self.start, self.end
        started = pc.greater(numbers, low) if after else pc.greater_equal(numbers, low)
        return pc.and_(started, pc.less(numbers, high) if before else pc.less_equal(numbers, high))


class Ranges(ColumnLabeler):
    """Label rows by the range that a number is in; a number in no range gets no label."""

    column: Annotated[str, Reads("number")] = Field(description="The column with the numbers.")
    ranges: list[Range] = Field(min_length=1, description="Labels and their ranges, of which no two overlap.")

    @model_validator(mode="after")
    def _apart(self) -> Ranges:
        for one, next_ in pairwise(sorted(self.ranges, key=lambda range_: range_.start)):
            if next_.start <= one.end:
                raise OptionError(
                    f"ranges `{one.label}` ({one}) and `{next_.label}` ({next_}) overlap",
                    option="ranges",
                    help="let one end where the next starts: `below = 18` beside `at_least = 18`",
                )
        return self

    @property
    def is_light(self) -> bool:
        return True

    def label_of(self, number: float | None) -> str | None:
        place = None if number is None else (number, 0)  # NaN is in no range: it compares with nothing
        return next((r.label for r in self.ranges if place is not None and r.start <= place <= r.end), None)

    def labels(self, column: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        numbers = column.cast(pa.float64(), safe=False)
        labels = pa.nulls(len(numbers), pa.string())
        for range_ in self.ranges:
            labels = pc.if_else(pc.fill_null(range_.holds(numbers), False), range_.label, labels)
        return labels
