"""What the names of metrics say of them."""

from __future__ import annotations

import re

_ERRORS = {"loss", "perplexity", "bits", "rmse", "mse", "mae", "error", "errors", "wer", "cer", "entropy", "ece"}


def is_better_low(name: str) -> bool:
    """Whether less of a metric is better: losses and errors by any name."""
    return not _ERRORS.isdisjoint(re.split(r"[\W_]+", name.lower()))
