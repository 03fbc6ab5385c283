"""Gradients of several tasks without what is in conflict between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch


def without_conflicts(gradients: Sequence[torch.Tensor], random: np.random.Generator) -> tuple[torch.Tensor, float]:
    """The sum of the tasks' gradients [parameters] after surgery, and the share of ordered pairs in conflict.

    Yu et al. 2020, Algorithm 1: from a copy of each gradient, for each other one in random order that it then points
    against (a negative product), its projection on that one is taken away.
    """
    total = torch.zeros_like(gradients[0])
    conflicts = 0
    for own, gradient in enumerate(gradients):
        projected = gradient.clone()
        for other in random.permutation([place for place in range(len(gradients)) if place != own]):
            against = gradients[other]
            product = projected @ against
            if product < 0:
                projected -= product / (against @ against) * against
                conflicts += 1
        total += projected
    return total, conflicts / max(1, len(gradients) * (len(gradients) - 1))


def taken(parameters: Sequence[torch.nn.Parameter]) -> torch.Tensor:
    """The gradients of parameters as one vector; they have none any more."""
    found = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in found])
    for parameter in parameters:
        parameter.grad = None
    return flat


def given(parameters: Sequence[torch.nn.Parameter], flat: torch.Tensor) -> None:
    """Give parameters their gradients from one vector."""
    for parameter, gradient in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = gradient.view_as(parameter).to(parameter.dtype)


def mean_of_processes(tensors: Iterable[torch.Tensor]) -> None:
    """Put the mean over all processes, which have as many tensors in the same order, into each."""
    if torch.distributed.is_initialized():
        for tensor in tensors:
            torch.distributed.all_reduce(tensor)
            tensor /= torch.distributed.get_world_size()
