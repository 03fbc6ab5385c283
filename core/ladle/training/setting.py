"""What a trainer and its techniques find when they are asked: data, seed, device, store, and the model."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..events import Events
from ..rows import SPLIT, Rows
from ..store import OUTCOME, Store, digest, write_json

if TYPE_CHECKING:
    import torch
    import transformers
    from datasets import Dataset

    from .plan import Plan


@dataclass
class _Course:
    """How the training goes: one for a setting and those of its parts."""

    state: transformers.TrainerState | None = None
    is_on: bool = False
    told: dict[str, list[float]] = field(default_factory=dict)


class Setting:
    """One training, as its trainer and techniques see it."""

    def __init__(
        self,
        *,
        name: str,
        data: Rows,
        data_sets: Mapping[str, Rows],
        start: Path | None,
        seed: int,
        device: str,
        precision: str,
        keys: Mapping[str, str],
        data_keys: Mapping[str, str] = MappingProxyType({}),
        store: Store,
        events: Events,
    ) -> None:
        self.name = name
        """The stage's."""
        self.data = data
        """The rows of the data set to train on, as a stream."""
        self.data_sets = data_sets
        """The rows of every data set that the trainer or a technique names, by its name in the recipe."""
        self.start = start
        """The folder of the model to start from."""
        self.seed = seed
        self.device = device
        self.precision = precision
        self.plan: Plan
        """The trainer and its techniques."""
        self.model: torch.nn.Module
        """The bare module in training, once `model` is answered; what loss and step get may wrap it."""
        self.state: dict[str, Any] = {}
        """What the trainer has learnt from the train split (labels, for example): saved with the model."""
        self.notes: dict[str, Any] = {}
        """What a reader of the report should know: rows without a label, texts that were cut."""
        self.events = events
        self._course = _Course()
        self._keys = keys
        self._data_keys = data_keys
        self._store = store

    def begin_at(self, folder: Path) -> None:
        """Start from the model in a folder of the store."""
        self.start = folder
        self._keys = {**self._keys, "start": folder.name}

    def part(self, name: str, data: str | None = None) -> Setting:
        """The setting of a part of this training, such as one of several tasks, on the data set that it names.

        The part's `state` is an entry of this one's; its `notes` and its `plan` are its own.
        """
        part = copy.copy(self)
        part.__dict__.pop("_whole", None)
        part.__dict__.pop("splits", None)
        part.name = f"{self.name}.{name}"
        part.state = self.state.setdefault(name, {})
        part.notes = {}
        if data is not None and data in self.data_sets:  # at prediction there is one, whatever it is called
            part.data = self.data_sets[data]
            part._keys = {**self._keys, "data": self._data_keys[data]}
        return part

    @functools.cached_property
    def _whole(self) -> Dataset:
        return open_dataset(self.data.paths)

    @functools.cached_property
    def splits(self) -> dict[str, int]:
        """How many rows each split has."""
        counts = self._whole.data.column(SPLIT).value_counts()
        return {entry["values"]: entry["counts"] for entry in counts.to_pylist()}

    def rows(self, split: str) -> Dataset:
        """The rows of a split as a memory-mapped data set: [rows] with the columns they have in the recipe."""
        return rows_of_split(self._whole, split)

    def keep(self, name: str, parts: Mapping[str, Any], make: Callable[[Path], None], goes_on: bool = False) -> Path:
        """A folder in the store that `make` fills, once for this data, this start and these `parts`.

        For what is the same in every epoch and dear to work out: tokens, the output of frozen layers. A `make`
        that `goes_on` finds in the folder what an earlier attempt, which was killed, has left.
        """
        key = digest({"kept": name, **self._keys, "parts": dict(parts)})
        told = {"stage": self.name, "kind": "kept", "use": name}
        with self._store.making(key, goes_on, on_wait=lambda: self.events.emit("waiting", **told)) as folder:
            if folder is not None:
                write_json(folder / OUTCOME, told)
                make(folder)
        return self._store.folder(key)

    def begin(self, state: transformers.TrainerState) -> None:
        """Take note that the training begins, or goes on."""
        self._course.state, self._course.is_on = state, True

    def end(self) -> None:
        """Take note that the training has ended."""
        self._course.is_on = False

    @property
    def is_training(self) -> bool:
        """Whether the training is under way: what is measured then does no more than choose the best epoch."""
        return self._course.is_on

    @property
    def course(self) -> transformers.TrainerState:
        """How far the training is, or went, and what it logged, as the Trainer has it and checkpoints keep it."""
        assert self._course.state, "no training has begun"
        return self._course.state

    def tell(self, name: str, value: float) -> None:
        """Add a number to a curve of the report, whose points are the means of what was told between two log entries.

        For a trainer or technique that knows, while it trains, something that is no term of the loss.
        """
        self._course.told.setdefault(name, []).append(float(value))

    def told(self) -> dict[str, float]:
        """The means of what was told since this was last asked."""
        means = {name: sum(values) / len(values) for name, values in self._course.told.items()}
        self._course.told.clear()
        return means

    def show(self, samples: list[dict[str, Any]]) -> None:
        """Tell what the model writes by now, and keep it in the history of the training."""
        told = {"epoch": self.course.epoch, "step": self.course.global_step, "samples": samples}
        self.course.log_history.append(told)
        self.events.emit("samples", stage=self.name, **told)

    def shown(self) -> list[dict[str, Any]]:
        """`epoch`, `step` and `samples` of each time that some were shown, from the beginning of the training."""
        history = self._course.state.log_history if self._course.state else []
        return [entry for entry in history if "samples" in entry]

    def autocast(self) -> torch.autocast:
        """A context in which the model computes in the precision of this training."""
        import torch

        dtype = getattr(torch, self.precision)
        return torch.autocast(self.device, dtype, enabled=dtype != torch.float32)

    @contextmanager
    def progress(self, doing: str, total: int | None, unit: str = "rows") -> Iterator[Callable[[int], None]]:
        """Show progress of something slow: call what this gives with the number of units just done."""
        self.events.emit("progress", stage=self.name, doing=doing, total=total, unit=unit)
        yield lambda count: self.events.emit(
            "progress", stage=self.name, doing=doing, total=total, advance=count, unit=unit
        )


def open_dataset(paths: Any) -> Dataset:
    """Arrow stream files as one memory-mapped data set."""
    import datasets

    datasets.disable_progress_bars()
    parts = [datasets.Dataset.from_file(str(path)) for path in paths]
    features = parts[0].features
    if any(part.features != features for part in parts[1:]):
        features = datasets.Features.from_arrow_schema(Rows(paths).schema)
        parts = [part.cast(features) for part in parts]
    return datasets.concatenate_datasets(parts)


def rows_of_split(dataset: Dataset, split: str) -> Dataset:
    """The rows of one split of a data set with a column `_split`."""
    import numpy as np

    names = dataset.data.column(SPLIT).to_numpy()
    return dataset.select(np.flatnonzero(names == split))
