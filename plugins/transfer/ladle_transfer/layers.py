"""The lower layers of a Hugging Face model: finding them, fixing them, and standing in for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ladle.training import forward

from .transfer import too_many


class _Reached(Exception):  # noqa: N818
    """Ends a forward pass at the layer whose output was wanted."""


class LowerLayers:
    """The lowest layers of a model, fixed: neither they nor what comes before them changes any more.

    Raises OptionError if the model has no layers, or none that would be left to train.
    """

    def __init__(self, model: torch.nn.Module, count: int) -> None:
        self.model = model
        self.layers = _layers_of(model, count)
        self.modules: list[torch.nn.Module] = []
        """All modules that have a part in the output of these layers."""
        self._gives_tuple = False
        self._freeze()

    def _freeze(self) -> None:
        """Fix every parameter that the output of the top layer depends on.

        Which they are is found by a forward pass on two tokens, not by names, so it holds for any architecture.
        """
        hooks = [
            module.register_forward_hook(lambda module, *_: self.modules.append(module))
            for module in self.model.modules()
        ]
        tokens = torch.zeros(1, 2, dtype=torch.long, device=next(self.model.parameters()).device)
        try:
            with torch.enable_grad():
                output = self.output({"input_ids": tokens})
        finally:
            for hook in hooks:
                hook.remove()
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(output.sum(), parameters, allow_unused=True), strict=True
        ):
            if gradient is not None:
                parameter.requires_grad_(False)

    def output(self, batch: dict[str, Any]) -> torch.Tensor:
        """The output [rows, length, width] of the top of these layers; what is above is not run."""
        found: list[torch.Tensor] = []

        def reach(_module: torch.nn.Module, _inputs: Any, output: Any) -> None:
            self._gives_tuple = isinstance(output, tuple)
            found.append(output[0] if isinstance(output, tuple) else output)
            raise _Reached

        handle = self.layers[-1].register_forward_hook(reach)
        try:
            forward(self.model, batch)
        except _Reached:
            pass
        finally:
            handle.remove()
        return found[0]

    def rest(self) -> None:
        """Switch dropout off up to these layers; the Trainer switches it on in the whole model before each batch."""
        for module in self.modules:
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


def _layers_of(model: torch.nn.Module, count: int) -> list[torch.nn.Module]:
    """The lowest `count` of a model's layers: its longest list of modules of one class that is in no other list."""
    lists: dict[str, torch.nn.ModuleList] = {}
    for name, module in model.named_modules():
        is_list = isinstance(module, torch.nn.ModuleList) and len({type(inner) for inner in module}) == 1
        if is_list and not any(name.startswith(f"{outer}.") for outer in lists):
            lists[name] = module
    layers = list(max(lists.values(), key=len, default=[]))
    if count >= len(layers):
        raise too_many(count, len(layers), type(model).__name__)
    return layers[:count]
