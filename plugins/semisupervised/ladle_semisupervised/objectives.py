"""How far predictions on rows are from those on the same rows, changed."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812


def fixmatch(plain: torch.Tensor, changed: torch.Tensor, threshold: float) -> tuple[torch.Tensor, torch.Tensor]:
    """FixMatch (Sohn et al. 2020): cross-entropy of the changed rows with the surest class of the plain ones.

    From logits [rows, classes]; `plain` ones teach only, and only where they reach the threshold. Gives the loss
    [rows], 0 elsewhere, and which rows reach it [rows].
    """
    sure, classes = plain.detach().softmax(-1).max(-1)
    reaches = sure >= threshold
    return F.cross_entropy(changed, classes, reduction="none") * reaches, reaches


def uda(
    plain: torch.Tensor, changed: torch.Tensor, threshold: float, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """UDA (Xie et al. 2020): the divergence KL(q || p) of the changed rows' p from q, the plain ones' sharpened.

    q = softmax(logits / temperature). From and to what `fixmatch` takes and gives.
    """
    plain = plain.detach()
    reaches = plain.softmax(-1).amax(-1) >= threshold
    target = (plain / temperature).log_softmax(-1)
    distance = F.kl_div(changed.log_softmax(-1), target, reduction="none", log_target=True).sum(-1)
    return distance * reaches, reaches


def annealed_threshold(schedule: str, progress: float, classes: int) -> float:
    """Up to which probability of its class a labelled row still teaches (training signal annealing, Xie et al. 2020).

    Rises with the progress (0 to 1) of the training from one in `classes` to 1: evenly, late (`exp`) or early (`log`).
    """
    if schedule == "linear":
        share = progress
    else:
        share = math.exp(5 * (progress - 1)) if schedule == "exp" else 1 - math.exp(-5 * progress)
    return share * (1 - 1 / classes) + 1 / classes
