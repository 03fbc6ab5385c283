"""`ladle store`"""

from __future__ import annotations

import re
import time
from dataclasses import asdict
from pathlib import Path

import click

from ..disk import size_text, telling_of_the_disk
from ..runs import Runs
from ..storekeeping import Held, held_by, prune
from .options import as_json, echo_json, problems_as_json, runs_folder

_SECONDS = {"h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


@click.group(invoke_without_command=True)
@runs_folder
@as_json
@click.pass_context
def command(ctx: click.Context, runs_root: Path, as_json: bool) -> None:
    """List what the store holds: outcomes of stages, what trainings keep, unfinished work, and who uses them.

    Files that a run's folder shares with the store are counted under `size`, not under `frees`.
    """
    if ctx.invoked_subcommand is not None:
        return
    held = held_by(Runs(runs_root))
    if as_json:
        echo_json([asdict(one) for one in held])
        return
    if not held:
        click.echo(f"the store in {runs_root} is empty")
        return
    _echo_table(held)
    click.echo(f"\n{_summary(held)}")
    if unused := [one for one in held if not one.runs]:
        click.echo(f"no run uses {size_text(sum(one.frees for one in unused))} of it: `ladle store prune` removes that")


def _seconds(_: click.Context, __: click.Parameter, value: str) -> float:
    match = re.fullmatch(r"(\d+)([hdw])", value)
    if match is None:
        raise click.BadParameter(f"`{value}` is no time: give a number and h, d or w, like 30d")
    return int(match[1]) * _SECONDS[match[2]]


@command.command(name="prune")
@click.option(
    "--older-than",
    default="0h",
    callback=_seconds,
    metavar="TIME",
    help="Only what was last used so long ago or longer: 12h, 30d, 4w.",
)
@click.option("--all", "everything", is_flag=True, help="Also what runs use, except what one at work needs.")
@click.option("--dry-run", is_flag=True, help="Tell what would go; remove nothing.")
@runs_folder
@as_json
def prune_command(older_than: float, everything: bool, dry_run: bool, runs_root: Path, as_json: bool) -> None:
    """Remove what no run uses any more.

    To give up a run, delete its folder, then prune. The models and reports of runs stay in any case; what is removed
    is worked out again when a recipe needs it.
    """
    with problems_as_json(as_json), telling_of_the_disk(runs_root):
        pruned = prune(Runs(runs_root), older_than=older_than, everything=everything, dry_run=dry_run)
    if as_json:
        echo_json(asdict(pruned) | {"dry_run": dry_run})
        return
    if pruned.held:
        _echo_table(pruned.held)
        click.echo()
    click.echo(f"{'would remove' if dry_run else 'removed'} {_summary(pruned.held)}")
    click.echo(f"{'would free' if dry_run else 'freed'} {size_text(pruned.freed)}")


def _echo_table(held: list[Held]) -> None:
    heads = ("key", "kind", "stage", "use", "rows", "size", "frees", "last used", "used by")
    lines = [heads, *map(_cells, held)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        cells = (
            cell.rjust(width) if head in ("rows", "size", "frees") else cell.ljust(width)
            for head, cell, width in zip(heads, line, widths, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def _cells(held: Held) -> tuple[str, ...]:
    return (
        held.key[:8],
        held.kind if held.state == "whole" else f"{held.kind} ({held.state})".lstrip(),
        held.stage,
        held.use,
        "" if held.rows is None else f"{held.rows:,}",
        size_text(held.size),
        size_text(held.frees),
        time.strftime("%Y-%m-%d %H:%M", time.localtime(held.last_used)),
        ", ".join(held.runs) or "no run",
    )


def _summary(held: list[Held]) -> str:
    """How many there are of each sort, and their size."""
    sorts = {
        "outcome": sum(one.state == "whole" and one.kind != "kept" for one in held),
        "kept by sources and trainings": sum(one.state == "whole" and one.kind == "kept" for one in held),
        "unfinished": sum(one.state == "unfinished" for one in held),
        "damaged": sum(one.state == "damaged" for one in held),
    }
    told = [f"{count} {sort}{'s' if sort == 'outcome' and count > 1 else ''}" for sort, count in sorts.items() if count]
    return f"{', '.join(told)}: {size_text(sum(one.size for one in held))}" if told else "nothing"
