"""What annotators are asked about a row: what an answer may be, which columns answers make, when several agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ladle import Columns

from .agreement import apart, far_apart, unlike

if TYPE_CHECKING:
    import pyarrow as pa


class AnswerError(ValueError):
    """An answer that is none to the question; says why."""


class Agreed(NamedTuple):
    """What several annotators say together, and which share of them says so."""

    value: Any
    share: float


class Question:
    """What an answer may be, and what becomes of answers. Answers are JSON values."""

    form: ClassVar[str]
    """How the page, the terminal and an export treat it."""
    is_nominal: ClassVar[bool] = True
    """Whether an answer is one of several, or any other, so that kappa means something."""
    distance: ClassVar[Callable[[Any, Any], float]] = staticmethod(apart)
    """How far two answers are from each other, for agreement."""

    def __init__(self, into: str) -> None:
        self.into = into

    @property
    def reads(self) -> list[str]:
        """The columns that have to be shown."""
        return []

    def check(self, answer: Any, row: Mapping[str, Any]) -> Any:
        """The answer in its one form. Raises AnswerError. `row` has the columns that are read."""
        raise NotImplementedError

    def checked(self, answer: Any, row: Mapping[str, Any]) -> Any:
        """An answer that was given earlier in its one form; None if it is none to this question about this row."""
        try:
            return self.check(answer, row)
        except AnswerError:
            return None

    def given(self, row: Mapping[str, Any]) -> Any:
        """The answer that a row has brought along in the column of the labels; None if it has none that is one."""
        value = row.get(self.into)
        return None if value is None else self.checked(value, row)

    def agreed(self, answers: Sequence[Any]) -> Agreed | None:
        """What more than half of the answers say; None if there is no such thing. There is at least one."""
        value, count = Counter(answers).most_common(1)[0]
        return Agreed(value, count / len(answers)) if 2 * count > len(answers) else None

    def columns_after(self, given: Columns) -> Columns:
        """The columns with those of the answers. Raises OptionError."""
        raise NotImplementedError

    def made(self, batch: pa.RecordBatch, answers: Sequence[Any]) -> dict[str, pa.Array]:
        """The columns that answers make; where there is none (None), the row's own label stays, if it has one."""
        raise NotImplementedError

    def about(self) -> dict[str, Any]:
        """What the page has to know of it, as JSON values."""
        return {"form": self.form}

    def _filled(self, batch: pa.RecordBatch, answers: Sequence[Any], type_: pa.DataType) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        new = pa.array(answers, type_)
        if self.into not in batch.schema.names:
            return new
        return pc.if_else(new.is_valid(), new, batch[self.into].cast(type_))


class Choice(Question):
    """One of several labels."""

    form = "choice"

    def __init__(self, into: str, labels: list[str]) -> None:
        super().__init__(into)
        self.labels = labels

    def check(self, answer: Any, row: Mapping[str, Any]) -> Any:
        if answer not in self.labels:
            raise AnswerError(f"{answer!r} is none of the labels {', '.join(self.labels)}")
        return answer

    def columns_after(self, given: Columns) -> Columns:
        return _labelled(self.into, "text", given)

    def made(self, batch: pa.RecordBatch, answers: Sequence[Any]) -> dict[str, pa.Array]:
        import pyarrow as pa

        return {self.into: self._filled(batch, answers, pa.string())}

    def about(self) -> dict[str, Any]:
        return super().about() | {"labels": self.labels}


class Choices(Question):
    """Any number of labels, none of them too: a list in their order."""

    form = "choices"
    is_nominal = False
    distance = staticmethod(unlike)

    def __init__(self, into: str, labels: list[str]) -> None:
        super().__init__(into)
        self.labels = labels

    def check(self, answer: Any, row: Mapping[str, Any]) -> Any:
        if not isinstance(answer, list):
            raise AnswerError(f"{answer!r} is no list of labels")
        if wrong := [label for label in answer if label not in self.labels]:
            raise AnswerError(f"{wrong[0]!r} is none of the labels {', '.join(self.labels)}")
        return [label for label in self.labels if label in answer]

    def agreed(self, answers: Sequence[Any]) -> Agreed | None:
        found = agreed_items(answers)
        return found and Agreed([label for label in self.labels if label in found.value], found.share)

    def columns_after(self, given: Columns) -> Columns:
        return _labelled(self.into, "list", given)

    def made(self, batch: pa.RecordBatch, answers: Sequence[Any]) -> dict[str, pa.Array]:
        import pyarrow as pa

        return {self.into: self._filled(batch, answers, pa.list_(pa.string()))}

    def about(self) -> dict[str, Any]:
        return super().about() | {"labels": self.labels}


