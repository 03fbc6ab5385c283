"""Rows of unequal length as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def left_padded(rows: Sequence[Sequence[int]], padding: int) -> dict[str, Any]:
    """Prompts as a batch whose rows all end together: `input_ids` and `attention_mask` [rows, longest], and `counts`.

    A model goes on at the end of a row, so padding stands before it, where the mask is 0.
    """
    longest = max(map(len, rows))
    ids = [[padding] * (longest - len(row)) + list(row) for row in rows]
    mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
    counts = {"rows": torch.tensor(len(rows))}
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask), "counts": counts}
