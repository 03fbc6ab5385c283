"""When a training is kept, and what it goes on from."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import transformers

from ..interrupts import Patience
from ..store import read_json, read_note, write_json
from .setting import Setting

if TYPE_CHECKING:
    from .loop import PlanTrainer

_SHARE = 0.03  # of the time: at most so much is lost to a kill, or spent on checkpoints where that would be less
_LONGEST = 600.0  # seconds without a checkpoint, however long the training
_BYTES = 12  # of weight and optimiser for each parameter
_STATE = "trainer_state.json"
_SPEED = 5e8  # bytes a second: how fast a checkpoint is written, until one has been timed


class Checkpoints(transformers.TrainerCallback):
    """Asks for a checkpoint whenever a kill would cost too much, and when the training is to stop.

    The time between two is a share of the whole training's, unless writing them would take more than that share.
    At the end of an epoch that is evaluated, the Trainer keeps one by itself afterwards.
    """

    def __init__(self, setting: Setting, patience: Patience) -> None:
        self.setting = setting
        self.patience = patience
        self._cost = 0.0
        self._last = self._asked = self._begun = 0.0
        self._first_step = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self._cost = sum(p.numel() for p in model.parameters()) * _BYTES / _SPEED
        self._last = self._begun = time.monotonic()
        self._first_step = state.global_step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        ends_epoch = control.should_training_stop or float(state.epoch).is_integer()
        if ends_epoch and args.eval_strategy == "epoch":
            return  # going on from here would pass over the evaluation
        self._asked = time.monotonic()
        steps = state.global_step - self._first_step
        whole = (self._asked - self._begun) / steps * state.max_steps
        due = max(min(whole * _SHARE, _LONGEST), self._cost / _SHARE)
        if self.patience.asked or self._asked - self._last > due:
            control.should_save = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._asked = time.monotonic()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._last = time.monotonic()
        if not control.should_evaluate:  # or the time of the evaluation is in it
            self._cost = self._last - self._asked
        if self.patience.asked:
            self.setting.events.emit(
                "training-stopped", stage=self.setting.name, step=state.global_step, steps=state.max_steps
            )
            raise KeyboardInterrupt


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint that a training left in `folder`; broken ones are removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    while found:
        state = read_note(found[-1] / _STATE)  # what a Trainer writes last
        if state is None:
            shutil.rmtree(found.pop())
            continue
        if best := state["best_model_checkpoint"]:  # the folder may have been moved
            state["best_model_checkpoint"] = str(folder / Path(best).name)
            write_json(found[-1] / _STATE, state)
        return found[-1]
    return None


def was_last(checkpoint: Path) -> bool:
    """Whether a training had ended with this checkpoint, and had only to be measured."""
    control = read_json(checkpoint / _STATE)["stateful_callbacks"]["TrainerControl"]["args"]
    return bool(control["should_training_stop"])


def restore(loop: PlanTrainer, checkpoint: Path) -> None:
    """Give a loop the model, and the history, with which its training had ended."""
    loop.state = transformers.TrainerState.load_from_json(str(checkpoint / _STATE))
    setting = loop.plan.trainer.setting
    setting.begin(loop.state)
    setting.end()
    loop._load_from_checkpoint(loop.state.best_model_checkpoint or str(checkpoint))
