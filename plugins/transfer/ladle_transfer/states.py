"""The output of fixed layers for every row, in a memory-mapped file of the store."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .layers import LowerLayers

if TYPE_CHECKING:
    from datasets import Dataset

    from ladle.training import Setting

_ROWS_AT_ONCE = 64


class KeptStates:
    """States of rows, one after another in one file: row i has those from `starts[i]` to `starts[i + 1]`."""

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / "about.json").read_text())
        self.starts = np.load(folder / "starts.npy")
        dtype = getattr(torch, about["dtype"])
        count = int(self.starts[-1]) * about["width"]
        self.states = torch.from_file(str(folder / "states.bin"), shared=False, size=count, dtype=dtype)
        self.states = self.states.view(-1, about["width"])

    def padded(self, rows: list[int], batch: dict[str, Any]) -> torch.Tensor:
        """The states of `rows`, [rows, length, width], padded where the batch is."""
        found = [self.states[self.starts[row] : self.starts[row + 1]] for row in rows]
        mask = batch.get("attention_mask")
        if mask is None:
            return torch.stack(found)
        padded = self.states.new_zeros(*mask.shape, self.states.shape[-1])
        padded[mask.bool()] = torch.cat(found)
        return padded


def keep_states(setting: Setting, rows: Dataset, lower: LowerLayers) -> KeptStates:
    """The states of all rows, from the store or worked out now: one forward pass through the lower layers."""
    ids = rows.with_format("numpy")["input_ids"]
    tokens = hashlib.blake2b(digest_size=20)
    for row in ids:
        tokens.update(np.asarray(row, np.int64).tobytes() + b"|")
    parts = {"layers": len(lower.layers), "tokens": tokens.hexdigest(), "precision": setting.precision}
    folder = setting.keep("states", parts, lambda folder: _work_out(folder, setting, rows, lower), goes_on=True)
    return KeptStates(folder)


def _work_out(folder: Path, setting: Setting, rows: Dataset, lower: LowerLayers) -> None:
    """Write the states of all rows; what was written before a process was killed is not worked out again."""
    lengths = rows.with_format("numpy")["length"][:]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    order = np.argsort(lengths, kind="stable")
    progress = folder / "progress"
    written = int(progress.read_text()) if progress.is_file() else 0
    states = _open(folder, int(starts[-1])) if written else None
    lower.model.eval()
    with (
        torch.inference_mode(),
        setting.autocast(),
        setting.progress("fixed layers, once", len(rows)) as done,
    ):
        done(written)
        for first in range(written, len(order), _ROWS_AT_ONCE):
            chosen = order[first : first + _ROWS_AT_ONCE].tolist()
            batch = setting.plan.trainer.batch(rows.__getitems__(chosen))
            output = lower.output({n: v.to(setting.device) for n, v in batch.items() if isinstance(v, torch.Tensor)})
            if states is None:
                _describe(folder, output)
                states = _open(folder, int(starts[-1]))
            mask = batch.get("attention_mask")
            for position, row in enumerate(chosen):
                own = output[position] if mask is None else output[position][mask[position].bool()]
                states[starts[row] : starts[row + 1]] = own.cpu()
            _note(progress, first + len(chosen))
            done(len(chosen))
    np.save(folder / "starts.npy", starts)
    progress.unlink()


def _note(progress: Path, written: int) -> None:
    """Say how many rows have been written, whole or not at all."""
    beside = progress.with_suffix(".new")
    beside.write_text(str(written))
    os.replace(beside, progress)


def _describe(folder: Path, like: torch.Tensor) -> None:
    about = {"width": like.shape[-1], "dtype": str(like.dtype).removeprefix("torch.")}
    (folder / "about.json").write_text(json.dumps(about))


def _open(folder: Path, count: int) -> torch.Tensor:
    """The file of states, [count, width], to be written through memory; it comes into being if it is not there."""
    about = json.loads((folder / "about.json").read_text())
    dtype = getattr(torch, about["dtype"])
    path, size = folder / "states.bin", count * about["width"]
    if size and hasattr(os, "posix_fallocate"):  # or a full disk would show as a signal that kills the process
        with path.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, size * dtype.itemsize)
    return torch.from_file(str(path), shared=True, size=size, dtype=dtype).view(count, about["width"])
