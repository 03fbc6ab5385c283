"""What a model was measured to be worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Measured:
    """Metrics of some rows, and what a report shows beside them."""

    metrics: dict[str, float]
    """By name; `loss` is there always, and `rows` is the number of rows measured."""
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """95 % intervals of metrics, by name."""
    tables: dict[str, Any] = field(default_factory=dict)
    """`confusion` ({"labels": [...], "counts": [[...]]}), `per_class` (a list of dicts), or a trainer's own."""
    mistakes: list[dict[str, Any]] = field(default_factory=list)
    """Rows worth reading, the most confident mistakes first."""
