"""Labels as Label Studio has them: JSON, a list of tasks with their annotations.

A task is a row: `data` has the columns that annotators see, and its id as `_id`. An annotation is what one annotator
said: its `result` is a label of the kind that the recipe asks for, `completed_by` the name. A row that was passed over
is `was_cancelled`, a label on which somebody settled is `ground_truth`. What Label Studio has no place for (confidence,
notes, flags) stands in `meta`.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from ladle.errors import Problem, RecipeError
from ladle.store import in_place_of

from .cells import as_text
from .labels import RowLabels
from .log import Event
from .question import AnswerError, Pair, Question
from .session import Session
from .spans import Spans, words_of

ID = "_id"
_TYPES = {
    "choice": "choices",
    "choices": "choices",
    "spans": "labels",
    "number": "number",
    "text": "textarea",
    "pair": "pairwise",
}
_SIDES = ("left", "right")


class Imported(NamedTuple):
    """How many labels were taken in, how many were here already, and why others were not, with how many."""

    taken: int
    known: int
    refused: Counter[str]

    def told(self) -> str:
        """All of that, for people."""
        labels = "1 label" if self.taken == 1 else f"{self.taken:,} labels"
        lines = [f"{labels} taken in" + (f", {self.known:,} known already" if self.known else "")]
        lines += [f"{count:,} not taken in: {reason}" for reason, count in self.refused.most_common()]
        return "\n".join(lines)


# Out


def export_tasks(session: Session, path: Path) -> int:
    """Write all rows of which something was said; returns how many there are."""
    tasks = [_task(session, number, row) for number, row in enumerate(session.rows_with_labels(), 1)]
    with in_place_of(path) as beside:
        beside.write_text(json.dumps(tasks, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return len(tasks)


def _task(session: Session, number: int, row: str) -> dict[str, Any]:
    values = session.values_of(row)
    labels, question = session.labels[row], session.question
    annotations = list(_annotations(labels, question, values))
    data = {name: as_text(value) for name, value in values.items()} | {ID: row}
    for at, annotation in enumerate(annotations, 1):
        annotation["id"] = number * 1000 + at
    return {"id": number, "data": data, "annotations": annotations, "predictions": []}


def _annotations(labels: RowLabels, question: Question, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for who in sorted({*labels.answers, *labels.skipped, *labels.flagged, *labels.notes}):
        event = labels.answers.get(who)
        meta = {"note": labels.notes.get(who), "flagged": True if who in labels.flagged else None}
        meta |= {"confidence": event and event.confidence}
        yield _annotation(who, event, question, values, meta) | {
            "was_cancelled": event is None and who in labels.skipped
        }
    if labels.final is not None:
        yield _annotation(labels.final.annotator, labels.final, question, values, {}) | {"ground_truth": True}


def _annotation(
    who: str, event: Event | None, question: Question, values: Mapping[str, Any], meta: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "completed_by": {"email": who},
        "created_at": event and event.at,
        "lead_time": event and event.seconds,
        "was_cancelled": False,
        "ground_truth": False,
        "meta": {name: value for name, value in meta.items() if value is not None},
        "result": [] if event is None else _result(event.value, question, values),
    }


def _result(value: Any, question: Question, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    type_ = _TYPES[question.form]
    shown = question.reads if question.reads else list(values)[:1]
    frame = {"from_name": question.into, "to_name": ",".join(shown), "type": type_}
    if isinstance(question, Spans):
        return [
            frame | {"id": str(at), "value": {**span, "labels": [span["label"]]}}
            for at, span in enumerate(map(dict, value), 1)
        ]
    said: dict[str, Any]
    if isinstance(question, Pair):
        said = {"selected": _SIDES[question.columns.index(value)]}
    elif type_ == "choices":
        said = {"choices": value if isinstance(value, list) else [value]}
    else:
        said = {"number": value} if type_ == "number" else {"text": [value]}
    return [frame | {"id": "1", "value": said}]


# In


def import_tasks(session: Session, path: Path, annotator: str) -> Imported:
    """Take in what annotators said of rows: those with the `_id` that a task has, or that show what it has.

    `annotator` is who said what no annotation tells of. What was taken in before is not taken in again. Raises
    RecipeError if the file is no list of tasks.
    """
    tasks = _read(path)
    shown = session.by_what_they_show() if any(ID not in task["data"] for task in tasks) else {}
    taken = known = 0
    refused: Counter[str] = Counter()
    for task in tasks:
        row = _row_of(task["data"], session, shown)
        if row is None:
            refused["the task is none of the rows here"] += 1
            continue
        for annotation in task.get("annotations") or task.get("completions") or ():
            for event in _events(annotation, row, session, annotator, refused):
                if _is_known(event, session.labels[row]):
                    known += 1
                else:
                    taken += event.kind in ("label", "final")
                    session.say(event)
    return Imported(taken, known, refused)


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise RecipeError(
            Problem("file", f"{path} is no JSON: {error}", "export it as JSON from Label Studio")
        ) from None
    fits = isinstance(tasks, list) and all(
        isinstance(task, dict) and isinstance(task.get("data"), dict) for task in tasks
    )
    if not fits:
        help = 'export it as JSON from Label Studio, not as JSON-MIN: a list of { "data": …, "annotations": … }'
        raise RecipeError(Problem("file", f"{path} is no list of tasks", help))
    return tasks


def _row_of(data: Mapping[str, Any], session: Session, shown: Mapping[tuple[str, ...], str]) -> str | None:
    """The row that a task is about, if it is here."""
    if (row := session.row_of(str(data[ID])) if ID in data else None) is not None:
        return row
    if all(column in data for column in session.columns):
        return shown.get(tuple(as_text(data[column]) for column in session.columns))
    return None


def _events(
    annotation: Mapping[str, Any], row: str, session: Session, annotator: str, refused: Counter[str]
) -> Iterator[Event]:
    """What an annotation says; what is no answer to the question is counted among the refused."""
    who = _name(annotation.get("completed_by"), annotator)
    meta = annotation.get("meta") or {}
    is_final = bool(annotation.get("ground_truth"))
    at = _moment(annotation.get("created_at"))
    seconds, confidence = _number(annotation.get("lead_time"), math.inf), _number(meta.get("confidence"), 1)
    result = annotation.get("result") or []
    if result or (session.question.form in ("spans", "choices") and _is_empty_answer(annotation)):
        try:
            values = session.values_of(row)
            value = session.question.check(_value(result, session.question, values), values)
        except (AnswerError, AttributeError, IndexError, KeyError, TypeError) as error:
            told = (
                str(error) if isinstance(error, AnswerError) else "its result is of another form than the labels here"
            )
            refused[told] += 1
        else:
            kind = "final" if is_final else "label"
            yield Event(kind, row, who, value, at=at, seconds=seconds, confidence=confidence)
    elif annotation.get("was_cancelled"):
        yield Event("skip", row, who, at=at)
    if not is_final and meta.get("note"):
        yield Event("note", row, who, str(meta["note"]), at=at)
    if not is_final and meta.get("flagged"):
        yield Event("flag", row, who, True, at=at)


def _moment(said: Any) -> str:
    """A time as the log has it; "" if it is none."""
    try:
        found = datetime.fromisoformat(said)
    except (TypeError, ValueError):
        return ""
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(said: Any, most: float) -> float | None:
    is_number = isinstance(said, int | float) and not isinstance(said, bool)
    return float(said) if is_number and 0 <= said <= most else None


def _is_empty_answer(annotation: Mapping[str, Any]) -> bool:
    """Whether nothing was marked, or chosen, on purpose."""
    return bool(annotation.get("created_at")) and not annotation.get("was_cancelled")


def _is_known(event: Event, labels: RowLabels) -> bool:
    who = event.annotator
    if event.kind == "final":
        return labels.final is not None and labels.final.value == event.value
    if event.kind == "label":
        return who in labels.answers and labels.answers[who].value == event.value
    if event.kind == "note":
        return labels.notes.get(who) == event.value
    return who in (labels.flagged if event.kind == "flag" else labels.skipped)


def _name(completed_by: Any, default: str) -> str:
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("username") or completed_by.get("id")
    return default if completed_by in (None, "") else str(completed_by)


def _value(result: Sequence[Mapping[str, Any]], question: Question, values: Mapping[str, Any]) -> Any:
    """The answer in a result. Raises AnswerError, or what a result of another form leads to."""
    if isinstance(question, Spans):
        text = words_of(values[question.column]).text if values.get(question.column) is not None else ""
        return [_span(found["value"], text) for found in result if found.get("type", "labels") == "labels"]
    fitting = [found["value"] for found in result if found["type"] in (_TYPES[question.form], "rating")]
    said = fitting[0]
    if isinstance(question, Pair):
        return question.columns[_SIDES.index(said["selected"])]
    if question.form in ("choice", "choices"):
        chosen = said["choices"]
        if question.form == "choice" and len(chosen) != 1:
            raise AnswerError(f"it has {len(chosen)} labels, and one is asked for")
        return chosen[0] if question.form == "choice" else chosen
    if question.form == "number":
        return said["number"] if "number" in said else said["rating"]
    return "\n".join(said["text"]) if isinstance(said["text"], list) else said["text"]


def _span(said: Mapping[str, Any], text: str) -> dict[str, Any]:
    """A span in characters of the text; older exports count the units of UTF-16."""
    start, end = said["start"], said["end"]
    words = said.get("text")
    if isinstance(words, str) and text[start:end] != words:
        units = text.encode("utf-16-le")
        start, end = (len(units[: 2 * at].decode("utf-16-le", errors="ignore")) for at in (start, end))
    found = {"start": start, "end": end, "label": said["labels"][0]}
    return found | ({"text": words} if isinstance(words, str) else {})
