"""Running a model over rows without training it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from datasets import Dataset

    from ..components import Trainer

UNSAID = -100  # stands where a row has fewer values than others


def outputs(trainer: Trainer, model: torch.nn.Module, dataset: Dataset) -> dict[str, np.ndarray]:
    """What a model says of each row: arrays [rows, …] in the order of the rows.

    Rows are prepared by the trainer without its techniques.
    """
    order = _order(dataset)
    found: dict[str, list[np.ndarray]] = {}
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), trainer.setting.autocast():
            for rows in _batches(order, trainer.batch_size):
                batch = _to(trainer.batch(dataset.__getitems__(rows.tolist())), next(model.parameters()).device)
                for name, values in trainer.outputs(model, batch).items():
                    wide = values.float() if values.is_floating_point() else values
                    found.setdefault(name, []).append(wide.cpu().numpy())
    finally:
        model.train(was_training)
    back = np.argsort(order)
    return {name: _joined(parts)[back] for name, parts in found.items()}


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """Arrays [rows, …] one after another, as large as the largest in every further dimension."""
    largest = np.max([part.shape[1:] for part in parts], axis=0, initial=0).astype(int)
    filler = np.nan if np.issubdtype(parts[0].dtype, np.floating) else UNSAID
    joined = np.full((sum(map(len, parts)), *largest), filler, parts[0].dtype)
    start = 0
    for part in parts:
        joined[(slice(start, start + len(part)), *map(slice, part.shape[1:]))] = part
        start += len(part)
    return joined


def _order(dataset: Dataset) -> np.ndarray:
    """Rows of like length beside each other: the less is padded, the faster."""
    if "length" not in dataset.column_names:
        return np.arange(len(dataset))
    return np.argsort(dataset.with_format("numpy")["length"][:], kind="stable")


def _batches(order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _to(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    return {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in batch.items()}
