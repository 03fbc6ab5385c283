"""Where a model that says one thing of a text comes from: a pre-trained one, or an earlier stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel

from ladle import OptionError
from ladle.training import config_from

from ..heads import body_from, is_for, labels_of, model_for, names_of
from ..pooled import PooledClassifier, PooledClassifierConfig

_POOLING = {"mean": "mean", "mean_tokens": "mean", "cls": "first", "cls_token": "first"}


def scale_of(folder: Path) -> tuple[float, float] | None:
    """Mean and deviation of what the regressor in `folder` predicts; None if it holds another model.

    A regressor that says nothing of them gives its numbers as they are.
    """
    config = config_from(folder)
    if not is_for(config, "SequenceClassification") or config.num_labels != 1:
        return None
    return getattr(config, "mean", 0.0), getattr(config, "deviation", 1.0)


def classifier_from(folder: Path, labels: list[str], head: str, padding: int) -> PreTrainedModel:
    """The model in `folder` as a classifier of `labels`, which pads with the token `padding`.

    Its head is kept if it has one of the kind that `head` wants, for the same labels in the same order. Raises
    OptionError if the folder's weights do not belong to its configuration.
    """
    return _of_texts(folder, head, padding, labels_of(folder) == labels, names_of(labels))


def regressor_from(folder: Path, head: str, padding: int, about: dict[str, Any]) -> PreTrainedModel:
    """The model in `folder` as one that gives a number, with a new head if it does not do so already.

    What is `about` the number then becomes a part of the configuration. Raises OptionError as `classifier_from` does.
    """
    return _of_texts(folder, head, padding, scale_of(folder) is not None, about | {"problem_type": "regression"})


def _of_texts(folder: Path, head: str, padding: int, is_known: bool, about: dict[str, Any]) -> PreTrainedModel:
    """A model that says one thing of a text; if its head `is_known`, and of the kind that is wanted, it stays."""
    config = config_from(folder)
    is_pooled = isinstance(config, PooledClassifierConfig)
    pooling = _pooling(folder, config) if head == "auto" or (is_pooled and head == "own") else head
    keep = is_known and pooling == (config.pooling if is_pooled else "own")
    if keep or pooling == "own":
        return model_for("SequenceClassification", folder, padding, keep, about)
    encoder = body_from(folder)
    if encoder.config.is_encoder_decoder:
        raise OptionError(
            f"{type(encoder).__name__} is an encoder with a decoder: its states cannot be pooled",
            option="head",
            help='write head = "own", or name another model',
        )
    attention = encoder.config._attn_implementation  # a new configuration would make its encoder's forget it
    config = PooledClassifierConfig(encoder.config, pooling, attn_implementation=attention, **about)
    return PooledClassifier(config, encoder)


def _pooling(folder: Path, config: PreTrainedConfig) -> str:
    """How a model pools its tokens by its own account: a sentence encoder's says so in a file beside it."""
    if isinstance(config, PooledClassifierConfig):
        return config.pooling
    stated = folder / "1_Pooling" / "config.json"
    if not stated.is_file():
        return "own"
    options = json.loads(stated.read_text())
    modes = [
        name.removeprefix("pooling_mode_") for name, on in options.items() if on and name.startswith("pooling_mode_")
    ]
    modes = [options["pooling_mode"]] if "pooling_mode" in options else modes or ["mean"]
    if len(modes) == 1 and modes[0] in _POOLING:
        return _POOLING[modes[0]]
    raise OptionError(
        f"the model in {folder} was made to pool its tokens by {' and '.join(modes)}, which is not possible here",
        option="head",
        help="write `mean`, `first` or `own`",
    )
