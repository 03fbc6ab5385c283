"""Labelling under way, on the page and in the terminal: which row is next, what is said of it, how far it has got."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, combinations, islice
from typing import Any

from .agreement import alpha, kappa
from .by_hand import ByHand
from .cells import CUT, as_text, cell
from .labels import Labels
from .log import Event, Log
from .ordering import Order
from .question import AnswerError
from .spans import Spans, words_of
from .table import RowTable, digest_of

LEASE = 180.0
"""Seconds for which a row that is shown in a window is shown in no other one of the same annotator."""
_HISTORY = 30
_DISPUTES = 200


class ConflictError(Exception):
    """Meanwhile the row was labelled in another window; `event` is what was said there, None if it was taken back."""

    def __init__(self, event: Event | None) -> None:
        super().__init__("the row was labelled in another window meanwhile")
        self.event = event


class Session:
    """Rows, their labels, and who looks at which. Can be used by several threads, and beside other processes."""

    def __init__(self, labeler: ByHand, table: RowTable, order: Order) -> None:
        assert labeler.file is not None
        self.labeler = labeler
        self.table = table
        self.order = order
        self.question = labeler.question
        self.settling = labeler.settling
        self.columns = shown_columns(labeler, table)
        self.labels = Labels()
        self._log = Log(labeler.file, labeler.into)
        self._lock = threading.RLock()
        self._leases: dict[str, dict[str, tuple[str, float]]] = {}
        """By row and annotator the window that shows it, and until when."""
        self._is_given = table.is_filled(labeler.into)
        self.found_again = self._find_again()
        """How many rows with labels have other ids than they had, and were found by what they show."""

    def close(self) -> None:
        self._log.close()

    def _catch_up(self) -> None:
        """Take in what other processes have added to the log."""
        for event in self._log.since(self.labels.last):
            self.labels.add(event)

    def _find_again(self) -> int:
        self._catch_up()
        lost = [row for row in self.labels if self.row_of(row) is None]
        if not lost:
            return 0
        here: dict[str, str] = {}
        for row in self.table.ids:
            here.setdefault(digest_of(self.values_of(row), self.columns), row)
        found = [(row, here[shown]) for row in lost for shown in self.labels.shown_of(row) & here.keys()]
        with self._log.transaction():
            for row, now in dict(found).items():
                self._log.add(Event("same", now, "", row))
        self._catch_up()
        return len(dict(found))

    def row_of(self, row: str) -> str | None:
        """The id that a row of the labels has in the table, if it is there."""
        return next((name for name in self.labels.names_of(row) if name in self.table.place_of), None)

    def rows_with_labels(self) -> Iterator[str]:
        """The ids of the rows of the table of which something holds."""
        return filter(None, map(self.row_of, self.labels))

    # Which row is next

    def next(self, annotator: str, window: str, count: int, have: Iterable[str] = ()) -> list[dict[str, Any]]:
        """As many rows to label as there are, at most `count`, none of which another window of the annotator shows.

        `have` are the rows that the window shows, or is about to: it keeps them.
        """
        have = set(have)
        with self._lock:
            self._catch_up()
            self._give_back(annotator, window)
            rows = list(islice(self._wanted(annotator, have), count))
            for row in {*rows, *have}:
                self._leases.setdefault(row, {})[annotator] = (window, time.monotonic() + LEASE)
            return [self.item(row, annotator) for row in rows]

    def _give_back(self, annotator: str, window: str) -> None:
        """Forget the leases of a window, and those that are over."""
        now = time.monotonic()
        for row, leases in list(self._leases.items()):
            kept = {
                who: (w, until) for who, (w, until) in leases.items() if until > now and (who, w) != (annotator, window)
            }
            self._leases[row] = kept
            if not kept:
                del self._leases[row]

    def release(self, annotator: str, window: str) -> None:
        """Let other windows show what this one has shown."""
        with self._lock:
            self._give_back(annotator, window)

    def _wanted(self, annotator: str, have: set[str]) -> Iterator[str]:
        """The rows that an annotator can label, the most wanted first."""
        wanted = self.settling.wanted

        def is_open(row: str) -> bool:
            labels, leases = self.labels[row], self._leases.get(row, {})
            coming = len(leases.keys() - labels.answers.keys())  # labels of others that are about to be given
            is_free = row not in have and annotator not in leases and annotator not in labels.answers
            return is_free and labels.final is None and len(labels.answers) + coming < wanted

        ids = self.table.ids
        begun = {row for row in self.rows_with_labels() if self.labels[row].answers} if wanted > 1 else set()
        groups = (
            (ids[place] for place in self.order.places if ids[place] in begun),
            (ids[place] for place in self.order.places if not self._is_given[place] and ids[place] not in begun),
            (ids[place] for place in self.order.places if self._is_given[place] and ids[place] not in begun),
        )
        later: list[str] = []
        for row in filter(is_open, chain.from_iterable(groups if begun else groups[1:])):
            if annotator in self.labels[row].skipped:
                later.append(row)
            else:
                yield row
        yield from later

    # What is shown

    def item(self, row: str, annotator: str, limit: int | None = CUT) -> dict[str, Any]:
        """A row as the page gets it, with what the annotator has said of it."""
        with self._lock:
            return self._item(row, annotator, limit)

    def _item(self, row: str, annotator: str, limit: int | None) -> dict[str, Any]:
        place = self.table.place_of[row]
        values = self.table.row(place, [*self.columns, self.labeler.into])
        labels = self.labels[row]
        own = labels.answers.get(annotator)
        item: dict[str, Any] = {
            "row": row,
            "place": place + 1,
            "cells": [cell(name, values.get(name), limit) for name in self.columns if name not in self.question.reads],
            "answer": None if own is None else own.value,
            "confidence": None if own is None else own.confidence,
            "seen": labels.number_of(annotator),
            "given": self.question.given(values),
            "flagged": annotator in labels.flagged,
            "note": labels.notes.get(annotator, ""),
        }
        if isinstance(self.question, Spans):
            item["words"] = _words(values.get(self.question.column), limit)
        else:
            item["marked"] = [cell(name, values.get(name), limit) for name in self._shuffled(row, annotator)]
        return item

    def _shuffled(self, row: str, annotator: str) -> Sequence[str]:
        """The columns that the question is about: now one and now the other first, so that no side is preferred."""
        turned = hashlib.blake2b(f"{row}\0{annotator}".encode()).digest()[0] % 2
        return self.question.reads[::-1] if turned else self.question.reads

    def value(self, row: str, column: str) -> Any:
        """A value that is shown."""
        return self.values_of(row)[column] if column in self.columns else None

    def values_of(self, row: str) -> dict[str, Any]:
        """The columns of a row that are shown."""
        return self.table.row(self.table.place_of[row], self.columns)

    def by_what_they_show(self) -> dict[tuple[str, ...], str]:
        """By the texts that are shown of them the rows, of each the first."""
        found: dict[tuple[str, ...], str] = {}
        for row in self.table.ids:
            found.setdefault(tuple(map(as_text, self.values_of(row).values())), row)
        return found

    # What is said

    def say(self, event: Event, seen: int | None = None) -> Event:
        """Add an event to the log; it is on the disk when this is over.

        `seen` is the number of the label that the annotator was shown (0 for none): ConflictError is raised if there is
        another one by now. Raises AnswerError if the row is not there, or the label is no answer to the question.
        """
        if event.row not in self.table.place_of:
            raise AnswerError("there is no such row")
        values = self.values_of(event.row)
        if event.kind in ("label", "final") and event.value is not None:
            event = event._replace(value=self.question.check(event.value, values))
        event = event._replace(shown=digest_of(values, self.columns))
        with self._lock, self._log.transaction():
            self._catch_up()
            if (number := self.labels.tokens.get(event.token or "")) is not None:
                return event._replace(number=number)
            labels = self.labels[event.row]
            before = labels.final if event.kind == "final" else labels.answers.get(event.annotator)
            if event.kind in ("label", "final") and seen not in (None, before.number if before else 0):
                raise ConflictError(before)
            event = self._log.add(event)
        with self._lock:
            self._catch_up()
            if event.kind in ("label", "skip"):
                self._leases.get(event.row, {}).pop(event.annotator, None)
        return event

    def undo(self, annotator: str, window: str, token: str | None = None) -> Event:
        """Take back the last thing that was said in a window; it comes back. Raises AnswerError if there is none."""
        with self._lock, self._log.transaction():
            self._catch_up()
            if token is not None and token in self.labels.tokens:
                raise AnswerError("that was undone already")
            last = self.labels.last_of(annotator, window)
            if last is None:
                raise AnswerError("there is nothing to undo in this window")
            self._log.add(Event("undo", last.row, annotator, undoes=last.number, window=window, token=token))
        with self._lock:
            self._catch_up()
        return last

    # How far it has got

    def progress(self) -> dict[str, Any]:
        """How many rows have labels, which, by whom, and how far annotators agree."""
        with self._lock:
            self._catch_up()
            rows = {row: self.labels[row] for row in self.rows_with_labels()}
            settled = [found for labels in rows.values() if (found := self.settling.settled(labels))]
            disputed = sum(self.settling.is_disputed(labels) for labels in rows.values())
            return {
                "rows": len(self.table),
                "settled": len(settled),
                "enough": self.labeler.enough,
                "wanted": self.settling.wanted,
                "begun": sum(bool(labels.answers) for labels in rows.values()),
                "disputed": disputed,
                "flagged": sum(bool(labels.flagged) for labels in rows.values()),
                "order": self.order.how,
                "annotators": dict(Counter(who for labels in rows.values() for who in labels.answers).most_common()),
                "labels": dict(Counter(chain.from_iterable(map(_counted, settled))).most_common(100)),
            }

    def agreement(self) -> dict[str, Any]:
        """Krippendorff's alpha of all annotators, and of each two of them the rows that both labelled, and kappa."""
        with self._lock:
            self._catch_up()
            rows = [
                {e.annotator: e.value for e in self.labels[row].answers.values()} for row in self.rows_with_labels()
            ]
        pairs = []
        for one, other in combinations(sorted({who for answers in rows for who in answers}), 2):
            both = [(answers[one], answers[other]) for answers in rows if one in answers and other in answers]
            found = kappa(both) if self.question.is_nominal else None
            same = sum(first == second for first, second in both)
            pairs.append({"annotators": [one, other], "rows": len(both), "same": same, "kappa": found})
        several = [list(answers.values()) for answers in rows if len(answers) > 1]
        return {"alpha": alpha(several, self.question.distance), "rows": len(several), "pairs": pairs}

    def history(self, annotator: str) -> list[dict[str, Any]]:
        """The last labels of an annotator, the newest first."""
        with self._lock:
            self._catch_up()
            found = self.labels.latest(annotator, _HISTORY)
            return [self._brief(row, event) for event in found if (row := self.row_of(event.row))]

    def _brief(self, row: str, event: Event) -> dict[str, Any]:
        item = self.item(row, event.annotator, 120)
        texts = [part["text"] for part in (*item["cells"], *item.get("marked", ())) if part["text"]]
        if words := item.get("words"):
            texts.insert(0, "".join(f"{gap}{word}" for gap, word, *_ in words["words"]))
        return {
            "row": row,
            "text": next(iter(texts), ""),
            "value": event.value,
            "confidence": event.confidence,
            "at": event.at,
        }

    def disputes(self, annotator: str) -> list[dict[str, Any]]:
        """The rows whose annotators do not agree, with what each of them says."""
        with self._lock:
            self._catch_up()
            rows = [row for row in self.rows_with_labels() if self.settling.is_disputed(self.labels[row])]
            return [self._with_answers(row, annotator) for row in rows[:_DISPUTES]]

    def _with_answers(self, row: str, annotator: str) -> dict[str, Any]:
        labels = self.labels[row]
        answers = [
            {"annotator": who, "value": event.value, "confidence": event.confidence, "note": labels.notes.get(who, "")}
            for who, event in sorted(labels.answers.items())
        ]
        return self.item(row, annotator) | {"answers": answers, "seen": labels.final.number if labels.final else 0}


def shown_columns(labeler: ByHand, table: RowTable) -> list[str]:
    """The columns that annotators see: those named, or all but vectors and what the labels themselves make.

    Those that the question is about are among them in any case.
    """
    own = {labeler.into, *labeler.columns_of_provenance()}
    others = [name for name, type_ in table.types.items() if type_ != "vector" and name not in own]
    return list(dict.fromkeys([*(labeler.show or others), *labeler.question.reads]))


def _counted(settled: Any) -> Iterable[str]:
    """Under what a label is counted."""
    value = settled.value
    if isinstance(value, list):
        return [item["label"] if isinstance(item, dict) else item for item in value] or ["(none)"]
    return [str(value)[:80]]


def _words(value: Any, limit: int | None) -> dict[str, Any]:
    """The words of a text to mark: of each the space before it, itself, and where it is in the text."""
    if value is None:
        return {"words": [], "length": 0, "shown": 0, "cut": False}
    words = words_of(value)
    end, found = 0, []
    for start, stop in words.places:
        if limit is not None and stop > limit and found:
            break
        found.append([words.text[end:start], words.text[start:stop], start, stop])
        end = stop
    return {"words": found, "length": len(words.text), "shown": end, "cut": len(found) < len(words.places)}
