"""How far a training is, and what is told of it."""

from __future__ import annotations

from typing import Any

import torch
import transformers


class Progress(transformers.TrainerCallback):
    """Knows epoch and step (from the Trainer's state, which checkpoints keep), and logs shares of rows as curves."""

    def __init__(self, notes: dict[str, Any]) -> None:
        self._notes = notes
        self._state: Any = None
        self._counted: dict[str, tuple[Any, int]] = {}

    @property
    def epoch(self) -> int:
        return int(self._state.epoch or 0)

    @property
    def share(self) -> float:
        """The share of all steps that has been made."""
        return self._state.global_step / self._state.max_steps

    def count(self, what: str, are: torch.Tensor) -> None:
        """Take note of which rows [rows] of a batch are so."""
        number, rows = self._counted.get(what, (0, 0))
        self._counted[what] = number + are.sum(), rows + len(are)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._state = state

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        if "loss" not in (logs or {}):
            return
        for what, (number, rows) in self._counted.items():
            state.log_history[-1][what] = round(float(number) / max(rows, 1), 4)
        self._counted = {}

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        for entry in state.log_history:
            told = {f"{name}, at the end": value for name, value in entry.items() if name.startswith("share of ")}
            self._notes |= told