class Number(Question):
    """A number between two, which several annotators give together as the mean of theirs."""

    form = "number"
    is_nominal = False
    distance = staticmethod(far_apart)

    def __init__(self, into: str, low: float, high: float) -> None:
        super().__init__(into)
        self.low, self.high = low, high

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are answers: both limits are written as such."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def check(self, answer: Any, row: Mapping[str, Any]) -> Any:
        if isinstance(answer, bool) or not isinstance(answer, int | float) or not self.low <= answer <= self.high:
            raise AnswerError(f"{answer!r} is no number from {self.low} to {self.high}")
        if self.is_whole and answer != int(answer):
            raise AnswerError(f"{answer!r} is no whole number")
        return int(answer) if self.is_whole else float(answer)

    def agreed(self, answers: Sequence[Any]) -> Agreed | None:
        return Agreed(sum(answers) / len(answers), 1.0)

    def columns_after(self, given: Columns) -> Columns:
        return _labelled(self.into, "number", given)

    def made(self, batch: pa.RecordBatch, answers: Sequence[Any]) -> dict[str, pa.Array]:
        import pyarrow as pa

        return {self.into: self._filled(batch, answers, pa.float64())}

    def about(self) -> dict[str, Any]:
        return super().about() | {"from": self.low, "to": self.high, "whole": self.is_whole}


class FreeText(Question):
    """An answer in words."""

    form = "text"
    is_nominal = False

    def check(self, answer: Any, row: Mapping[str, Any]) -> Any:
        if not isinstance(answer, str) or not answer.strip():
            raise AnswerError("the answer is empty")
        return answer

    def columns_after(self, given: Columns) -> Columns:
        return _labelled(self.into, "text", given)

    def made(self, batch: pa.RecordBatch, answers: Sequence[Any]) -> dict[str, pa.Array]:
        import pyarrow as pa

        return {self.into: self._filled(batch, answers, pa.string())}


class Pair(Question):
    """Which of two answers, in two columns, is the better one: the name of its column."""

    form = "pair"

    def __init__(self, into: str, columns: list[str], chosen: str, rejected: str) -> None:
        super().__init__(into)
        self.columns = columns
        self.chosen, self.rejected = chosen, rejected

    @property
    def reads(self) -> list[str]:
        return self.columns

    def check(self, answer: Any, row: Mapping[str, Any]) -> Any:
        if answer not in self.columns:
            raise AnswerError(f"{answer!r} is none of the columns {' and '.join(self.columns)}")
        return answer

    def columns_after(self, given: Columns) -> Columns:
        first, second = (given.need(column, option="pair") for column in self.columns)
        type_ = first if first == second else "any"
        after = _labelled(self.into, "text", given)
        return after.having(self.chosen, type_).having(self.rejected, type_)

    def made(self, batch: pa.RecordBatch, answers: Sequence[Any]) -> dict[str, pa.Array]:
        import pyarrow as pa
        import pyarrow.compute as pc

        preferred = self._filled(batch, answers, pa.string())
        first, second = (batch[column] for column in self.columns)
        is_first, is_second = (pc.equal(preferred, column) for column in self.columns)
        nothing = pa.scalar(None, first.type)

        def either(one: pa.Array, other: pa.Array) -> pa.Array:
            return pc.if_else(is_first, one, pc.if_else(is_second, other, nothing))

        return {self.into: preferred, self.chosen: either(first, second), self.rejected: either(second, first)}

    def about(self) -> dict[str, Any]:
        return super().about() | {"columns": self.columns}


def agreed_items(answers: Sequence[Sequence[Any]]) -> Agreed | None:
    """The items that are in more than half of some sets; None if one is in just half of them.

    The share is the mean over the items of how many sets agree about it.
    """
    total = len(answers)
    counts = Counter(item for answer in answers for item in answer)
    if any(2 * count == total for count in counts.values()):
        return None
    shares = [max(count, total - count) / total for count in counts.values()] or [1.0]
    return Agreed([item for item, count in counts.items() if 2 * count > total], sum(shares) / len(shares))


def _labelled(column: str, type_: Any, given: Columns) -> Columns:
    """The columns with one of labels. Raises OptionError if it is there already with another type."""
    if column in given:
        given.need(column, type_, option="into")
    return given.having(column, type_)
