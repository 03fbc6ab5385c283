"""What a curriculum does over time: it notes what was followed, and remembers what was measured."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import transformers
from transformers.trainer_callback import ExportableState

from .schedules import Schedule, SelfPaced


class Followed(transformers.TrainerCallback):
    """Adds what a schedule says of the steps since the last entry to each entry of the history that tells a loss."""

    def __init__(self, schedule: Callable[[], Schedule]) -> None:
        self.schedule = schedule
        self._steps: list[dict[str, float]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        schedule = self.schedule()
        batches = args.gradient_accumulation_steps * args.world_size  # of a step
        steps = math.ceil(len(schedule) / batches)
        first = (state.global_step - 1) % steps * batches
        told = [schedule.told(batch) for batch in range(first, min(first + batches, len(schedule)))]
        self._steps.append({name: float(np.mean([batch[name] for batch in told])) for name in told[0]})

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if self._steps and "loss" in (logs or {}):
            names = self._steps[-1]
            state.log_history[-1] |= {
                name: float(np.mean([step[name] for step in self._steps if name in step])) for name in names
            }
            self._steps = []


class Memory(transformers.TrainerCallback, ExportableState):
    """The losses that a self-paced epoch goes by, kept in checkpoints, so that one that goes on goes by the same."""

    def __init__(self) -> None:
        self.epoch: int | None = None
        """The epoch at whose beginning they were measured."""
        self.first: float | None = None
        """The first threshold."""
        self.encoded = ""

    def remember(self, epoch: int, losses: np.ndarray) -> None:
        """Keep the loss of each row, [rows], as float32."""
        self.epoch = epoch
        self.encoded = base64.b64encode(losses.astype("<f4").tobytes()).decode()

    @property
    def losses(self) -> np.ndarray:
        """The loss of each row, [rows]."""
        return np.frombuffer(base64.b64decode(self.encoded), "<f4").astype(np.float64)

    def state(self) -> dict[str, Any]:
        return {"args": {}, "attributes": {"epoch": self.epoch, "first": self.first, "encoded": self.encoded}}

    def on_train_begin(self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **_: Any) -> None:
        sampler = train_dataloader.batch_sampler
        while not isinstance(sampler, SelfPaced):  # several processes share it
            sampler = sampler.batch_sampler
        sampler.memory = self  # a Trainer that goes on makes another one of what was kept
