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
    """Each term's share of the step's loss: its sum over this batch, divided by the count over the whole step.

    A count of 0 divides nothing: a step without a single labelled row has no loss, rather than an undefined one.
    """
    return {name: term.values.sum() / _or_one(counts[term.per]) for name, term in terms.items()}


def _or_one(count: torch.Tensor) -> torch.Tensor:
    return torch.where(count == 0, torch.ones_like(count), count)
