"""How an encoder with a decoder writes texts: its settings, kept with the model, and the work itself."""

from __future__ import annotations

import copy
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from ladle import OptionError

from .start import NO_LABEL, shifted

_OF_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
_OF_BEAMS = ("early_stopping", "length_penalty")


def end_of_text(model: Any, tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that ends a text. Raises OptionError if neither the tokeniser nor the model has one."""
    for end in (tokenizer.eos_token_id, *ends(model)):
        if end is not None:
            return end
    raise OptionError(
        "neither the model nor its tokeniser has a token that ends a text: it would never stop writing",
        option="model",
        help="name a model with an `eos_token` in its tokenizer_config.json",
    )


def settle(model: Any, empty: list[int], end: int, beams: int | None, length_penalty: float | None) -> None:
    """Let a model write as it is measured: nothing left to chance, beginning and end as in training.

    Everything else stays as the model's own settings say. `empty` are the tokens of an empty target, `end` its last.
    """
    settings = copy.deepcopy(model.generation_config)
    settings._from_model_config = False  # or what is in config.json counts for more
    settings.do_sample = False
    for name in (*_OF_SAMPLING, "num_return_sequences", "max_length", "forced_eos_token_id"):
        setattr(settings, name, None)  # an end that is forced would hide that a text has none
    if beams is not None:
        settings.num_beams = beams
    if length_penalty is not None:
        settings.length_penalty = length_penalty
    if settings.num_beams in (None, 1):
        for name in _OF_BEAMS:
            setattr(settings, name, None)
    if end not in ends(model):
        settings.eos_token_id = end
    if settings.pad_token_id is None:
        settings.pad_token_id = model.config.pad_token_id
    settings.decoder_start_token_id = int(shifted(model, torch.tensor([empty]))[0, 0])
    settings.forced_bos_token_id = empty[0] if empty[0] != end else None  # what all targets begin with: a language
    model.generation_config = settings


def settle_lengths(model: Any, shortest: int, longest: int, most: int | None) -> None:
    """Let texts that a model writes be as long as the targets it learnt from, in tokens, or `most`."""
    settings = model.generation_config
    settings.max_new_tokens = most or longest
    for name in ("min_length", "min_new_tokens"):
        if (least := getattr(settings, name)) is not None:
            setattr(settings, name, min(least, shortest, settings.max_new_tokens))


def generated(model: Any, batch: dict[str, Any], chosen: torch.Tensor) -> torch.Tensor:
    """The tokens [rows, length] that a model writes for `chosen` rows [rows], to the end of each text; then -100."""
    tokens = batch["input_ids"]
    if not chosen.any():
        return tokens.new_full((len(tokens), 0), NO_LABEL)
    mask = batch.get("attention_mask", torch.ones_like(tokens))  # or generate takes every padding token for padding
    said = model.generate(input_ids=tokens[chosen], attention_mask=mask[chosen])[:, 1:]
    is_end = torch.isin(said, said.new_tensor(ends(model)))
    said = said.masked_fill(is_end.cumsum(1) > is_end.long(), NO_LABEL)
    found = tokens.new_full((len(tokens), said.shape[1]), NO_LABEL)
    found[chosen] = said
    return found


def ends(model: Any) -> list[int]:
    """The tokens at which a model stops writing."""
    end = model.generation_config.eos_token_id
    return end if isinstance(end, list) else [end]
