"""How likely it is, by a model, that an answer begins and ends at each token of a window."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from ladle.training import forward

Shares = tuple[torch.Tensor, torch.Tensor]
"""The logarithms of the shares of first and of last tokens, each [rows, longest]."""


def shares(model: torch.nn.Module, batch: dict[str, Any]) -> Shares:
    """Shares are among the tokens of the context and the place that stands for no answer; others have none."""
    output = forward(model, batch)
    possible = (batch["starts"] >= 0).scatter(1, batch["nowhere"].unsqueeze(1), True)
    start, end = (
        logits.float().masked_fill(~possible, -torch.inf).log_softmax(-1)
        for logits in (output.start_logits, output.end_logits)
    )
    return start, end


def losses(both: Shares, batch: dict[str, Any]) -> Shares:
    """The cross-entropy of the first and of the last token, each [rows]."""
    start, end = (
        -shares.gather(1, places.unsqueeze(1)).squeeze(1)
        for shares, places in zip(both, batch["labels"].unbind(1), strict=True)
    )
    return start, end


def likeliest(both: Shares, batch: dict[str, Any], most: int) -> dict[str, torch.Tensor]:
    """The likeliest answer of at most so many tokens, how likely it is, and how likely it is that there is none.

    `start` and `end` are characters of the context. An answer is as likely as its first and last token together; in a
    window without a context none is likely.
    """
    start, end = (shares.masked_fill(batch["starts"] < 0, -torch.inf) for shares in both)
    ahead = F.pad(end, (0, most - 1), value=-torch.inf).unfold(1, most, 1)  # [rows, longest, most]
    best_end, length = ahead.max(-1)
    score, first = (start + best_end).max(-1)
    first = first.unsqueeze(1)
    last = first + length.gather(1, first)
    none = sum(shares.gather(1, batch["nowhere"].unsqueeze(1)) for shares in both)
    return {
        "start": batch["starts"].gather(1, first).squeeze(1),
        "end": batch["ends"].gather(1, last).squeeze(1),
        "probability": score.exp(),
        "none": none.exp().squeeze(1),
    }
