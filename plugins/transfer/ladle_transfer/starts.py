"""What can be told of a model before anything heavy is imported: whether its layers can be told apart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ladle import OptionError

if TYPE_CHECKING:
    from ladle import Trainer


def layers_of_start(trainer: Trainer) -> int | None:
    """How many layers the model has that a trainer starts from; None if that is not known for sure."""
    config = _config(trainer)
    counts = [config[name] for name in ("num_hidden_layers", "n_layers", "n_layer") if name in config]
    return counts[0] if len(counts) == 1 else None


def check_layers(trainer: Trainer) -> None:
    """Raises OptionError if the model that a trainer starts from is known to be an encoder with a decoder."""
    if "layers" in trainer.offers and _config(trainer).get("is_encoder_decoder"):
        raise two_stacks("the model")


def check_backward(trainer: Trainer) -> None:
    """Raises OptionError if gradients would not come past layers that are fixed."""
    if (trainer.arguments.get("gradient_checkpointing_kwargs") or {}).get("use_reentrant"):
        raise OptionError(
            "reentrant checkpointing gives no gradients to a layer above one that is fixed",
            help="leave `use_reentrant` out of gradient_checkpointing_kwargs: the other way of checkpointing does",
        )


def two_stacks(model: str) -> OptionError:
    """The error that a model has no lowest layers, but an encoder and a decoder."""
    return OptionError(
        f"{model} is an encoder with a decoder: its layers do not stand one above the other",
        help="leave the technique out, or use an encoder or a decoder alone",
    )


def _config(trainer: Trainer) -> dict[str, Any]:
    """The config.json of the model that a trainer starts from; {} if it is not there yet."""
    location = trainer.start.location if trainer.start else None
    if location is None or location.folder is None:
        return {}
    return json.loads((location.folder / "config.json").read_text(encoding="utf-8"))
