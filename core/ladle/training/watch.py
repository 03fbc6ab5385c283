"""Telling how training goes: progress, losses and metrics over time, throughput."""

from __future__ import annotations

import time
from typing import Any

import transformers

from .setting import Setting


class Watch(transformers.TrainerCallback):
    """Passes on what the Trainer tells, and how fast it is."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.seen: dict[str, Any] = {}
        """What has been trained on since the start of this process, by count: the loop keeps it up to date."""
        self._since = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._since = time.monotonic()
        self._progress(state, advance=state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._progress(state, advance=1)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        speed = self.throughput(time.monotonic() - self._since) if self._since else {}
        told = {"step": state.global_step, "epoch": state.epoch} | (logs or {}) | speed
        self.setting.events.emit("log", stage=self.setting.name, **told)

    def throughput(self, seconds: float) -> dict[str, float]:
        """Rows and tokens trained on per second."""
        return {
            f"{name}_per_second": round(float(self.seen[name]) / seconds, 1)
            for name in ("rows", "tokens")
            if name in self.seen
        }

    def _progress(self, state: Any, advance: int) -> None:
        self.setting.events.emit(
            "progress",
            stage=self.setting.name,
            doing="training",
            total=state.max_steps,
            advance=advance,
            unit="steps",
        )
