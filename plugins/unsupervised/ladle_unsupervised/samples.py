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
    """Has the model continue texts, and shows how, at the end of each epoch."""

    def __init__(self, trainer: CausalLanguageModel, samples: Samples) -> None:
        self.trainer = trainer
        self.samples = samples

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.trainer.setting.show(self._written())

    def table(self) -> list[dict[str, str]]:
        """All that was written, prompt by prompt; once the training has ended, also by the model that it left."""
        shown = [(f"epoch {entry['epoch']:g}", entry["samples"]) for entry in self.trainer.setting.shown()]
        if not self.trainer.setting.is_training:
            shown.append((_KEPT, self._last))
        return [
            {"prompt": prompt, "written by": when, "continuation": samples[number]["continuation"]}
            for number, prompt in enumerate(self.samples.prompts)
            for when, samples in shown
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
