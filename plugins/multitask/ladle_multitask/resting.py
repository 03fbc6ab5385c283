"""Parameters that have no part in the loss of a batch, or of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import transformers

if TYPE_CHECKING:
    from ladle.training import Setting


class _Beside(torch.autograd.Function):
    """Gives its first argument as it is; the others get a gradient of zeros."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(*parameters)
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return gradient, *(p.new_zeros(()).expand_as(p) for p in ctx.saved_tensors)


def with_zero_gradients(values: torch.Tensor, parameters: list[torch.nn.Parameter]) -> torch.Tensor:
    """The values; whenever these have a gradient, `parameters` get one of zeros."""
    return _Beside.apply(values, *parameters)


class Resting(transformers.TrainerCallback):
    """Takes the gradients, all zeros, off parameters whose tasks had no row in a step.

    The optimiser passes over these, so that a head neither decays nor drifts on while others are trained.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.seen: set[str] = set()
        """The tasks of this process's batches in the step under way."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.setting.model.begin()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.setting.model.end()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        model = self.setting.model
        at_work = torch.tensor([float(name in self.seen) for name in model.names], device=self.setting.device)
        if args.world_size > 1:
            torch.distributed.all_reduce(at_work, torch.distributed.ReduceOp.MAX)
        learning = {
            p for name, on in zip(model.names, at_work.tolist(), strict=True) if on for p in model.used_by(name)
        }
        for parameter in model.parameters():
            if parameter not in learning:
                parameter.grad = None
        self.seen.clear()
