"""Where a model over texts comes from: a pre-trained one, with a head for the task or without, or an earlier stage."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel

from ladle import OptionError
from ladle.training import loading

from .text_model import PooledClassifier, PooledClassifierConfig

Task = Literal["SequenceClassification", "TokenClassification", "QuestionAnswering"]
"""What a head is for, as transformers' AutoModelFor… calls it."""

_LOCAL = {"local_files_only": True, "trust_remote_code": False}
_POOLING = {"mean": "mean", "mean_tokens": "mean", "cls": "first", "cls_token": "first"}


def labels_of(folder: Path, task: Task = "SequenceClassification") -> list[str]:
    """The classes of the model in `folder`, if its head is one for this task; [] if not."""
    config = _config_of(folder)
    return [config.id2label[number] for number in sorted(config.id2label)] if _is_for(config, task) else []


def scale_of(folder: Path) -> tuple[float, float] | None:
    """Mean and deviation of what the regressor in `folder` predicts; None if it holds another model.

    A regressor that says nothing of them gives its numbers as they are.
    """
    config = _config_of(folder)
    if not _is_for(config, "SequenceClassification") or config.num_labels != 1:
        return None
    return getattr(config, "mean", 0.0), getattr(config, "deviation", 1.0)


def has_head(folder: Path, task: Task) -> bool:
    """Whether the model in `folder` has a head for this task."""
    return _is_for(_config_of(folder), task)


def names_of(labels: list[str]) -> dict[str, Any]:
    """Classes as a configuration has them."""
    return {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}


def _is_for(config: PreTrainedConfig, task: Task) -> bool:
    ends = (f"For{task}", f"For{task}Simple", *(("Classifier",) if task == "SequenceClassification" else ()))
    return any(name.endswith(ends) for name in config.architectures or ())


def _config_of(folder: Path) -> PreTrainedConfig:
    with loading(folder):
        return AutoConfig.from_pretrained(folder, **_LOCAL)


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


def model_for(task: Task, folder: Path, padding: int, keep: bool, about: dict[str, Any]) -> PreTrainedModel:
    """The model in `folder` with its head for a task, to `keep`; or with a new one, as its architecture has it.

    What is `about` a new head becomes a part of the configuration. Raises OptionError if the folder's weights do not
    belong to its configuration, or transformers has no such model of its architecture.
    """
    auto_class = getattr(transformers, f"AutoModelFor{task}")
    if keep:
        return _load(auto_class, folder)
    body = _body(folder)
    config = copy.deepcopy(body.config)
    if type(config) not in auto_class._model_mapping:
        raise OptionError(
            f"transformers has no {config.model_type} model for {_as_words(task)}",
            option="model",
            help="name a model of another architecture",
        )
    config.update(about)
    if config.pad_token_id is None:
        config.pad_token_id = padding
    with loading(folder):
        model = auto_class.from_config(config, dtype=torch.float32, trust_remote_code=False)
    model.base_model.load_state_dict(body.state_dict(), strict=False)  # not every architecture has the same pooler
    return model


def _as_words(task: Task) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in task).strip()


def _of_texts(folder: Path, head: str, padding: int, is_known: bool, about: dict[str, Any]) -> PreTrainedModel:
    """A model that says one thing of a text; if its head `is_known`, and of the kind that is wanted, it stays."""
    config = _config_of(folder)
    is_pooled = isinstance(config, PooledClassifierConfig)
    pooling = _pooling(folder, config) if head == "auto" or (is_pooled and head == "own") else head
    keep = is_known and pooling == (config.pooling if is_pooled else "own")
    if keep or pooling == "own":
        return model_for("SequenceClassification", folder, padding, keep, about)
    encoder = _body(folder)
    if encoder.config.is_encoder_decoder:
        raise OptionError(
            f"{type(encoder).__name__} is an encoder with a decoder: its states cannot be pooled",
            option="head",
            help='write head = "own", or name another model',
        )
    attention = encoder.config._attn_implementation  # a new configuration would make its encoder's forget it
    config = PooledClassifierConfig(encoder.config, pooling, attn_implementation=attention, **about)
    return PooledClassifier(config, encoder)


def _body(folder: Path) -> PreTrainedModel:
    """The model in `folder` without a head."""
    if isinstance(_config_of(folder), PooledClassifierConfig):
        return _load(AutoModelForSequenceClassification, folder).encoder
    return _load(AutoModel, folder)


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
