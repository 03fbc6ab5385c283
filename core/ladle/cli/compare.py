"""`ladle compare`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..differences import compare
from ..report import write_comparison
from ..report.gather import metrics_of
from ..runs import Run, Runs
from .options import as_json, echo_json, runs_folder

_WIDTH = 34


@click.command()
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@runs_folder
@as_json
def command(names: tuple[str, ...], runs_root: Path, as_json: bool) -> None:
    """Show what several RUNs are worth, side by side: metrics, options that differ, and curves in a page.

    A run is named by its name or folder; a recipe's name stands for its newest run.
    """
    if len(set(names)) < 2:
        raise click.UsageError("name two runs or more")
    runs = Runs(runs_root)
    found = [runs.find(name).ended() for name in dict.fromkeys(names)]
    stages = dict.fromkeys(stage for run in found for stage in run.outcome["metrics"])
    measured = {stage: metrics_of(_measures(found, stage)) for stage in stages}
    differences = {run.name: compare(found[0], run) for run in found[1:]}
    if as_json:
        echo_json(_as_json(measured, differences))
        return
    for stage, metrics in measured.items():
        click.echo(f"\n{stage:<28} {'':<10} " + " ".join(f"{run.name:>{_WIDTH}}" for run in found))
        for (split, name), of_runs in metrics.items():
            click.echo(f"  {name:<26} {split:<10} " + " ".join(_shown(of_runs.get(run.name)) for run in found))
    for name, about in differences.items():
        click.echo(f"\n{found[0].name} -> {name}")
        for change in (*about["stages"], *about["options"], *about["versions"], *about["data"]):
            click.echo(f"  {change}")
    page = runs_root / "comparison.html"
    write_comparison(found, runs.store, page)
    click.echo(f"\nreport: {page}")


def _measures(runs: list[Run], stage: str) -> dict[str, Any]:
    return {run.name: found[stage] for run in runs if stage in (found := run.outcome["metrics"])}


def _shown(found: tuple[float, Any] | None) -> str:
    if found is None:
        return f"{'':>{_WIDTH}}"
    value, interval = found
    told = f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
    return f"{told + (f'  [{interval[0]:.4f}, {interval[1]:.4f}]' if interval else ''):>{_WIDTH}}"


def _as_json(measured: dict[str, Any], differences: dict[str, Any]) -> dict[str, Any]:
    return {
        "metrics": {
            stage: [
                {"split": split, "metric": name}
                | {"runs": {run: found and {"value": found[0], "interval": found[1]} for run, found in of_runs.items()}}
                for (split, name), of_runs in metrics.items()
            ]
            for stage, metrics in measured.items()
        },
        "differences": {
            name: {about: [change._asdict() for change in changes] for about, changes in found.items()}
            for name, found in differences.items()
        },
    }
