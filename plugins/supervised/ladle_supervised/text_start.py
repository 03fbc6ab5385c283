"""Where a text classifier comes from: a sentence encoder, a model with a head of its own, or an earlier stage."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PreTrainedModel

from .text_model import PooledClassifier, PooledClassifierConfig

_POOLING = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "first"}


def classifier_from(folder: Path, labels: list[str], head: str) -> PreTrainedModel:
    """The model in `folder` as a classifier of `labels`; its head is kept if it was trained for the same labels."""
    config = AutoConfig.from_pretrained(folder)
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    pooled = isinstance(config, PooledClassifierConfig)
    if pooled and list(config.id2label.values()) == labels and head in ("auto", config.pooling):
        return PooledClassifier.from_pretrained(folder, dtype=torch.float32)
    pooling = _pooling(folder, config) if head == "auto" else head
    if pooling == "own":
        return AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, ignore_mismatched_sizes=True, use_safetensors=True, **names
        )
    if pooled:
        encoder = PooledClassifier.from_pretrained(folder, dtype=torch.float32).encoder
    else:
        encoder = AutoModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
    return PooledClassifier(PooledClassifierConfig(encoder.config, pooling, **names), encoder)


def _pooling(folder: Path, config: AutoConfig) -> str:
    """How a model pools its tokens by its own account: a sentence encoder's says so in a file beside it."""
    if isinstance(config, PooledClassifierConfig):
        return config.pooling
    stated = folder / "1_Pooling" / "config.json"
    if stated.is_file():
        modes = json.loads(stated.read_text())
        return next((pooling for mode, pooling in _POOLING.items() if modes.get(mode)), "mean")
    return "own"
