"""The layers of a Hugging Face model: finding them, and telling which parameters belong to which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from ladle import OptionError
from ladle.training import forward

from .starts import two_stacks


class Reached(Exception):  # noqa: N818
    """Ends a forward pass at the layer whose output was wanted."""


@dataclass
class Walk:
    """What a forward pass met on its way up to a layer."""

    depths: dict[torch.nn.Parameter, int] = field(default_factory=dict)
    """How deep a parameter lies: 0 before the first layer, 1 in it, and so on. Those above, and fixed ones, are not in
    it; one that is used in several places lies in the lowest."""
    modules: list[torch.nn.Module] = field(default_factory=list)
    """All modules that had a part in the layer's output."""


def layers_of(model: torch.nn.Module) -> list[torch.nn.Module]:
    """A model's layers from its input up: the longest list of modules in its body that is in no other list.

    Raises OptionError if there is none, or if the model is an encoder with a decoder.
    """
    if getattr(getattr(model, "config", None), "is_encoder_decoder", False):
        raise two_stacks(type(model).__name__)
    lists: dict[str, torch.nn.ModuleList] = {}
    for name, module in getattr(model, "base_model", model).named_modules():
        is_within = any(name.startswith(f"{outer}.") for outer in lists)
        if isinstance(module, torch.nn.ModuleList) and not is_within:
            lists[name] = module
    layers = list(max(lists.values(), key=len, default=()))
    if not layers:
        raise OptionError(
            f"no layers are found in {type(model).__name__}: none of its modules is a list of modules",
            help="leave the technique out, or use another model",
        )
    return layers


def walk(model: torch.nn.Module, layers: list[torch.nn.Module]) -> Walk:
    """Go up through `layers`, the lowest of a model, with two tokens.

    Which parameters a layer's output depends on is read from the graph of its gradient, not from names, so it holds
    for any architecture.
    """
    found = Walk()
    outputs: list[torch.Tensor] = []

    def reach(layer: torch.nn.Module, _inputs: Any, output: Any) -> None:
        outputs.append(states_in(output))
        if layer is layers[-1]:
            raise Reached

    hooks = [m.register_forward_hook(lambda module, *_: found.modules.append(module)) for m in model.modules()]
    hooks += [layer.register_forward_hook(reach) for layer in layers]
    modes = {module: module.training for module in model.modules()}
    model.eval()
    tokens = torch.zeros(1, 2, dtype=torch.long, device=next(model.parameters()).device)
    try:
        with torch.enable_grad():
            forward(model, {"input_ids": tokens})
    except Reached:
        pass
    finally:
        for hook in hooks:
            hook.remove()
        for module, was_training in modes.items():
            module.training = was_training
    in_first = set(layers[0].parameters())
    seen: set[Any] = set()
    for depth, output in enumerate(outputs, 1):
        for parameter in _leaves(output, seen):
            found.depths[parameter] = 0 if depth == 1 and parameter not in in_first else depth
    return found


def states_in(output: Any) -> torch.Tensor:
    """The states in what a layer gives."""
    return output[0] if isinstance(output, tuple) else output


def _leaves(output: torch.Tensor, seen: set[Any]) -> Iterator[torch.nn.Parameter]:
    """The parameters that an output depends on, by nodes of its graph that were not `seen` before."""
    waiting: list[Any] = [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        waiting += [below for below, _ in node.next_functions]
