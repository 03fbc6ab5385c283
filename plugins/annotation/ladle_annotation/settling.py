"""From what annotators said of a row to its one label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from .labels import RowLabels
from .log import Event
from .question import Agreed, Question

How = Literal["majority", "unanimous"]


class Settled(NamedTuple):
    """The label of a row, and where it came from."""

    value: Any
    annotators: list[str]
    at: str
    """When the last of them said it (ISO 8601, UTC)."""
    confidence: float | None
    """From 0 to 1; None where all said the same and none of them how sure they are."""


class Settling(NamedTuple):
    """How a row's label is found."""

    question: Question
    wanted: int
    """How many annotators have to label a row."""
    how: How

    def settled(self, labels: RowLabels, row: Mapping[str, Any] | None = None) -> Settled | None:
        """A row's label: the one on which somebody settled, else what enough annotators agree about; None if neither.

        With the `row`, which has the columns that the question reads, answers that do not fit it are left out.
        """
        for final in self._fitting([labels.final] if labels.final else [], row):
            return _settled(Agreed(final.value, 1.0), [final])
        answers = self.answers(labels, row)
        if len(answers) < self.wanted:
            return None
        agreed = self.question.agreed([event.value for event in answers])
        if agreed is None or (self.how == "unanimous" and any(event.value != agreed.value for event in answers)):
            return None
        return _settled(agreed, answers)

    def is_disputed(self, labels: RowLabels) -> bool:
        """Whether enough annotators have labelled the row, and what they say makes no label."""
        return len(labels.answers) >= self.wanted and self.settled(labels) is None

    def answers(self, labels: RowLabels, row: Mapping[str, Any] | None = None) -> list[Event]:
        """The labels that annotators gave, of which each fits the question."""
        return self._fitting(labels.answers.values(), row)

    def _fitting(self, events: Iterable[Event], row: Mapping[str, Any] | None) -> list[Event]:
        """Those whose labels are answers to the question; all of them, if that is about columns which are not known."""
        if row is None and self.question.reads:
            return list(events)
        checked = ((event, self.question.checked(event.value, row or {})) for event in events)
        return [event._replace(value=value) for event, value in checked if value is not None]


def _settled(agreed: Agreed, answers: list[Event]) -> Settled:
    sure = [1.0 if event.confidence is None else event.confidence for event in answers]
    nothing_said = agreed.share == 1 and all(event.confidence is None for event in answers)
    confidence = None if nothing_said else round(agreed.share * sum(sure) / len(sure), 4)
    return Settled(
        agreed.value,
        sorted({event.annotator for event in answers}),
        max(event.at for event in answers),
        confidence,
    )
