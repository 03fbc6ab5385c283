"""TRL's Trainer classes, so that ladle's loop can stand before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import transformers
import trl
from huggingface_hub import constants
from trl.trainer import grpo_trainer

constants.HF_HUB_DISABLE_TELEMETRY = True  # or TRL's classes tell a hub of each training, whatever is asked of them

_Below: Any = object  # stands for the class of TRL's that is mixed in below


class Tuned(_Below):
    """What is otherwise in all of them: rows come ready, measures are ladle's, and no model card is written."""

    model: Any
    state: Any

    def __init__(self, *args: Any, begun: Callable[[Any], None], **options: Any) -> None:
        super().__init__(*args, **options)
        begun(self)

    def own_loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        """The loss of a batch as TRL's class has it, a number."""
        return super().compute_loss(model, batch)

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None for a checkpoint."""

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """TRL adds what it knows of the training to whatever is logged: measures are left as they are."""
        if any(name.startswith("eval_") for name in logs):
            transformers.Trainer.log(self, logs, start_time)
        else:
            super().log(logs, start_time)


class PreferenceLoop(Tuned, trl.DPOTrainer):
    """TRL's DPO."""


class ScoreLoop(Tuned, trl.RewardTrainer):
    """TRL's training of reward models."""


class PolicyLoop(Tuned, trl.GRPOTrainer):
    """TRL's GRPO: answers prompts, scores the answers, and makes those that were better likelier."""

    def __init__(
        self, *args: Any, data_collator: Any, reference: Callable[[], torch.nn.Module], **options: Any
    ) -> None:
        with _as_reference(reference):
            super().__init__(*args, **options)
        self.data_collator = data_collator  # which TRL takes none of

    def _prepare_inputs(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The answers of one batch: those that were given to it, or new ones where all have been used."""
        if self._step == 0 and self.state.global_step:  # goes on from a checkpoint
            self._step = self.state.global_step * self.args.gradient_accumulation_steps
        answered = super()._prepare_inputs(batch["rows"])
        whole = {
            name: torch.cat([answered[f"prompt_{part}"], answered[f"completion_{part}"]], dim=1)
            for name, part in (("input_ids", "ids"), ("attention_mask", "mask"))
        }
        return {**answered, **whole}  # for techniques that move embeddings


@contextmanager
def _as_reference(reference: Callable[[], torch.nn.Module]) -> Iterator[None]:
    """Within it, TRL's GRPO takes this model for its reference, rather than what it finds under the model's name.

    What it would find there lacks whatever was new in the model when the training began.
    """
    own = grpo_trainer.create_model_from_path
    grpo_trainer.create_model_from_path = lambda *_, **__: reference()
    try:
        yield
    finally:
        grpo_trainer.create_model_from_path = own
