"""A loss that is no number any more, or grows beyond bounds: nothing that comes after it is worth training."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import safetensors.torch
import torch

from ..rows import ID, SYSTEM, Rows

_TIMES = 20  # the loss it began with (1, if that was less), as a mean over about the last ten steps
_REMEMBERED = 0.9


class LossGuard:
    """Looks at the loss of every batch."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._mean = 0.0
        self._step = 0.0

    def fault(self, share: float, ends_step: bool) -> str:
        """What is wrong with the loss after a batch that had this `share` in its step's; empty if nothing is."""
        if not math.isfinite(share):
            return f"the loss is {'not a number' if math.isnan(share) else 'infinite'}"
        self._step += share
        if not ends_step:
            return ""
        loss, self._step = self._step, 0.0
        if self._first is None:
            self._first = self._mean = loss
        self._mean = _REMEMBERED * self._mean + (1 - _REMEMBERED) * loss
        if self._mean > _TIMES * max(1.0, self._first):
            return f"the loss has grown to {self._mean:.4g}, from {self._first:.4g} at first"
        return ""


def keep_batch(folder: Path, batch: dict[str, Any], ids: Sequence[str], data: Iterable[Rows]) -> None:
    """Write a batch to look into: its tensors, and the rows of the data sets that it was made of."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.contiguous() for name, value in batch.items() if isinstance(value, torch.Tensor)}
    safetensors.torch.save_file(tensors, folder / "batch.safetensors")
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        for whole in itertools.chain.from_iterable(rows.whole_batches() for rows in data):
            for row in whole.filter(pc.is_in(whole[ID], pa.array(ids, pa.string()))).to_pylist():
                shown = {ID: row[ID]} | {name: value for name, value in row.items() if name not in SYSTEM}
                file.write(json.dumps(shown, ensure_ascii=False, default=str) + "\n")
