"""Rows of several tasks in one data set, and those of each task as its trainer made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ladle import OptionError

if TYPE_CHECKING:
    from datasets import Dataset

    from ladle import Rows

TASK = "task"
_AT = "@"  # between the name of a column and the task whose own it is


def joined(found: dict[str, Dataset]) -> Dataset:
    """One data set of the rows of all tasks, in their order.

    Columns that are the same for all tasks stay; any other is called `NAME@TASK`. The column `task` tells whose a row
    is.
    """
    from datasets import Dataset, concatenate_datasets

    if not found:
        return Dataset.from_dict({"_id": [], TASK: []})
    parts = list(found.values())
    first = parts[0].features
    shared = {n for n in first if n != TASK and all(part.features.get(n) == first[n] for part in parts)}
    named = [
        part.rename_columns({c: f"{c}{_AT}{name}" for c in part.column_names if c not in shared}).add_column(
            TASK, [name] * len(part)
        )
        for name, part in found.items()
    ]
    return concatenate_datasets(named)


def places_of(dataset: Dataset, task: str) -> np.ndarray:
    """Where the rows of a task are."""
    return np.flatnonzero(np.asarray(dataset[TASK][:]) == task)


def own_rows(dataset: Dataset, task: str) -> Dataset:
    """The rows of a task with its own columns, by their own names, and those that techniques added."""
    own = {name: _own_name(name, task) for name in dataset.column_names}
    rows = dataset.select(places_of(dataset, task)).remove_columns([name for name in own if own[name] is None])
    return rows.rename_columns({name: to for name, to in own.items() if to is not None and to != name})


def own_row(row: dict[str, Any], task: str) -> dict[str, Any]:
    """One row as `own_rows` has it."""
    return {own: value for name, value in row.items() if (own := _own_name(name, task)) is not None}


def _own_name(column: str, task: str) -> str | None:
    """What a column is called for a task; None if it is another's, or tells the task."""
    name, at, owner = column.rpartition(_AT)
    if not at:
        return None if column == TASK else column
    return name if owner == task else None


def of_tasks(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows by their tasks, each as its trainer made it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row[TASK], []).append(own_row(row, row[TASK]))
    return found


def padded_together(rows: list[dict[str, Any]], batches: list[torch.Tensor]) -> dict[str, Any]:
    """Rows of several tasks as one batch of `input_ids` [rows, longest], with a mask, in the order of `rows`.

    `batches` are the tokens of each task's rows. Raises OptionError if its trainer does not lay out a row by itself.
    """
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    if sum(map(len, batches)) != len(rows):
        raise OptionError(
            "rows of a task are laid out in sequences together, and those of several tasks stand in one batch",
            help="leave out the technique that looks at rows of all tasks at once",
        )
    names = [row[TASK] for row in rows]
    order = [place for name in dict.fromkeys(names) for place, own in enumerate(names) if own == name]
    ids = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
    for place, tokens in zip(order, (row for batch in batches for row in batch), strict=True):
        ids[place, : lengths[place]] = tokens[: lengths[place]]
    mask = (torch.arange(ids.shape[1]) < lengths.unsqueeze(1)).long()
    return {"input_ids": ids, "attention_mask": mask, "counts": {"rows": torch.tensor(len(rows))}}


def with_any(data: Rows, columns: set[str]) -> set[str]:
    """The ids of the rows that have a value in any of these columns."""
    import pyarrow.compute as pc

    found: set[str] = set()
    for batch in data.select(sorted(columns)).batches("arrow"):
        there = [batch[name].is_valid() for name in columns]
        any_ = there[0] if there else batch["_id"].is_valid()
        for other in there[1:]:
            any_ = pc.or_(any_, other)
        found |= set(batch["_id"].filter(any_).to_pylist())
    return found
