"""`ladle rejects`"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import click

from ..runs import Runs
from .options import as_json, runs_folder
from .values import echo_values_as_json, shown


@click.command()
@click.argument("run")
@click.option("--stage", help="Only those of one stage, such as reviews.clean.2.")
@click.option("--rule", help="Only those that one rule rejected, such as duplicate.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many to show; 0 shows all."
)
@runs_folder
@as_json
def command(run: str, stage: str | None, rule: str | None, limit: int, runs_root: Path, as_json: bool) -> None:
    """Show the rows that RUN rejected: by which stage and rule, why, and what they were.

    `ladle trace RUN ROW` shows the whole way of one of them.
    """
    from ..tracing import reject_counts, rejects

    found = Runs(runs_root).find(run)
    chosen = islice(rejects(found, stage, rule), limit or None)
    if as_json:
        echo_values_as_json(list(chosen))
        return
    counts = reject_counts(found, stage, rule)
    if not counts:
        click.echo("nothing was rejected")
        return
    for (name, broken), count in counts.items():
        click.echo(f"{count:>9,}  {broken}  in {name}")
    click.echo()
    for reject in chosen:
        click.echo(f"{_place(reject)}  {reject['rule']}: {reject['reason']}")
        click.echo(f"    {shown(reject['raw'] or b'')}")
    if limit and (more := sum(counts.values()) - limit) > 0:
        click.echo(f"\n{more:,} more: --limit 0 shows all")


def _place(reject: dict[str, Any]) -> str:
    where = reject["file"] or ""
    if reject["line"] is not None:
        where += f":{reject['line']}"
    return "  ".join(filter(None, [reject["id"], where])) or reject["stage"]
