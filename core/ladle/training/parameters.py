"""Optimiser groups."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import Problem, StageError


def decay_groups(
    model: torch.nn.Module, weight_decay: float, rates: dict[str, float] | None = None
) -> list[dict[str, Any]]:
    """Groups in which only matrices decay (not biases and norms), with a learning rate per prefix of names.

    `rates` maps beginnings of parameter names to learning rates; what matches none has the optimiser's own.
    """
    groups: dict[tuple[str | None, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        prefix = next((prefix for prefix in rates or {} if name.startswith(prefix)), None)
        decays = parameter.ndim >= 2
        group = groups.setdefault((prefix, decays), {"params": [], "weight_decay": weight_decay if decays else 0.0})
        if rates and prefix is not None:
            group["lr"] = rates[prefix]
        group["params"].append(parameter)
    return list(groups.values())


def check_groups(model: torch.nn.Module, groups: list[dict[str, Any]]) -> None:
    """Raises StageError unless each trainable parameter is in exactly one group."""
    counts: dict[int, int] = {}
    for group in groups:
        for parameter in group["params"]:
            counts[id(parameter)] = counts.get(id(parameter), 0) + 1
    wrong = [n for n, p in model.named_parameters() if p.requires_grad and counts.get(id(p), 0) != 1]
    if wrong:
        raise StageError(
            Problem(
                "parameters",
                f"each trainable parameter belongs in exactly one optimiser group; these do not: {_some(wrong)}",
                "this is a fault of the trainer or of a technique that answers `parameters`; tell its author",
            )
        )


def check_gradients(model: torch.nn.Module) -> None:
    """Raises StageError if a trainable parameter has no gradient: it would be decayed, saved and never learn."""
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    if without:
        raise StageError(
            Problem(
                "gradients",
                f"after the first step these trainable parameters have no gradient: {_some(without)}",
                "the loss does not depend on them: freeze them, or leave them out of the model",
            )
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
