"""Continuing texts with a causal language model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from .continuation import Continuation

NOTHING = -100  # where a continuation has ended


def continued(model: Any, prompts: dict[str, Any], how: Continuation, end: int | None, padding: int) -> torch.Tensor:
    """Tokens [rows, max_new_tokens] that follow prompts, as `left_padded` gives them.

    From the token `end` on there is nothing (-100). What follows a prompt depends on that and the seed alone, not on
    the prompts beside it.
    """
    device = next(model.parameters()).device
    ids, mask = prompts["input_ids"].to(device), prompts["attention_mask"].to(device)
    rows = [prompt[own].tolist() for prompt, own in zip(ids, mask.bool(), strict=True)]
    config = GenerationConfig(
        max_new_tokens=how.max_new_tokens, do_sample=False, eos_token_id=end, pad_token_id=padding, use_cache=True
    )
    whole = model.generate(ids, attention_mask=mask, generation_config=config, logits_processor=_processors(how, rows))
    found = whole.new_full((len(rows), how.max_new_tokens), NOTHING)
    found[:, : whole.shape[1] - ids.shape[1]] = whole[:, ids.shape[1] :]
    return found.masked_fill((found == end).cumsum(1) > 0, NOTHING) if end is not None else found


def _processors(how: Continuation, prompts: Sequence[Sequence[int]]) -> LogitsProcessorList:
    """What makes the likeliest token the one that is drawn."""
    if how.temperature == 0:
        return LogitsProcessorList()
    steps: list[LogitsProcessor] = [TemperatureLogitsWarper(how.temperature)]
    if how.top_k is not None:
        steps.append(TopKLogitsWarper(how.top_k))
    if how.top_p < 1:
        steps.append(TopPLogitsWarper(how.top_p))
    return LogitsProcessorList([*steps, _Noise(how.seed, prompts)])


class _Noise(LogitsProcessor):
    """Adds Gumbel noise to logits: the greatest is then one drawn by their softmax (Gumbel 1954).

    Each row has random numbers of its own.
    """

    def __init__(self, seed: int, prompts: Sequence[Sequence[int]]) -> None:
        self.generators = [torch.Generator().manual_seed(_number((seed, tuple(prompt)))) for prompt in prompts]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        waits = [torch.empty(scores.shape[1]).exponential_(generator=generator) for generator in self.generators]
        return scores - torch.stack(waits).log().to(scores)


def _number(parts: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=7).digest(), "big")
