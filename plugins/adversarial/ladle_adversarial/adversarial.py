"""Training against moves of embeddings."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from ladle import OptionError, Technique, Usual

if TYPE_CHECKING:
    import torch
    import transformers

    from ladle import Trainer
    from ladle.training import Terms

    from .passes import Attacked, RepeatedStep

_UNUSED = {"fgm": ("steps", "step_size"), "pgd": ("weight",), "free-lb": ("weight",), "smoothness": ()}
_STEPS = {"pgd": 3, "free-lb": 3, "smoothness": 1}


class Adversarial(Technique):
    """Train on embeddings that are moved against the loss, so that small changes of a text change the answer less.

    `fgm` adds the loss after one step of norm `epsilon` against it (Miyato, Dai & Goodfellow 2017). `pgd` trains on the
    loss after several steps, each back into the ball of radius `epsilon` (Madry et al. 2018). `free-lb` starts
    within the ball and averages the gradients of all its steps (Zhu et al. 2020). `smoothness` adds how far outputs
    differ at the worst move of the ball, without looking at labels (SMART, Jiang et al. 2020; VAT, Miyato et al. 2018).
    All passes over a batch leave out the same units (dropout).
    """

    needs = frozenset({"embeddings"})

    method: Literal["fgm", "pgd", "free-lb", "smoothness"] = Field(
        default="fgm", description="How embeddings are moved, and what is learnt from it."
    )
    epsilon: Annotated[
        float, Usual(0.002, 9, "so small a move changes hardly any answer", "nothing is left of a text")
    ] = Field(
        default=0.1,
        gt=0,
        description="Largest L2 norm of a move. It depends on the model how much is too much: where the loss under "
        "attack does not fall, take less.",
    )
    norm: Literal["sentence", "token"] = Field(
        default="sentence",
        description="Whose norm that is: of the move of all tokens of a row, or of each token's.",
    )
    steps: Annotated[int | None, Usual(1, 20, why_high="each costs a pass over the batch")] = Field(
        default=None, gt=0, description="Steps against the loss; if left out, 3 (`smoothness`: 1). `fgm` makes one."
    )
    step_size: float | None = Field(
        default=None, gt=0, description="L2 norm of a step; 2.5 * epsilon / steps if left out, as Madry et al. have it."
    )
    weight: Annotated[float | None, Usual(0.01, 20)] = Field(
        default=None, gt=0, description="Weight of what `fgm` and `smoothness` add to the loss; 1 if left out."
    )

    _repeated: Any = PrivateAttr(default=None)  # the step under way, of several passes
    _made: int = PrivateAttr(default=0)  # optimiser steps

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> Adversarial:
        for option in _UNUSED[self.method]:
            if getattr(self, option) is not None:
                why = "makes one step, of norm `epsilon`" if self.method == "fgm" else "adds nothing to the loss"
                raise OptionError(
                    f"`{self.method}` {why}: `{option}` has no effect", option=option, help="leave the option out"
                )
        return self

    def check_with(self, trainer: Trainer) -> None:
        if self.method != "fgm" and "items" not in trainer.offers:
            raise OptionError(
                f"`{self.method}` needs a loss with one value per item, and this trainer gives one per batch",
                option="method",
                help='method = "fgm" works with every trainer that embeds tokens',
            )

    def callbacks(self) -> list[transformers.TrainerCallback]:
        from .steps import CountingSteps

        return [CountingSteps(self._count)]

    def _count(self, made: int) -> None:
        self._made = made

    def step(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        if not self._repeats_steps:
            return inner(model, batch)
        self._repeated = self._repetition(batch)
        try:
            return self._repeated.run(functools.partial(inner, model, batch))
        finally:
            self._repeated = None

    def loss(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        from .passes import fast_gradient, projected_gradient
        from .smoothness import smoothness

        if self._repeated is not None:
            return self._repeated.loss(inner, model, batch)
        attacked = self._attacked(batch)
        if self.method == "fgm":
            return fast_gradient(attacked, self._weight, inner, model, batch)
        if self.method == "pgd":
            return projected_gradient(attacked, self._steps, inner, model, batch)
        return smoothness(attacked, self._steps, self._weight, self.setting.model, inner, model, batch)

    @property
    def _repeats_steps(self) -> bool:
        """Whether whole steps are repeated, which is quicker and smaller: where the Trainer class's may be."""
        return self.method in ("fgm", "free-lb") and "items" in self.setting.plan.trainer.offers

    def _repetition(self, batch: dict[str, Any]) -> RepeatedStep:
        from .passes import RepeatedStep, under_attack

        attacked, parameters = self._attacked(batch), self.setting.model.parameters()
        if self.method == "fgm":
            return RepeatedStep(attacked, [1.0, self._weight], [str, under_attack], parameters)
        return RepeatedStep(attacked, [1 / self._steps] * self._steps, [under_attack] * self._steps, parameters)

    def _attacked(self, batch: dict[str, Any]) -> Attacked:
        from .ball import Ball
        from .passes import Attacked

        seed = None if self.method == "fgm" else self.setting.seed * 1_000_003 + self._made
        length = self.epsilon if self.method == "fgm" else self.step_size or 2.5 * self.epsilon / self._steps
        return Attacked(self.setting.model, batch, Ball(self.epsilon, self.norm == "token"), length, seed)

    @property
    def _steps(self) -> int:
        return self.steps or _STEPS[self.method]

    @property
    def _weight(self) -> float:
        return self.weight or 1.0
