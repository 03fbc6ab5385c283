"""A loss is terms, not a number: one value per item, and the count it is averaged over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch


class Term(NamedTuple):
    """One part of a loss, not reduced."""

    values: torch.Tensor
    """[items]: one value per item."""
    per: str = "rows"
    """The count, of those in the batch, that the whole optimiser step averages over."""


Terms = Mapping[str, Term]


def average(terms: Terms, counts: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each term's share of the step's loss: its sum over this batch, divided by the count over the whole step."""
    return {name: term.values.sum() / counts[term.per].clamp(min=1) for name, term in terms.items()}
