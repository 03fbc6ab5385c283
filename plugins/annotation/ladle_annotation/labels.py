"""What rows are labelled with now: events put together, in which an undo makes that another one never was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .log import Event


@dataclass
class RowLabels:
    """All that holds of one row."""

    answers: dict[str, Event] = field(default_factory=dict)
    """By annotator the event of the label that they gave."""
    final: Event | None = None
    """The event of the label on which somebody settled."""
    skipped: set[str] = field(default_factory=set)
    """Who has passed it over, and not labelled it since."""
    flagged: set[str] = field(default_factory=set)
    """Who finds it worth a second look."""
    notes: dict[str, str] = field(default_factory=dict)
    """What annotators noted, by their names."""

    def add(self, event: Event) -> None:
        """Let an event hold."""
        who = event.annotator
        if event.kind == "final":
            self.final = None if event.value is None else event
        elif event.kind == "label":
            self.answers.pop(who, None)
            self.skipped.discard(who)
            if event.value is not None:
                self.answers[who] = event
        elif event.kind == "skip":
            self.skipped.add(who)
        elif event.kind == "flag":
            (self.flagged.add if event.value else self.flagged.discard)(who)
        elif event.kind == "note":
            self.notes.pop(who, None)
            if event.value:
                self.notes[who] = str(event.value)

    def number_of(self, annotator: str) -> int:
        """The number of the event of the annotator's label; 0 if there is none."""
        return self.answers[annotator].number if annotator in self.answers else 0


class Labels:
    """The rows that something was said about, from their events; more events can come."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.last = 0
        """The number of the last event."""
        self.tokens: dict[str, int] = {}
        """By the tokens of events their numbers."""
        self._events: dict[int, Event] = {}
        """Those that hold, and those that were undone, by their numbers; those of kind `undo` and `same` aside."""
        self._undone: set[int] = set()
        self._of_row: dict[str, list[int]] = defaultdict(list)
        self._called: dict[str, str] = {}
        """By a name that a row has as well another name of it."""
        self._names: dict[str, set[str]] = defaultdict(set)
        self._known: dict[str, RowLabels] = {}
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Take in the next event of the log."""
        self.last = max(self.last, event.number)
        if event.token is not None:
            self.tokens[event.token] = event.number
        if event.kind == "undo":
            self._undone.add(event.undoes or 0)
            undone = self._events.get(event.undoes or 0)
            if undone is not None:
                self._known.pop(self.name_of(undone.row), None)
        elif event.kind == "same":
            self._call(event.row, str(event.value))
        else:
            row = self.name_of(event.row)
            self._events[event.number] = event
            self._of_row[row].append(event.number)
            self._known.pop(row, None)

    def _call(self, row: str, other: str) -> None:
        """All that was said of either name is of one row."""
        row, other = self.name_of(row), self.name_of(other)
        if row != other:
            self._called[row] = other
            self._of_row[other] = sorted([*self._of_row.pop(row, []), *self._of_row[other]])
            self._names[other] |= {row} | self._names.pop(row, set())
            self._known.pop(row, None)
            self._known.pop(other, None)

    def name_of(self, row: str) -> str:
        """The one of a row's names under which it is found."""
        while row in self._called:
            row = self._called[row]
        return row

    def names_of(self, row: str) -> list[str]:
        """All names of a row."""
        row = self.name_of(row)
        return sorted({row} | self._names.get(row, set()))

    def __getitem__(self, row: str) -> RowLabels:
        """All that holds of a row; nothing, of one that nothing was said about."""
        row = self.name_of(row)
        if row not in self._of_row:
            return RowLabels()
        if row not in self._known:
            self._known[row] = RowLabels()
            for event in self._holding(row):
                self._known[row].add(event)
        return self._known[row]

    def _holding(self, row: str) -> Iterator[Event]:
        return (self._events[number] for number in self._of_row[row] if number not in self._undone)

    def __iter__(self) -> Iterator[str]:
        """The rows of which something holds, by one name each."""
        return (row for row, numbers in self._of_row.items() if not self._undone.issuperset(numbers))

    def shown_of(self, row: str) -> set[str]:
        """Digests of what was shown of a row when it was labelled."""
        return {event.shown for event in self._holding(self.name_of(row)) if event.shown is not None}

    def last_of(self, annotator: str, window: str | None = None) -> Event | None:
        """The last event of an annotator (of one window of theirs) that holds."""
        return next(
            (
                event
                for number in reversed(self._events)
                if number not in self._undone
                and (event := self._events[number]).annotator == annotator
                and window in (None, event.window)
            ),
            None,
        )

    def event(self, number: int) -> Event | None:
        """The event of this number, if it holds."""
        return None if number in self._undone else self._events.get(number)

    def annotators(self) -> list[str]:
        """Who has labelled anything that holds."""
        return sorted({who for row in self for who in self[row].answers})

    def latest(self, annotator: str, count: int) -> list[Event]:
        """The last labels of an annotator that hold, the newest first, one of each row."""
        answers = (self[row].answers.get(annotator) for row in self)
        return sorted((answer for answer in answers if answer), key=lambda answer: -answer.number)[:count]
