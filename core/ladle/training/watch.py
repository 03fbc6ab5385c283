"""Telling how training goes: progress, losses and metrics over time, throughput."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import transformers

from .setting import Setting

if TYPE_CHECKING:
    from .loop import PlanTrainer

_SPEEDS = ("rows", "tokens")


class Watch(transformers.TrainerCallback):
    """Passes on what the Trainer tells, and how fast it is."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.loop: PlanTrainer
        """The loop that is watched."""
        self._since = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.setting.begin(state)
        self._since = time.monotonic()
        if state.global_step:
            self.setting.events.emit(
                "training-resumed", stage=self.setting.name, step=state.global_step, steps=state.max_steps
            )
        self._progress(state, advance=state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.setting.end()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._progress(state, advance=1)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        told = {"step": state.global_step, "epoch": state.epoch} | (logs or {}) | self.throughput()
        self.setting.events.emit("log", stage=self.setting.name, **told)

    def throughput(self) -> dict[str, float]:
        """Rows and tokens trained on per second of training in this process; evaluation does not count."""
        seconds = time.monotonic() - self._since - self.loop.evaluating
        seen = self.loop.seen
        return {f"{name}_per_second": round(float(seen[name]) / seconds, 1) for name in _SPEEDS if name in seen}

    def _progress(self, state: Any, advance: int) -> None:
        self.setting.events.emit(
            "progress",
            stage=self.setting.name,
            doing="training",
            total=state.max_steps,
            advance=advance,
            unit="steps",
        )
