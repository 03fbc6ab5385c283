"""A run's result as a person reads it in a terminal."""

from __future__ import annotations

from typing import Any

import click

from ..runs import Run


def echo_result(run: Run) -> None:
    """Print what each train stage is worth, beside the baseline, and where model and report are."""
    outcome = run.outcome
    click.echo(f"\n{run.name}: {outcome['status']} in {outcome['seconds']:.1f} s")
    for name, metrics in outcome["metrics"].items():
        echo_metrics(name, metrics)
        click.echo(f"  model: {run.model(name)}")
    if outcome["report"]:
        click.echo(f"  report: {outcome['report']}")


def echo_metrics(name: str, metrics: dict[str, Any]) -> None:
    """Print one train stage's metrics as a table: measured, interval, baseline."""
    for split in ("test", "validation"):
        if split not in metrics:
            continue
        click.echo(f"\n  {name}, {split} split ({metrics[split].get('rows', 0):,.0f} rows)")
        baseline = metrics.get("baseline", {}) if split == "test" else {}
        for metric, value in metrics[split].items():
            if metric == "rows":
                continue
            low, high = metrics["intervals"].get(split, {}).get(metric, (None, None))
            interval = f"[{low:.4f}, {high:.4f}]" if low is not None else ""
            compared = f"baseline {baseline[metric]:.4f}" if metric in baseline else ""
            click.echo(f"    {metric:<18} {value:>9.4f}  {interval:<18} {compared}".rstrip())
