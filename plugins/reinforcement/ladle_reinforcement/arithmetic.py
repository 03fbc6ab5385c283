"""Sums to do, made up."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from ladle import DataSource, OptionError, Sample, Usual

if TYPE_CHECKING:
    from ladle.columns import ColumnType

Operation = Literal["sum", "difference", "product"]

_SIGNS: dict[Operation, str] = {"sum": "+", "difference": "-", "product": "*"}


class Arithmetic(DataSource):
    """Made-up sums, differences and products, with their results: rows of a `prompt` and an `answer`.

    A column `text` has both. No two rows have the same prompt.
    """

    size: int = Field(default=1000, gt=0, description="How many rows.")
    operations: list[Operation] = Field(
        default=["sum"], min_length=1, description="What is to be worked out; of several, each as often."
    )
    digits: Annotated[int, Usual(1, 20)] = Field(
        default=2, gt=0, le=100, description="Digits of a number, at most: with 2, numbers go from 0 to 99."
    )
    terms: Annotated[int, Usual(2, 20)] = Field(default=2, ge=2, le=100, description="How many numbers are in a row.")
    wording: str = Field(
        default="{problem} =", description="The prompt, in which `{problem}` stands for what is to be worked out."
    )
    seed: int = Field(default=0, ge=0, description="Another number gives other rows.")

    @model_validator(mode="after")
    def _can_be_done(self) -> Arithmetic:
        if "{problem}" not in self.wording:
            raise OptionError(
                "the prompt does not say what is to be worked out",
                option="wording",
                help="let `{problem}` stand where the problem belongs",
            )
        there = 10 ** (self.digits * self.terms)
        if math.ceil(self.size / len(self._operations)) > there:
            raise OptionError(
                f"there are no more than {there * len(self._operations):,} different problems like this",
                option="size",
                help="write a smaller `size`, or more `digits`, `terms` or `operations`",
            )
        return self

    @property
    def _operations(self) -> list[Operation]:
        return list(dict.fromkeys(self.operations))

    def peek(self) -> Mapping[str, ColumnType]:
        return {"prompt": "text", "answer": "text", "text": "text"}

    def first_rows(self, count: int) -> Sample:
        rows = list(islice(self._rows(), min(count, self.size)))
        return Sample(rows, is_whole=len(rows) == self.size)

    def read(self) -> Iterator[dict[str, str]]:
        yield from self._rows()

    def _rows(self) -> Iterator[dict[str, str]]:
        drawn = random.Random(self.seed)
        seen: set[tuple[Operation, tuple[int, ...]]] = set()
        while len(seen) < self.size:
            operation = self._operations[len(seen) % len(self._operations)]
            numbers = tuple(drawn.randrange(10**self.digits) for _ in range(self.terms))
            if (operation, numbers) not in seen:
                seen.add((operation, numbers))
                problem = f" {_SIGNS[operation]} ".join(map(str, numbers))
                prompt = self.wording.replace("{problem}", problem)
                answer = str(_worked_out(operation, numbers))
                yield {"prompt": prompt, "answer": answer, "text": f"{prompt} {answer}"}


def _worked_out(operation: Operation, numbers: tuple[int, ...]) -> int:
    if operation == "product":
        return math.prod(numbers)
    return sum(numbers) if operation == "sum" else numbers[0] - sum(numbers[1:])
