"""`ladle diff`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..differences import compare
from ..runs import Runs
from .options import as_json, echo_json, runs_folder


@click.command()
@click.argument("one")
@click.argument("other")
@runs_folder
@as_json
def command(one: str, other: str, runs_root: Path, as_json: bool) -> None:
    """Show what differs between the runs ONE and OTHER: options, versions, data and metrics.

    A run is named by its name or folder; a recipe's name stands for its newest run.
    """
    runs = Runs(runs_root)
    first, second = runs.find(one).ended(), runs.find(other).ended()
    found = compare(first, second)
    if as_json:
        echo_json({about: [change._asdict() for change in differing] for about, differing in found.items()})
        return
    click.echo(f"{first.name} -> {second.name}")
    for about, differing in found.items():
        click.echo(f"\n{about}{'' if differing else ': the same'}")
        for change in differing:
            values = f"{_shown(change.before)} -> {_shown(change.after)}"
            click.echo(f"  {change.name:<38} {values}{_difference(change.before, change.after)}")


def _shown(value: Any) -> str:
    return "(none)" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _difference(before: Any, after: Any) -> str:
    return f"  {after - before:+.4g}" if isinstance(before, float) and isinstance(after, float) else ""
