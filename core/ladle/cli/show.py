"""`ladle show`"""

from __future__ import annotations

from pathlib import Path

import click

from ..runs import Runs
from .options import as_json, echo_json, runs_folder
from .results import echo_result


@click.command()
@click.argument("run")
@click.option("--report", "only_report", is_flag=True, help="Print only the path of the report.")
@runs_folder
@as_json
def command(run: str, only_report: bool, runs_root: Path, as_json: bool) -> None:
    """Show what RUN did and what its models are worth.

    RUN is a run's name or folder, or a recipe's name for its newest run.
    """
    found = Runs(runs_root).find(run).ended()
    if as_json:
        echo_json(found.outcome)
        return
    if only_report:
        click.echo(f"report: {found.report}")
        return
    for stage in found.outcome["stages"]:
        rows = "" if stage["rows_out"] is None else f"{stage['rows_in']:,} rows in, {stage['rows_out']:,} out"
        rejects = f", {stage['rejects']:,} rejected" if stage["rejects"] else ""
        click.echo(f"{stage['name']:<28} {stage['use']:<22} {stage['status']:<8} {rows}{rejects}")
    echo_result(found)
