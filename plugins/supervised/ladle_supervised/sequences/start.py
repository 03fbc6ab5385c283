"""Encoders with decoders: where one comes from, its tokeniser with its languages, and how it is fed and asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ladle import OptionError
from ladle.errors import did_you_mean
from ladle.training import config_from, loading, model_from, tokenizer_from

NO_LABEL = -100
_SENTENCEPIECE = {"marian", "m2m_100"}  # their tokenisers are no tokenizer.json, but programs around other files


def tokenizer_with(folder: Path, source: str | None, target: str | None) -> PreTrainedTokenizerBase:
    """The tokeniser in `folder`, set to translate between these languages.

    Raises OptionError if it wants languages and gets none, gets some and wants none, or does not know one.
    """
    kind = config_from(folder).model_type
    is_program = kind in _SENTENCEPIECE and not (folder / "tokenizer.json").is_file()
    tokenizer = _program_in(folder, kind) if is_program else tokenizer_from(folder)
    if not hasattr(tokenizer, "src_lang"):
        if source is not None or target is not None:
            raise OptionError(
                f"the tokeniser of this model ({kind}) knows no languages",
                option="target_language" if source is None else "source_language",
                help="leave it out; where a model is told in words what to do, `prefix` says them",
            )
        return tokenizer
    if target is None and tokenizer.tgt_lang is None:
        raise OptionError(
            f"the model ({kind}) translates between many languages, and has to know into which",
            option="target_language",
            help=f"write source_language and target_language; it knows {', '.join(_languages(tokenizer)[:8])}, …",
        )
    _set_language(tokenizer, "src_lang", source, "source_language")
    _set_language(tokenizer, "tgt_lang", target, "target_language")
    return tokenizer


def _program_in(folder: Path, kind: str) -> PreTrainedTokenizerBase:
    try:
        import sentencepiece  # noqa: F401
    except ImportError:
        raise OptionError(
            f"the tokeniser of this model ({kind}) needs the package sentencepiece, which is not installed",
            option="model",
            help='pip install "ladle-supervised[sentencepiece]"',
        ) from None
    with loading(folder):
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _set_language(tokenizer: Any, attribute: str, language: str | None, option: str) -> None:
    if language is None:
        return
    if language not in (known := _languages(tokenizer)):
        help = did_you_mean(language, known, "it knows")
        raise OptionError(f"the tokeniser knows no language `{language}`", option=option, help=help)
    setattr(tokenizer, attribute, language)


def _languages(tokenizer: Any) -> list[str]:
    """The names of languages; where the tokeniser has no list of them, its special tokens that are no other."""
    if known := getattr(tokenizer, "lang_code_to_id", None):
        return sorted(known)
    others = {str(token) for token in tokenizer.special_tokens_map.values() if isinstance(token, str)}
    return sorted(set(tokenizer.all_special_tokens) - others)


def encoder_decoder_from(folder: Path, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The model in `folder`, with the tokens to pad and to begin with that it was not told.

    Raises OptionError if it is no encoder with a decoder, or its weights do not belong to its configuration.
    """
    config = config_from(folder)
    if type(config) not in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING:
        raise OptionError(
            f"a {config.model_type} model is no encoder with a decoder that writes texts",
            option="model",
            help="name a model such as T5, BART, mBART or Marian",
        )
    model, _ = model_from(AutoModelForSeq2SeqLM, folder)
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    if model.config.decoder_start_token_id is None:
        begin = tokenizer.bos_token_id
        model.config.decoder_start_token_id = tokenizer.pad_token_id if begin is None else begin
    _embed_in_one_place(model)
    _keep_waves(model)
    return model


def _embed_in_one_place(model: Any) -> None:
    """Let the encoder embed by the very module that the model names, where both have the same weights.

    Since transformers 5 each of encoder, decoder and model has a module around them, and the model's is never called:
    a hook there would do nothing.
    """
    encoder, named = model.get_encoder(), model.get_input_embeddings()
    if encoder.get_input_embeddings().weight is named.weight:
        encoder.set_input_embeddings(named)


def _keep_waves(model: torch.nn.Module) -> None:
    """Leave alone what tells places by sines and cosines: it is no weight, though loading makes one of it."""
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding) and "Sinusoidal" in type(module).__name__:
            module.requires_grad_(False)


def train_all_layers(model: torch.nn.Module) -> bool:
    """Never leave out whole layers by chance, as some models do; whether this one did.

    In a step that leaves a layer out it gets no gradient, which looks like a mistake, and stops several processes.
    """
    dropping = [module for module in model.modules() if getattr(module, "layerdrop", 0)]
    for module in dropping:
        module.layerdrop = 0.0
    return bool(dropping)


def shifted(model: Any, labels: torch.Tensor) -> torch.Tensor:
    """What the decoder reads to write `labels` [rows, length]: them, one later, as the model itself shifts them."""
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):
        return model.prepare_decoder_input_ids_from_labels(labels)
    shift: Callable[..., torch.Tensor] | None = getattr(sys.modules[type(model).__module__], "shift_tokens_right", None)
    if shift is None:
        raise OptionError(
            f"{type(model).__name__} does not tell how its decoder is fed",
            option="model",
            help="name a model such as T5, BART, mBART or Marian",
        )
    return shift(labels, model.config.pad_token_id, model.config.decoder_start_token_id)
