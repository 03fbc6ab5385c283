"""Numbers from the numbers in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..regression import Regression, Scale
from .classification import Tabular

if TYPE_CHECKING:
    import torch


class TabularRegression(Tabular, Regression):
    """Predict a number from rows of numbers, with a small network; the target is standardised in training."""

    def known_scale(self) -> Scale | None:
        config = self.start_config()
        return Scale(config.mean, config.deviation) if config and config.outputs == 1 else None

    def build(self) -> torch.nn.Module:
        return self.network(1, **self.scale._asdict())

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`features` [rows, inputs] and, where they are known, standardised labels [rows]."""
        return self.feature_batch(rows) | self.label_batch(rows)
