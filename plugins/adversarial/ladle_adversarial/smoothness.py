"""Outputs that stay the same when embeddings move (Miyato et al. 2018; Jiang et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ladle import OptionError
from ladle.training import Term, Terms

from .passes import Attacked, Loss

_UNSAID = -100


def smoothness(
    attacked: Attacked, steps: int, weight: float, bare: Any, inner: Loss, model: torch.nn.Module, batch: dict[str, Any]
) -> Terms:
    """The loss as it is, and how far outputs differ at the worst move that `steps` steps find.

    Differences are symmetric Kullback-Leibler divergences of classes or tokens, squared differences of numbers; one
    value per row, of a row of tokens their mean. The targets of both directions are learnt from, as in SMART.
    """
    attacked.dropout.again()
    with _logits_of(bare) as said:
        terms = inner(model, batch)
    clean = said()
    differ = _difference_of(bare.config, clean)
    positions = _positions(bare.config, batch, clean)

    def difference(target: torch.Tensor, learning: bool) -> torch.Tensor:
        with attacked.passing(learning), _logits_of(bare) as said:
            inner(model, batch)
        values = differ(said().float(), target.float())
        return values if positions is None else (values * positions).sum(1) / positions.sum(1).clamp(min=1)

    for _ in range(steps):
        attacked.climb(difference(clean.detach(), learning=True).sum())
    return {**terms, "smoothness": Term(weight * difference(clean, learning=False), per="rows")}


@contextmanager
def _logits_of(bare: torch.nn.Module) -> Iterator[Callable[[], torch.Tensor]]:
    """Gives what returns the `logits` of the first forward pass with gradients within it."""
    found: list[torch.Tensor] = []

    def look(_module: torch.nn.Module, _given: Any, output: Any) -> None:
        logits = getattr(output, "logits", None)
        if torch.is_grad_enabled() and isinstance(logits, torch.Tensor):
            found.append(logits)

    def first() -> torch.Tensor:
        if found:
            return found[0]
        raise OptionError(
            f"smoothness compares what the model says of rows, its `logits`, and {type(bare).__name__} gives none",
            option="method",
            help="`fgm`, `pgd` and `free-lb` need nothing but the loss",
        )

    handle = bare.register_forward_hook(look)
    try:
        yield first
    finally:
        handle.remove()


def _difference_of(config: Any, logits: torch.Tensor) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    problem = getattr(config, "problem_type", None)
    if problem == "regression" or logits.shape[-1] == 1:
        return _squared
    return _of_labels if problem == "multi_label_classification" else _of_classes


def _squared(said: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (said - target).square().sum(-1)


def _of_classes(said: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """KL(p, q) + KL(q, p) of the classes of logits."""
    p, q = said.log_softmax(-1), target.log_softmax(-1)
    return ((p.exp() - q.exp()) * (p - q)).sum(-1)


def _of_labels(said: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The same of labels of which each is there or not, whatever the others are."""
    return ((said.sigmoid() - target.sigmoid()) * (said - target)).sum(-1)


def _positions(config: Any, batch: dict[str, Any], logits: torch.Tensor) -> torch.Tensor | None:
    """Which positions of logits [rows, length, classes] count, as [rows, length]; None if each row has but one."""
    if logits.ndim == 2:
        return None
    mask = batch.get("attention_mask")
    if getattr(config, "is_encoder_decoder", False):
        mask = batch["labels"] != _UNSAID if "labels" in batch else None
    if mask is None or mask.shape != logits.shape[:2]:
        return torch.ones(logits.shape[:2], device=logits.device)
    return mask.float()
