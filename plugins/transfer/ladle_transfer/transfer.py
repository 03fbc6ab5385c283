"""Keeping what a pre-trained model knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PrivateAttr, field_validator

from ladle import OptionError, Technique

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

    from ladle import Trainer
    from ladle.training import Terms

ROW = "frozen_row"  # the column that tells which kept states are a row's
STATES = "frozen_states"


class Transfer(Technique):
    """Keep the lower layers of a pre-trained model as they are, and train those above; or its head alone.

    A fixed layer (without dropout) gives the same output for a row in every epoch, so by default it is
    computed once per row and kept in the store; in training only what is above is run. Where the whole body is fixed
    and the head pools its states, one vector per row is kept. The saved model is the whole model either way.
    """

    needs = frozenset({"layers"})
    claims = frozenset({"layers that stay fixed"})

    freeze: int | Literal["all"] = Field(
        description="How many layers, counted from the input, stay fixed, with the embeddings; or `all`: the whole "
        "body, so that only the head is trained (a pooler is part of it)."
    )
    reuse: bool = Field(
        default=True,
        description="Compute the fixed layers once per row. `false` runs them in every step, which techniques "
        "that change texts or embeddings need, and trainers that hide tokens or pack rows.",
    )

    _lower: Any = PrivateAttr(default=None)
    _states: Any = PrivateAttr(default=None)

    @field_validator("freeze")
    @classmethod
    def _freezes_something(cls, freeze: int | str) -> int | str:
        if isinstance(freeze, int) and freeze < 1:
            raise OptionError(
                f"{freeze} is no number of layers to freeze", help='write at least 1, "all", or leave the technique out'
            )
        return freeze

    def takes(self) -> frozenset[str]:
        return frozenset({"embeddings", "tokens"}) if self.reuse else frozenset()

    def check_with(self, trainer: Trainer) -> None:
        from .starts import check_backward, check_layers, layers_of_start

        check_layers(trainer)
        check_backward(trainer)
        if self.reuse and "layers" in trainer.offers and "tokens" not in trainer.offers:
            raise OptionError(
                "states are kept of the tokens of each row, and this trainer does not tell which tokens a row has",
                option="reuse",
                help="write reuse = false",
            )
        layers = layers_of_start(trainer)
        if self.freeze != "all" and layers is not None and self.freeze >= layers:
            raise too_many(self.freeze, layers, "the model")

    def model(self, inner: Any) -> torch.nn.Module:
        from .fixed import LowerLayers

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
        if not self.reuse:
            return batch
        _check_tokens(batch, rows)
        states = self._states.padded([row[ROW] for row in rows], batch)
        return (batch if self._states.way == "tokens" else self._lower.of_one_token(batch)) | {STATES: states}

    def loss(self, inner: Any, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        self._lower.rest()
        if not self.reuse:
            return inner(model, batch)
        with self._lower.giving(batch[STATES]):
            return inner(model, batch)


def too_many(freeze: int, layers: int, model: str) -> OptionError:
    """The error that no layer would be left to train."""
    fewer = f"write at most {layers - 1}, or " if layers > 1 else ""
    return OptionError(
        f"freeze = {freeze} leaves no layer to train: {model} has {layers}",
        option="freeze",
        help=f'{fewer}"all" to train the head alone',
    )


def _check_tokens(batch: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Raises OptionError unless a batch has the tokens of its rows, each row by itself, and nothing else."""
    import torch

    wanted = torch.tensor([token for row in rows for token in row["input_ids"]])
    ids, mask = batch["input_ids"], batch.get("attention_mask")
    if mask is not None:
        ids = ids[mask.bool()] if mask.shape == ids.shape else ids[:0]
    if len(batch["input_ids"]) != len(rows) or not torch.equal(ids.flatten(), wanted):
        raise OptionError(
            "what fixed layers say is kept for each row as it is, and in batches rows stand together, or their tokens "
            "are changed",
            option="reuse",
            help="write reuse = false",
        )
