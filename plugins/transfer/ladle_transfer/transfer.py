"""Keeping what a pre-trained model knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, PrivateAttr

from ladle import Technique

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

    from ladle.training import Terms

ROW = "frozen_row"  # the column that tells which kept states are a row's
STATES = "frozen_states"


class Transfer(Technique):
    """Keep the lower layers of a pre-trained model as they are, and train those above.

    A fixed layer (without dropout) gives the same output for a row in every epoch, so by default it is
    computed once per row and kept in the store; in training only the layers above are run. The saved model
    is the whole model either way.
    """

    needs = frozenset({"layers"})

    freeze: int = Field(gt=0, description="How many layers, counted from the input, stay fixed, with the embeddings.")
    reuse: bool = Field(
        default=True,
        description="Compute the fixed layers once per row. `false` runs them in every step, which techniques "
        "that change texts or embeddings need.",
    )

    _lower: Any = PrivateAttr(default=None)
    _states: Any = PrivateAttr(default=None)

    def takes(self) -> frozenset[str]:
        return frozenset({"embeddings", "tokens"}) if self.reuse else frozenset()

    def model(self, inner: Any) -> torch.nn.Module:
        from .layers import LowerLayers

        model = inner()
        self._lower = LowerLayers(model, self.freeze)
        return model

    def dataset(self, inner: Any, split: str) -> Dataset:
        from .states import keep_states

        rows = inner(split)
        if not self.reuse or not len(rows):
            return rows
        self._states = keep_states(self.setting, rows, self._lower)
        return rows.add_column(ROW, range(len(rows)))

    def batch(self, inner: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch = inner(rows)
        if self.reuse:
            batch[STATES] = self._states.padded([row[ROW] for row in rows], batch)
        return batch

    def loss(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        self._lower.rest()
        if not self.reuse:
            return inner(model, batch)
        with self._lower.giving(batch[STATES]):
            return inner(model, batch)
