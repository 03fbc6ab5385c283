"""What a curriculum does over time: it tells what was followed, and remembers what was measured."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import transformers
from transformers.trainer_callback import ExportableState

from .schedules import Schedule, SelfPaced

if TYPE_CHECKING:
    from ladle.training import Setting


class Followed(transformers.TrainerCallback):
    """Tells what a schedule says of the batches of each step."""

    def __init__(self, setting: Setting, schedule: Callable[[], Schedule]) -> None:
        self.setting = setting
        self.schedule = schedule

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        schedule = self.schedule()
        batches = args.gradient_accumulation_steps * args.world_size  # of a step
        steps = math.ceil(len(schedule) / batches)
        first = (state.global_step - 1) % steps * batches
        for batch in range(first, min(first + batches, len(schedule))):
            for name, value in schedule.told(batch).items():
                self.setting.tell(name, value)


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
