"""What several tasks' models were measured to be worth, together."""

from __future__ import annotations

from typing import Any

from ladle.training import Measured


def joined(found: dict[str, Measured], weights: dict[str, float], rows: int) -> Measured:
    """All metrics, intervals and tables, each with its task's name before its own; `loss` is the weighted sum."""
    whole = Measured({})
    for name, measured in found.items():
        whole.metrics |= {f"{name}/{n}": value for n, value in measured.metrics.items() if n != "rows"}
        whole.intervals |= {f"{name}/{n}": bounds for n, bounds in measured.intervals.items()}
        whole.tables |= {f"{name}/{n}": _as_rows(table) for n, table in measured.tables.items()}
    whole.metrics["loss"] = sum(weights[name] * measured.metrics["loss"] for name, measured in found.items())
    whole.metrics["rows"] = rows
    whole.mistakes = _mistakes(found)
    return whole


def _as_rows(table: Any) -> Any:
    """A confusion as a table like any other: a report shows that of one task in a way of its own."""
    if not isinstance(table, dict) or table.keys() != {"labels", "counts"}:
        return table
    rows = zip(table["labels"], table["counts"], strict=True)
    return [{"truth \\ predicted": label, **dict(zip(table["labels"], counts, strict=True))} for label, counts in rows]


def _mistakes(found: dict[str, Measured]) -> list[dict[str, Any]]:
    """Mistakes of all tasks with the `task` in their rows."""
    return [
        mistake | {"row": {"task": name, **mistake.get("row", {})}}
        for name, measured in found.items()
        for mistake in measured.mistakes
    ]
