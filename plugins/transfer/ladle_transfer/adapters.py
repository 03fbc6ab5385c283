"""Adapters in a model, and off it again; what computes with them is peft's."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers.pytorch_utils import Conv1D

from ladle import OptionError
from ladle.errors import did_you_mean

from .heads import body_of, head_parameters

if TYPE_CHECKING:
    from .lora import Lora


def adapt(model: torch.nn.Module, options: Lora, start: Path | None) -> None:
    """Put adapters into `model`, and let only them, its head and what the options name be trained.

    Where an earlier technique has fixed a matrix, there is none. Raises OptionError if there is nothing to adapt, or a
    name that no matrix has. `start` is the folder that the model came from.
    """
    from peft import LoraConfig, inject_adapter_in_model

    matrices = _matrices(model)
    targets = _chosen(model, matrices, options.targets)
    learning = {parameter for parameter in model.parameters() if parameter.requires_grad}
    wholly = learning & {*_head(model, start), *_named(model, options.whole)}
    targets = [name for name in targets if matrices[name].weight in learning - wholly]
    if not targets:
        raise _nothing_to_adapt(model)
    config = LoraConfig(
        r=options.rank,
        lora_alpha=2 * options.rank if options.alpha is None else options.alpha,
        lora_dropout=options.dropout,
        target_modules=targets,
        use_rslora=options.rslora,
        use_dora=options.dora,
        fan_in_fan_out=isinstance(matrices[targets[0]], Conv1D),
    )
    inject_adapter_in_model(config, model)
    for parameter in wholly:
        parameter.requires_grad_(True)


def check_trained(model: torch.nn.Module) -> None:
    """Raises OptionError if a later technique has fixed all adapters of a model."""
    if not any(parameter.requires_grad for parameter in _adapters(model)):
        raise _nothing_to_adapt(model)


def merge(model: torch.nn.Module) -> None:
    """Let each adapted matrix of a model take its adapter in; nothing of peft is left in the model."""
    for name, module in _adapted(model):
        module.merge()
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, module.get_base_layer())
    del model.peft_config


def shares_of(model: torch.nn.Module) -> tuple[int, int]:
    """How many parameters of an adapted model are trained, and how many it has without adapters."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    added = sum(p.numel() for p in _adapters(model))
    return trained, sum(p.numel() for p in model.parameters()) - added


def _nothing_to_adapt(model: torch.nn.Module) -> OptionError:
    return OptionError(
        f"there is no matrix in {type(model).__name__} to train an adapter for, or another technique fixes all of them",
        help="leave this technique out, or let the other fix fewer layers",
    )


def _adapted(model: torch.nn.Module) -> list[tuple[str, torch.nn.Module]]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [(name, module) for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)]


def _adapters(model: torch.nn.Module) -> Iterator[torch.nn.Parameter]:
    for _, module in _adapted(model):
        base = set(module.get_base_layer().parameters())
        yield from (parameter for parameter in module.parameters() if parameter not in base)


def _table(model: torch.nn.Module) -> torch.nn.Module | None:
    """What makes logits over a vocabulary, in a language model."""
    return model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None


def _matrices(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """The linear layers of a model's body, by their names in the model."""
    head = set(head_parameters(model))
    table = _table(model)
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not table and module.weight not in head
    }


def _chosen(model: torch.nn.Module, matrices: Collection[str], wanted: str | list[str]) -> list[str]:
    """The names of the matrices to adapt."""
    if isinstance(wanted, list):
        return [name for ends in wanted for name in _ending(ends, matrices, "targets")]
    usual = _usual(model) if wanted == "auto" else ()
    if isinstance(usual, str):  # a regular expression
        return [name for name in matrices if re.fullmatch(usual, name)] or [*matrices]
    return [name for name in matrices if name.endswith(tuple(f".{ends}" for ends in usual))] or [*matrices]


def _usual(model: torch.nn.Module) -> str | list[str]:
    """Ends of names of the matrices that are usually adapted in a model of this architecture; [] if peft has none."""
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING

    config = getattr(body_of(model), "config", None)
    return TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING.get(getattr(config, "model_type", ""), [])


def _ending(ends: str, names: Collection[str], option: str) -> list[str]:
    """The names that end so. Raises OptionError if none does."""
    if found := [name for name in names if f".{name}".endswith(f".{ends}")]:
        return found
    last = sorted({name.rpartition(".")[2] for name in names})
    raise OptionError(
        f"no module of the model is called `{ends}`",
        option=option,
        item=ends,
        help=did_you_mean(ends, last, "there are"),
    )


def _head(model: torch.nn.Module, start: Path | None) -> list[torch.nn.Parameter]:
    """The parameters of a model's head, without the table over a vocabulary that came with the start."""
    table = _table(model)
    known = _names_in(start) if start else ()
    name_of = {parameter: name for name, parameter in model.named_parameters()}
    return [p for p in head_parameters(model) if table is None or p is not table.weight or name_of[p] not in known]


def _names_in(folder: Path) -> set[str]:
    """The names of the weights in a folder."""
    from safetensors import safe_open

    found: set[str] = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as weights:
            found |= set(weights.keys())
    return found


def _named(model: torch.nn.Module, wanted: list[str]) -> Iterator[torch.nn.Parameter]:
    """The parameters of modules whose names end so."""
    names = [name for name, module in model.named_modules() if name]
    for ends in wanted:
        for name in _ending(ends, names, "whole"):
            yield from model.get_submodule(name).parameters()
