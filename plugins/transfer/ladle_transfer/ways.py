"""What has to be kept of a row's states so that the model says the same: those of all tokens, or one vector."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch

from ladle import OptionError
from ladle.training import forward

from .fixed import LowerLayers

Way = Literal["tokens", "first", "last", "mean"]
"""The states of all tokens of a row, of its first or last one, or the mean of all."""

_NOISE = 2e-5  # of the largest number that the model says


def kept(states: torch.Tensor, way: Way) -> torch.Tensor:
    """What is kept, [tokens or 1, width], of the states [tokens, width] of a row."""
    if way == "mean":
        return states.mean(0, keepdim=True)
    return {"tokens": states, "first": states[:1], "last": states[-1:]}[way]


def least(lower: LowerLayers, batch: dict[str, Any]) -> Way:
    """The way to keep states of which the model says the same as of running layers, with the least to keep.

    That is tried on a batch. One vector is enough where the whole body is fixed and the head pools, which it does in
    one of these ways; where several of them fit, as they do if a head says always the same, nothing is shown. Raises
    OptionError if the model says something else whatever is kept.
    """
    model = lower.model
    mask = batch.get("attention_mask", torch.ones_like(batch["input_ids"])).bool()
    with torch.no_grad(), torch.autocast(mask.device.type, enabled=False):
        model.eval()
        right = _said(model, batch)
        states = lower.output(batch)
        fitting = []
        for way in get_args(Way) if lower.is_all else ("tokens",):
            if way == "tokens":
                given, seen = states * mask.unsqueeze(-1), batch
            else:
                rows = [kept(row[own], way) for row, own in zip(states, mask, strict=True)]
                given, seen = torch.stack(rows), lower.of_one_token(batch)
            with lower.giving(given):
                said = _said(model, seen)
            if _same(said, right, mask):
                fitting.append(way)
    if "tokens" not in fitting:
        raise OptionError(
            f"{type(model).__name__} uses what its lower layers say in more places than one: the layers above cannot "
            "do with their output alone",
            option="reuse",
            help="write reuse = false",
        )
    return fitting[1] if len(fitting) == 2 else "tokens"


def _said(model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
    """What a model says first of a batch: logits."""
    return forward(model, batch)[0].float()


def _same(said: torch.Tensor, right: torch.Tensor, mask: torch.Tensor) -> bool:
    """Whether the same is said [rows, …], of tokens where there is no padding."""
    if said.shape != right.shape:
        return False
    difference = (said - right).abs()
    if right.shape[:2] == mask.shape and right.ndim > 1:
        difference = difference[mask]
    return bool(difference.max() <= _NOISE * right.abs().max())
