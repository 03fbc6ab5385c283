"""Calling a model with what it takes of a batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch


def forward(model: torch.nn.Module, batch: dict[str, Any], **changes: Any) -> Any:
    """The model's output for a batch: of the batch, what its forward method knows by name, but not the labels.

    `changes` replace or add inputs: a technique passes moved embeddings, for example.
    """
    inner = getattr(model, "module", model)  # data-parallel wrappers take anything,
    inner = getattr(inner, "_orig_mod", inner)  # and so do compiled modules
    known = _parameters_of(type(inner).forward)
    return model(**{name: value for name, value in (batch | changes).items() if name in known})


@lru_cache
def _parameters_of(method: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(method).parameters) - {"self", "labels"}
