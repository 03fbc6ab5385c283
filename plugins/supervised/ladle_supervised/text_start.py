"""Where a text classifier comes from: a pre-trained model, with a head of its own or without, or an earlier stage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ladle import OptionError

from .text_model import PooledClassifier, PooledClassifierConfig

_LOCAL = {"local_files_only": True, "trust_remote_code": False}
_POOLING = {"mean": "mean", "mean_tokens": "mean", "cls": "first", "cls_token": "first"}
_NO_LIMIT = 10**9  # tokenisers say "as long as you like" with 10**30
_LONG = 512  # tokens, for a model whose positions have no end and that says nothing of its own


@contextmanager
def _loading(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise OptionError(
            f"the model in {folder} cannot be loaded: {first}",
            option="model",
            help="name a folder in Hugging Face layout (config.json, model.safetensors, tokenizer.json)",
        ) from error


def tokenizer_from(folder: Path) -> PreTrainedTokenizerBase:
    """The tokeniser in `folder`, with a token to pad with. Raises OptionError if there is none."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **_LOCAL)
    except Exception as error:  # it has no type of its own for any of what can go wrong
        raise _no_tokenizer(folder) from error
    if len(tokenizer) <= len(tokenizer.all_special_tokens) or not tokenizer.is_fast:
        raise _no_tokenizer(folder)  # of a folder without one, AutoTokenizer makes one that knows no word
    if tokenizer.pad_token_id is None:  # decoders seldom have one; the mask hides it
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def _no_tokenizer(folder: Path) -> OptionError:
    return OptionError(
        f"the model in {folder} has no tokeniser that can be read",
        option="model",
        help="name a folder with a tokenizer.json, as `tokenizer.save_pretrained` writes it",
    )


def longest(model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, wanted: int | None) -> int:
    """How many tokens of a text are read. Raises OptionError if more are wanted than the model has positions for."""
    positions = _positions(model)
    if wanted is None:
        known = [limit for limit in (positions, tokenizer.model_max_length) if limit is not None and limit < _NO_LIMIT]
        return min(known, default=_LONG)
    if positions is not None and wanted > positions:
        raise OptionError(
            f"the model reads at most {positions} tokens of a text, not {wanted}",
            option="max_length",
            help=f"write at most {positions}, or leave the option out",
        )
    return wanted


def _positions(model: Any) -> int | None:
    """How many tokens the model has positions for; None if there is no end to them."""
    base = model.base_model
    count = getattr(base.config, "max_position_embeddings", None)
    table = getattr(getattr(base, "embeddings", None), "position_embeddings", None)
    if table is None or table.padding_idx is None:
        return count
    return count - table.padding_idx - 1  # RoBERTa and its kin count from behind the place of padding


def labels_of(folder: Path) -> list[str]:
    """The classes of the classifier in `folder`; [] if it holds a model without such a head."""
    return _labels_of(_config_of(folder))


def _labels_of(config: PreTrainedConfig) -> list[str]:
    classifies = any(name.endswith(("ForSequenceClassification", "Classifier")) for name in config.architectures or ())
    return [config.id2label[number] for number in sorted(config.id2label)] if classifies else []


def _config_of(folder: Path, **names: Any) -> PreTrainedConfig:
    with _loading(folder):
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
    with _loading(folder):
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32, trust_remote_code=False)
    model.base_model.load_state_dict(base.state_dict(), strict=False)  # not every architecture has the same pooler
    return model


def _load(auto_class: Any, folder: Path) -> PreTrainedModel:
    """All weights in `folder`, from safetensors. Raises OptionError if some of the model's are not there."""
    with _loading(folder):
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
