"""What a model that writes tokens is worth by how likely the right ones were to it."""

from __future__ import annotations

import numpy as np

from ladle.training import Measured

from ..measures import intervals_of, resampled_sums


def measure_tokens(losses: np.ndarray, tokens: np.ndarray) -> Measured:
    """The loss per token (in nats), and the perplexity, which is e to its power.

    `losses` [rows] are sums over a row's tokens, `tokens` [rows] their counts.
    """
    counts = np.stack([losses, tokens], axis=1).astype(np.float64)
    values = {"perplexity": _perplexity(counts.sum(0))}
    return Measured(
        metrics={"loss": float(np.log(values["perplexity"])), **values, "rows": len(losses)},
        intervals=intervals_of(values, ({"perplexity": _perplexity(sums)} for sums in resampled_sums(counts))),
    )


def _perplexity(sums: np.ndarray) -> float:
    loss, tokens = sums
    return float(np.exp(loss / tokens))
