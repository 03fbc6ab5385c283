"""What becomes trainable, and when."""

from __future__ import annotations

import itertools
from typing import Any, Literal

import torch
import transformers

from ladle import OptionError

from .layers import layers_of, walk


def groups_of(model: torch.nn.Module, size: int) -> list[list[torch.nn.Parameter]]:
    """What is trained of a model, in the order in which it joins in: its head, then so many layers each time.

    Raises OptionError if nothing of the body is trained.
    """
    layers = layers_of(model)
    depths = walk(model, layers).depths
    by_depth: list[list[torch.nn.Parameter]] = [[] for _ in range(len(layers) + 2)]
    for parameter in model.parameters():
        if parameter.requires_grad:
            by_depth[depths.get(parameter, len(layers) + 1)].append(parameter)
    head, *body = reversed(by_depth)
    joining = [[*itertools.chain(*body[at : at + size])] for at in range(0, len(body), size)]
    if not any(joining):
        raise OptionError(
            "no layer can join in: another technique fixes all of them",
            help="leave this one out, or let the other fix fewer layers",
        )
    return [group for group in (head, *joining) if group]


class Pace(transformers.TrainerCallback):
    """Lets groups of parameters join in, one `every` epoch or share of the steps, the first of them from the start.

    How many of them train follows from the Trainer's state alone, which checkpoints keep.
    """

    def __init__(self, every: Literal["epoch"] | float) -> None:
        self.every = every
        self.groups: list[list[torch.nn.Parameter]] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if args.world_size > 1 and args.gradient_checkpointing and not args.ddp_find_unused_parameters:
            raise OptionError(
                "with checkpointing, processes wait for the gradients of layers whose turn has not come",
                help="write arguments = { gradient_checkpointing = true, ddp_find_unused_parameters = true }",
            )
        self._follow(state)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._follow(state)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._let_train(len(self.groups))

    def _follow(self, state: Any) -> None:
        if self.every == "epoch":
            passed = int(state.epoch or 0)
        else:
            passed = int(state.global_step / state.max_steps / self.every + 1e-9)
        self._let_train(1 + passed)

    def _let_train(self, count: int) -> None:
        for number, group in enumerate(self.groups):
            for parameter in group:
                parameter.requires_grad_(number < count)
