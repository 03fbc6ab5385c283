"""Models with a head for a task: whether a folder has one, and giving one to the body that it has."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from transformers import AutoModel, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel

from ladle import OptionError
from ladle.training import config_from, loading, model_from

from .pooled import PooledClassifierConfig

Task = Literal["SequenceClassification", "TokenClassification", "QuestionAnswering"]
"""What a head is for, as transformers' AutoModelFor… calls it."""


def labels_of(folder: Path, task: Task = "SequenceClassification") -> list[str]:
    """The classes of the model in `folder`, if its head is one for this task; [] if not."""
    config = config_from(folder)
    return [config.id2label[number] for number in sorted(config.id2label)] if is_for(config, task) else []


def has_head(folder: Path, task: Task) -> bool:
    """Whether the model in `folder` has a head for this task."""
    return is_for(config_from(folder), task)


def is_for(config: PreTrainedConfig, task: Task) -> bool:
    """Whether this is the configuration of a model with a head for a task."""
    ends = (f"For{task}", f"For{task}Simple", *(("Classifier",) if task == "SequenceClassification" else ()))
    return any(name.endswith(ends) for name in config.architectures or ())


def names_of(labels: list[str]) -> dict[str, Any]:
    """Classes as a configuration has them."""
    return {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}


def model_for(task: Task, folder: Path, padding: int, keep: bool, about: dict[str, Any]) -> PreTrainedModel:
    """The model in `folder` with its head for a task, to `keep`; or with a new one, as its architecture has it.

    What is `about` a new head becomes a part of the configuration. Raises OptionError if the folder's weights do not
    belong to its configuration, or transformers has no such model of its architecture.
    """
    auto_class = getattr(transformers, f"AutoModelFor{task}")
    if keep:
        return model_from(auto_class, folder)[0]
    body = body_from(folder)
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


def body_from(folder: Path) -> PreTrainedModel:
    """The model in `folder` without a head."""
    if isinstance(config_from(folder), PooledClassifierConfig):
        return model_from(AutoModelForSequenceClassification, folder)[0].encoder
    return model_from(AutoModel, folder)[0]


def _as_words(task: Task) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in task).strip()
