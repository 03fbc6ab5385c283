"""Layers that become trainable one after another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr, field_validator

from ladle import OptionError, Technique, Usual

if TYPE_CHECKING:
    import torch
    import transformers

    from ladle import Trainer


class Unfreeze(Technique):
    """Train the head first, then the highest layer with it, then the next one, down to the embeddings.

    Gradual unfreezing (Howard and Ruder 2018): what a model has learnt before is not lost to the first, large gradients
    of a new head. Layers whose turn has not come have no gradient; the optimiser leaves them alone, weight decay
    included. Layers that another technique fixes stay fixed.
    """

    needs = frozenset({"layers"})
    claims = frozenset({"order in which layers are trained"})

    every: Literal["epoch"] | float = Field(
        default="epoch", description="When the next layers join in: after each epoch, or after this share of the steps."
    )
    layers: Annotated[int, Usual(1, 24)] = Field(
        default=1, gt=0, description="How many layers join in at a time; the embeddings, last of all, count as one."
    )

    _pace: Any = PrivateAttr(default=None)

    @field_validator("every")
    @classmethod
    def _is_share(cls, every: str | float) -> str | float:
        if isinstance(every, float) and not 0 < every < 1:
            raise OptionError(
                f"{every:g} is no share of the steps", help='write a number between 0 and 1, such as 0.1, or "epoch"'
            )
        return every

    def check_with(self, trainer: Trainer) -> None:
        from .starts import check_backward, check_layers

        check_layers(trainer)
        check_backward(trainer)

    def callbacks(self) -> list[transformers.TrainerCallback]:
        from .pace import Pace

        self._pace = Pace(self.every)
        return [self._pace]

    def parameters(self, inner: Any, model: torch.nn.Module) -> list[dict[str, Any]]:
        """All groups, from the start: the optimiser passes over parameters without a gradient."""
        from .pace import groups_of

        groups = inner(model)
        self._pace.groups = groups_of(model, self.layers)
        times = math.ceil(self.setting.plan.trainer.epochs if self.every == "epoch" else 1 / self.every)
        if missed := max(0, len(self._pace.groups) - times):
            self.setting.notes["groups of layers whose turn to be trained does not come"] = missed
        return groups
