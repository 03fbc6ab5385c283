"""Steps in which tasks do not work against each other."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr

from ladle import OptionError, Technique

if TYPE_CHECKING:
    import torch

    from ladle import Trainer


class PCGrad(Technique):
    """Take from each task's gradient what points against those of other tasks (PCGrad, Yu et al. 2020).

    That concerns the parameters that tasks share, and the batches of one step: `accumulate` has to be so large that
    several tasks meet in it. The gradient of a task is that of all its batches in the step. One copy of the shared
    parameters is held for each task.
    """

    needs = frozenset({"tasks"})
    claims = frozenset({"gradients of tasks"})

    _sums: dict[str, Any] = PrivateAttr(default_factory=dict)  # of each task in the step its gradient, [shared]
    _shared: Any = PrivateAttr(default=None)

    def check_with(self, trainer: Trainer) -> None:
        if trainer.accumulate == 1:
            raise OptionError(
                "each step has one batch, of one task: no two gradients meet",
                help="write accumulate = 4, for example, in the [[train]] table, and make batches smaller",
            )

    def model(self, inner: Any) -> torch.nn.Module:
        self._sums = {}  # a training that memory was too small for may have left some
        techniques = self.setting.plan.techniques
        after = techniques[techniques.index(self) + 1 :]
        if other := next((one for one in after if type(one).step is not Technique.step), None):
            error = OptionError(
                "`pcgrad` has to see the gradients that this technique leaves", help="name `pcgrad` after it"
            )
            error.component = techniques.index(other)
            raise error
        return inner()

    def step(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        from accelerate.state import GradientState

        from .surgery import taken

        if not self._sums:
            self._shared = [p for p in self.setting.model.shared() if p.requires_grad]
        if not self._shared:  # as long as another technique lets the heads alone learn
            return inner(model, batch)
        with getattr(model, "no_sync", contextlib.nullcontext)():  # processes share gradients once these are parted
            loss = inner(model, batch)
        name = batch["task"]
        found = taken(self._shared)
        self._sums[name] = self._sums[name] + found if name in self._sums else found
        if GradientState().sync_gradients:  # the step's last batch
            self._put_together()
        return loss

    def _put_together(self) -> None:
        """Give the shared parameters the sum of all tasks' gradients after surgery."""
        import numpy as np
        import torch

        from .surgery import given, mean_of_processes, without_conflicts

        nothing = torch.zeros_like(next(iter(self._sums.values())))
        gradients = [self._sums.get(name, nothing.clone()) for name in self.setting.model.names]
        shared = set(self._shared)
        alone = [p.grad for p in self.setting.model.parameters() if p.grad is not None and p not in shared]
        mean_of_processes([*gradients, *alone])
        there = [gradient for gradient in gradients if gradient.any()] or gradients[:1]
        total, conflicts = without_conflicts(
            there, np.random.default_rng((self.setting.seed, self.setting.course.global_step))
        )
        given(self._shared, total)
        self._sums = {}
        self.setting.tell("pairs of tasks in conflict", conflicts)
