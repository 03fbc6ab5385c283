"""Keeping what a pre-trained model knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, PrivateAttr

from ladle import OptionError, Technique, Usual

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

    from ladle import Trainer
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

    freeze: Annotated[int, Usual(1, 150, why_high="no model has so many layers")] = Field(
        gt=0, description="How many layers, counted from the input, stay fixed, with the embeddings."
    )
    reuse: bool = Field(
        default=True,
        description="Compute the fixed layers once per row. `false` runs them in every step, which techniques "
        "that change texts or embeddings need.",
    )

    _lower: Any = PrivateAttr(default=None)
    _states: Any = PrivateAttr(default=None)

    def takes(self) -> frozenset[str]:
        return frozenset({"embeddings", "tokens"}) if self.reuse else frozenset()

    def check_with(self, trainer: Trainer) -> None:
        location = trainer.start.location if trainer.start else None
        layers = _layers_by_config(location.folder) if location and location.folder else None
        if layers is not None and self.freeze >= layers:
            raise too_many(self.freeze, layers, "the model")

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


def too_many(freeze: int, layers: int, model: str) -> OptionError:
    """The error that no layer would be left to train."""
    return OptionError(
        f"freeze = {freeze} leaves no layer to train: {model} has {layers}",
        option="freeze",
        help=f"at most {layers - 1} here" if layers > 1 else "use a model that has more layers",
    )


def _layers_by_config(folder: Path) -> int | None:
    """How many layers the model in `folder` has by its config.json; None if that does not say for sure."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    counts = [config[name] for name in ("num_hidden_layers", "n_layers", "n_layer") if name in config]
    return None if config.get("is_encoder_decoder") or len(counts) != 1 else counts[0]
