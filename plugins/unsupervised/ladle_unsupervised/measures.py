"""What a language model is worth: how well it predicts the tokens of documents, with 95 % intervals over these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ladle.training import Measured

_TWO_SIDED = 1.96  # standard errors to either side of a 95 % interval


class Told(NamedTuple):
    """How each row was predicted: arrays [rows]."""

    nats: np.ndarray
    """The sum over its tokens."""
    hits: np.ndarray
    """How many of these were the likeliest."""
    tokens: np.ndarray
    bytes: np.ndarray | None
    """Of the text that these tokens stand for; None where that is not known."""


def measure_tokens(told: Told, documents: Sequence[str], accuracy: str) -> Measured:
    """Perplexity, loss (nats a token), bits a byte of text, and the share of tokens that were predicted (`accuracy`).

    `documents` tell for each row which it is part of.
    """
    number = np.unique(np.asarray(documents), return_inverse=True)[1]
    nats, hits, tokens = (np.bincount(number, values) for values in told[:3])
    loss, loss_interval = _ratio(nats, tokens)
    metrics = {"perplexity": _exp(loss)}
    intervals = {"perplexity": tuple(map(_exp, loss_interval)), "loss": loss_interval}
    if told.bytes is not None and told.bytes.any():
        bits = _ratio(nats / math.log(2), np.bincount(number, told.bytes))
        metrics["bits_per_byte"], intervals["bits_per_byte"] = bits
    metrics[accuracy], (low, high) = _ratio(hits, tokens)
    intervals[accuracy] = low, min(1.0, high)
    metrics |= {"loss": loss, "rows": len(nats)}
    return Measured(metrics, intervals if len(nats) > 1 else {})


def _exp(nats: float) -> float:
    return math.exp(min(nats, 700.0))


def _ratio(above: np.ndarray, below: np.ndarray) -> tuple[float, tuple[float, float]]:
    """A ratio of sums over documents, with its interval for documents that differ in size (Cochran 1977, ch. 6)."""
    ratio = above.sum() / below.sum()
    errors = above - ratio * below
    count = len(above)
    error = math.sqrt(count / max(1, count - 1) * float(errors @ errors)) / below.sum()
    return float(ratio), (max(0.0, float(ratio - _TWO_SIDED * error)), float(ratio + _TWO_SIDED * error))


def unigram(counts: np.ndarray) -> np.ndarray:
    """Probabilities of tokens by how often each was seen, with a share for those never seen (Witten & Bell 1991)."""
    kinds = np.count_nonzero(counts)
    return (counts + kinds / len(counts)) / (counts.sum() + kinds)


def measure_unigram(seen: np.ndarray, wanted: np.ndarray, accuracy: str, text: int | None) -> dict[str, float]:
    """What guessing each token by its share alone is worth: `seen` [vocabulary] counts tokens of the train split.

    `wanted` are the tokens to be predicted; accuracy is that of always naming the commonest.
    """
    nats = -np.log(unigram(seen)[wanted])
    found = {"perplexity": _exp(float(nats.mean()))}
    if text:
        found["bits_per_byte"] = float(nats.sum() / math.log(2) / text)
    return found | {accuracy: float((wanted == seen.argmax()).mean()), "loss": float(nats.mean())}
