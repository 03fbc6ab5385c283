"""Where a text classifier comes from: a pre-trained model, with a head of its own or without, or an earlier stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)

from ladle import OptionError
from ladle.training import loading

from .text_model import PooledClassifier, PooledClassifierConfig

_LOCAL = {"local_files_only": True, "trust_remote_code": False}
_POOLING = {"mean": "mean", "mean_tokens": "mean", "cls": "first", "cls_token": "first"}


def labels_of(folder: Path) -> list[str]:
    """The classes of the classifier in `folder`; [] if it holds a model without such a head."""
    return _labels_of(_config_of(folder))


def _labels_of(config: PreTrainedConfig) -> list[str]:
    classifies = any(name.endswith(("ForSequenceClassification", "Classifier")) for name in config.architectures or ())
    return [config.id2label[number] for number in sorted(config.id2label)] if classifies else []


def _config_of(folder: Path, **names: Any) -> PreTrainedConfig:
    with loading(folder):
        return AutoConfig.from_pretrained(folder, **_LOCAL, **names)


def classifier_from(folder: Path, labels: list[str], head: str, padding: int) -> PreTrainedModel:
    """The model in `folder` as a classifier of `labels`, which pads with the token `padding`.

    Its head is kept if it has one of the kind that `head` wants, for the same labels in the same order. Raises
    OptionError if the folder's weights do not belong to its configuration.
    """
    config = _config_of(folder)
    is_pooled = isinstance(config, PooledClassifierConfig)
    pooling = _pooling(folder, config) if head == "auto" or (is_pooled and head == "own") else head
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    if _labels_of(config) == labels and pooling == (config.pooling if is_pooled else "own"):
        return _load(AutoModelForSequenceClassification, folder)
    if pooling == "own":
        return _with_own_head(folder, padding, names)
    encoder = _load(AutoModelForSequenceClassification, folder).encoder if is_pooled else _load(AutoModel, folder)
    if encoder.config.is_encoder_decoder:
        raise OptionError(
            f"{type(encoder).__name__} is an encoder with a decoder: its states cannot be pooled",
            option="head",
            help='write head = "own", or name another model',
        )
    attention = encoder.config._attn_implementation  # a new configuration would make its encoder's forget it
    config = PooledClassifierConfig(encoder.config, pooling, attn_implementation=attention, **names)
    return PooledClassifier(config, encoder)


def _with_own_head(folder: Path, padding: int, names: dict[str, Any]) -> PreTrainedModel:
    """The model in `folder` with a new head, as its architecture has it for classes."""
    config = _config_of(folder, **names)
    if config.pad_token_id is None:
        config.pad_token_id = padding
    base = _load(AutoModel, folder)
    with loading(folder):
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32, trust_remote_code=False)
    model.base_model.load_state_dict(base.state_dict(), strict=False)  # not every architecture has the same pooler
    return model


def _load(auto_class: Any, folder: Path) -> PreTrainedModel:
    """All weights in `folder`, from safetensors. Raises OptionError if some of the model's are not there."""
    with loading(folder):
        model, found = auto_class.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are looked for below
            **_LOCAL,
        )
    missing = sorted(name for name in found["missing_keys"] if "pooler" not in name)  # a new pooler can be trained
    misfits = sorted(name for name, *_ in found["mismatched_keys"])
    if missing or misfits:
        raise OptionError(
            f"the weights in {folder} do not belong to its config.json: {len(missing)} are missing and "
            f"{len(misfits)} have another shape, such as {(misfits or missing)[0]}",
            option="model",
            help="name a model whose weights belong to the architecture in its config.json",
        )
    return model


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
