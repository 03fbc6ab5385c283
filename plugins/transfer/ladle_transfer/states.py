"""The output of fixed layers for every row, in a memory-mapped file of the store.

Of each row there are the states of all its tokens, or one vector where the head needs no more.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .fixed import LowerLayers
from .ways import Way, kept, least

if TYPE_CHECKING:
    from datasets import Dataset

    from ladle.training import Setting

_ROWS_AT_ONCE = 64
_ENOUGH = 4  # tokens, among which there is a difference between the first, the last and the mean
_TARGETS = {"label", "labels"}  # columns that have no part in what layers say


class KeptStates:
    """States of rows, one after another in one file: row i has those from `starts[i]` to `starts[i + 1]`."""

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / "about.json").read_text())
        self.way: Way = about["way"]
        """What is kept of each row."""
        self.starts = np.load(folder / "starts.npy")
        dtype = getattr(torch, about["dtype"])
        count = int(self.starts[-1]) * about["width"]
        self.states = torch.from_file(str(folder / "states.bin"), shared=False, size=count, dtype=dtype)
        self.states = self.states.view(-1, about["width"])

    def padded(self, rows: list[int], batch: dict[str, Any]) -> torch.Tensor:
        """The states of `rows`, [rows, length, width], padded where the batch is."""
        found = [self.states[self.starts[row] : self.starts[row + 1]] for row in rows]
        mask = batch.get("attention_mask")
        if self.way != "tokens" or mask is None:
            return torch.stack(found)
        padded = self.states.new_zeros(*mask.shape, self.states.shape[-1])
        padded[mask.bool()] = torch.cat(found)
        return padded


def keep_states(setting: Setting, rows: Dataset, lower: LowerLayers) -> KeptStates:
    """The states of all rows, from the store or worked out now: one forward pass through the lower layers."""
    tokens, lengths = _inputs_of(rows)
    way = least(lower, _batch(setting, rows, _of_unlike_length(lengths)))
    parts = {"layers": len(lower.layers), "way": way, "tokens": tokens, "precision": setting.precision}
    work_out = functools.partial(_work_out, setting=setting, rows=rows, lower=lower, lengths=lengths, way=way)
    return KeptStates(setting.keep("states", parts, work_out, goes_on=True))


def _inputs_of(rows: Dataset) -> tuple[str, np.ndarray]:
    """A digest of what rows have to say to layers, and how many tokens each has."""
    digest = hashlib.blake2b(digest_size=20)
    lengths = [np.zeros(0, np.int64)]
    names = [name for name, feature in rows.features.items() if _are_numbers(feature) and name not in _TARGETS]
    for part in rows.select_columns(names).with_format("arrow").iter(10_000):
        for name in names:
            lists = part[name].combine_chunks()
            counts = lists.value_lengths().to_numpy(zero_copy_only=False)
            digest.update(name.encode() + counts.tobytes() + lists.flatten().to_numpy().astype(np.int64).tobytes())
            if name == "input_ids":
                lengths.append(counts)
    return digest.hexdigest(), np.concatenate(lengths)


def _are_numbers(feature: Any) -> bool:
    """Whether a column holds lists of whole numbers."""
    return getattr(getattr(feature, "feature", None), "dtype", "").startswith(("int", "uint"))


def _of_unlike_length(lengths: np.ndarray) -> list[int]:
    """Up to three rows, each of another length, short, but long enough to try on them what has to be kept."""
    found, rows = np.unique(lengths, return_index=True)
    first = min(np.searchsorted(found, _ENOUGH), max(0, len(found) - 3))
    return rows[first : first + 3].tolist()


def _batch(setting: Setting, rows: Dataset, chosen: list[int]) -> dict[str, Any]:
    """The tensors of a batch of the chosen rows, as the trainer alone makes it."""
    batch = setting.plan.trainer.batch(rows.__getitems__(chosen))
    return {name: value.to(setting.device) for name, value in batch.items() if isinstance(value, torch.Tensor)}


def _work_out(folder: Path, setting: Setting, rows: Dataset, lower: LowerLayers, lengths: np.ndarray, way: Way) -> None:
    """Write the states of all rows; what was written before a process was killed is not worked out again."""
    starts = np.concatenate([[0], np.cumsum(lengths if way == "tokens" else np.ones_like(lengths))])
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
            batch = _batch(setting, rows, chosen)
            output = lower.output(batch)
            if states is None:
                _describe(folder, output, way)
                states = _open(folder, int(starts[-1]))
            mask = batch.get("attention_mask")
            for position, row in enumerate(chosen):
                own = output[position] if mask is None else output[position][mask[position].bool()]
                states[starts[row] : starts[row + 1]] = kept(own, way).cpu()
            _note(progress, first + len(chosen))
            done(len(chosen))
    np.save(folder / "starts.npy", starts)
    progress.unlink()


def _note(progress: Path, written: int) -> None:
    """Say how many rows have been written, whole or not at all."""
    beside = progress.with_suffix(".new")
    beside.write_text(str(written))
    os.replace(beside, progress)


def _describe(folder: Path, like: torch.Tensor, way: Way) -> None:
    about = {"width": like.shape[-1], "dtype": str(like.dtype).removeprefix("torch."), "way": way}
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
