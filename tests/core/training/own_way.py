"""A Trainer class that has its own way in everything: rows from the last to the first, a loss in shares of the step."""

from __future__ import annotations

from typing import Any

import transformers


class OwnWay(transformers.Trainer):
    """It collates by itself, and takes no collator."""

    loss_is_scaled_for_ga = True

    def __init__(
        self, model: Any, args: Any, train_dataset: Any, eval_dataset: Any = None, callbacks: Any = None
    ) -> None:
        super().__init__(
            model=model, args=args, train_dataset=train_dataset, eval_dataset=eval_dataset, callbacks=callbacks
        )

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return range(len(train_dataset or self.train_dataset) - 1, -1, -1)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        assert num_items_in_batch is None
        steps = self.current_gradient_accumulation_steps if model.training else 1
        found = super().compute_loss(model, inputs, return_outputs)
        return (found[0] / steps, found[1]) if return_outputs else found / steps
