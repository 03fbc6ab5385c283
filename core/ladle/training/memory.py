"""Not enough memory for a batch: what to do about it, and batches half as large."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate.utils.memory import should_reduce_batch_size

from ..errors import Problem, StageError
from ..store import read_json, write_json

BATCH = "batch.json"  # in the folder of a stage under way: what its batches have come down to
_GIB = 1 << 30


class OutOfMemoryError(Exception):
    """A training had not enough memory; says what it was doing."""


class BatchSize(NamedTuple):
    """How many rows are in a batch, and how many batches make a step."""

    batch_size: int
    accumulate: int

    def smaller(self) -> BatchSize | None:
        """At most half as many rows in a batch, but as many in a step; None if a batch is one row already."""
        rows = self.batch_size * self.accumulate
        sizes = (size for size in range(self.batch_size // 2, 0, -1) if rows % size == 0)
        return next((BatchSize(size, rows // size) for size in sizes), None)

    def remember(self, folder: Path) -> None:
        write_json(folder / BATCH, self._asdict())

    @classmethod
    def remembered(cls, folder: Path) -> BatchSize | None:
        """What an earlier attempt of this training has come down to."""
        return cls(**read_json(folder / BATCH)) if (folder / BATCH).is_file() else None


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory was too small."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or should_reduce_batch_size(error)


def shapes(batch: dict[str, Any]) -> str:
    """The tensors of a batch as a person reads them."""
    found = [(name, value.shape) for name, value in batch.items() if isinstance(value, torch.Tensor)]
    return ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in found)


def memory_problem(title: str, error: OutOfMemoryError, size: BatchSize, device: str) -> StageError:
    """The error that tells what would fit."""
    remedies = []
    if smaller := size.smaller():
        remedies.append(
            f"batch_size = {smaller.batch_size} with accumulate = {smaller.accumulate} trains on as many rows a step "
            "(auto_batch = true does so by itself)"
        )
    remedies.append("shorter inputs, more frozen layers or a smaller model need less")
    remedies.append("arguments = { gradient_checkpointing = true } trades time for memory")
    return StageError(Problem("memory", f"{title}: out of memory ({_there_is(device)}) {error}", "; ".join(remedies)))


def _there_is(device: str) -> str:
    if device == "cuda":
        free, whole = torch.cuda.mem_get_info()
    else:
        import psutil

        found = psutil.virtual_memory()
        free, whole = found.available, found.total
    return f"{whole / _GIB:.1f} GiB on this {'GPU' if device == 'cuda' else 'machine'}, {free / _GIB:.1f} GiB free now"
