"""The two parts of a Hugging Face model: its body, and the head that is for one task."""

from __future__ import annotations

import torch


def body_of(model: torch.nn.Module) -> torch.nn.Module:
    """What a model has in common with those for other tasks; the model itself, if it has no head."""
    return getattr(model, "base_model", model)


def head_parameters(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """The parameters outside of a model's body, and those of its pooler.

    A pooler makes one vector of the body's states for the head: a pre-trained one was made for another task, and where
    the start had none it is new. What the body has as well, such as embeddings that a head uses again, is not of the
    head.
    """
    inside = {p for name, p in body_of(model).named_parameters() if not name.startswith("pooler.")}
    return [parameter for parameter in model.parameters() if parameter not in inside]
