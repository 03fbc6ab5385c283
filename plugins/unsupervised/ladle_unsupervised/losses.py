"""What is made of logits [places, vocabulary] and the tokens wanted there [places]."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812


def nats(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of each place, [places]."""
    return F.cross_entropy(logits.float(), wanted, reduction="none")


def nats_and_hits(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Of each place its cross-entropy, whether the wanted token is the likeliest, and 1: [places, 3]."""
    is_hit = (logits.argmax(-1) == wanted).float()
    return torch.stack([nats(logits, wanted), is_hit, torch.ones_like(is_hit)], 1)
