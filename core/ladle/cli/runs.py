"""`ladle runs`"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from ..runs import Run, Runs
from .options import as_json, echo_json, runs_folder


@click.command()
@runs_folder
@as_json
def command(runs_root: Path, as_json: bool) -> None:
    """List the runs there have been, newest first."""
    listed = [_entry(run) for run in Runs(runs_root)]
    if as_json:
        echo_json(listed)
        return
    if not listed:
        click.echo(f"no run in {runs_root} yet: ladle run RECIPE")
    for entry in listed:
        started = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry["started"]))
        click.echo(f"{entry['run']:<28} {started}  {entry['status']:<12} {entry['path']}")


def _entry(run: Run) -> dict[str, Any]:
    lock = run.lock
    has_ended = (run.folder / "outcome.json").is_file()
    return {
        "run": run.name,
        "recipe": lock["recipe"],
        "path": lock["path"],
        "started": lock["started"],
        "status": run.outcome["status"] if has_ended else "unfinished",
    }
