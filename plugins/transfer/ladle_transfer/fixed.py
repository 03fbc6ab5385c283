"""The lower layers of a model, fixed: giving their output, resting, and standing in for them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch

from ladle import OptionError
from ladle.training import forward

from .heads import head_parameters
from .layers import Reached, layers_of, states_in, walk
from .transfer import too_many


class LowerLayers:
    """The lowest layers of a model, fixed: neither they nor what comes before them changes any more.

    With "all" the rest of the body is fixed with them. Raises OptionError if the model has no layers, or if nothing
    would be left to train.
    """

    def __init__(self, model: torch.nn.Module, count: int | Literal["all"]) -> None:
        self.model = model
        layers = layers_of(model)
        if count != "all" and count >= len(layers):
            raise too_many(count, len(layers), type(model).__name__)
        self.is_all = count == "all"
        self.layers = layers if count == "all" else layers[:count]
        found = walk(model, self.layers)
        self._modules = found.modules
        self._gives_tuple = False
        fixed = set(found.depths)
        if self.is_all:
            fixed |= set(model.parameters()) - set(head_parameters(model))
        for parameter in fixed:
            parameter.requires_grad_(False)
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise OptionError(
                f"nothing is left to train: all that {type(model).__name__} has beside its body is the body's as well",
                option="freeze",
                help=f"write a number, at most {len(layers) - 1}",
            )

    def output(self, batch: dict[str, Any]) -> torch.Tensor:
        """The output [rows, length, width] of the top of these layers; what is above is not run."""
        found: list[torch.Tensor] = []

        def reach(_module: torch.nn.Module, _inputs: Any, output: Any) -> None:
            self._gives_tuple = isinstance(output, tuple)
            found.append(states_in(output))
            raise Reached

        handle = self.layers[-1].register_forward_hook(reach)
        try:
            forward(self.model, batch)
        except Reached:
            pass
        finally:
            handle.remove()
        return found[0]

    def rest(self) -> None:
        """Switch dropout off up to these layers; the Trainer switches it on in the whole model before each batch."""
        for module in self._modules:
            module.training = False

    @contextmanager
    def giving(self, states: torch.Tensor) -> Iterator[None]:
        """Let these layers do no work and give `states` [rows, length, width], the output of the top one."""
        output = (states,) if self._gives_tuple else states
        try:
            for layer in self.layers:
                layer.forward = lambda *_, **__: output
            yield
        finally:
            for layer in self.layers:
                layer.__dict__.pop("forward", None)

    def of_one_token(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A batch as if each of its rows had a single token, for states [rows, 1, width]."""
        inputs = set(inspect.signature(type(self.model).forward).parameters) - {"labels"}
        shape = batch["input_ids"].shape
        short = {name: batch[name][:, :1] for name in inputs & set(batch) if _has_shape(batch[name], shape)}
        if "attention_mask" in short:
            short["attention_mask"] = torch.ones_like(short["attention_mask"])
        return batch | short


def _has_shape(value: Any, shape: torch.Size) -> bool:
    return isinstance(value, torch.Tensor) and value.shape[:2] == shape
