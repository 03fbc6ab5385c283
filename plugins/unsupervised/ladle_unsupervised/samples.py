"""What a model writes while it learns."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
import transformers

from .continuation import Samples

if TYPE_CHECKING:
    from .causal import CausalLanguageModel

_KEPT = "the model that is kept"


class Diary(transformers.TrainerCallback):
    """Has the model continue texts at the end of each epoch, tells it, and keeps it in the history of the training."""

    def __init__(self, trainer: CausalLanguageModel, samples: Samples) -> None:
        self.trainer = trainer
        self.samples = samples
        self._history: list[dict[str, Any]] = []
        self._is_training = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._is_training = True
        self._history = state.log_history

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        told = {"epoch": state.epoch, "step": state.global_step, "samples": self._written()}
        self._history = state.log_history
        self._history.append(told)
        setting = self.trainer.setting
        setting.events.emit("samples", stage=setting.name, **told)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._is_training = False

    def table(self) -> list[dict[str, str]]:
        """All that was written, prompt by prompt; once the training has ended, also by the model that it left."""
        told = [(f"epoch {entry['epoch']:g}", entry["samples"]) for entry in self._history if "samples" in entry]
        if not self._is_training:
            told.append((_KEPT, self._last))
        return [
            {"prompt": prompt, "written by": when, "continuation": samples[number]["continuation"]}
            for number, prompt in enumerate(self.samples.prompts)
            for when, samples in told
        ]

    @functools.cached_property
    def _last(self) -> list[dict[str, str]]:
        return self._written()

    def _written(self) -> list[dict[str, str]]:
        model = self.trainer.setting.model
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad(), self.trainer.setting.autocast():
                found = self.trainer.continuations(self.samples.prompts, self.samples)
        finally:
            model.train(was_training)
        return [{"prompt": p, "continuation": text} for p, text in zip(self.samples.prompts, found, strict=True)]
