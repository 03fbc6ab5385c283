"""`ladle trace`"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..runs import Runs
from .options import as_json, runs_folder
from .values import echo_values_as_json, shown

if TYPE_CHECKING:
    from ..tracing import Step, Trace


@click.command()
@click.argument("run")
@click.argument("row")
@runs_folder
@as_json
def command(run: str, row: str, runs_root: Path, as_json: bool) -> None:
    """Show what happened to a ROW of RUN, stage by stage.

    ROW is a row's id, the start of one, or the place where it was read: data/people.csv:12
    """
    from ..tracing import trace

    found = trace(Runs(runs_root).find(run), row)
    if as_json:
        echo_values_as_json(asdict(found))
        return
    click.echo(_head(found))
    width = max(len(step.stage) for step in found.steps)
    for step in found.steps:
        first, *others = _lines(step, found.split)
        click.echo(f"  {step.stage:<{width}}  {step.use}: {first}")
        for line in others:
            click.echo(f"  {'':<{width}}  {line}")


def _head(found: Trace) -> str:
    places = {"": found.origin["file"], "line ": found.origin["line"], "byte ": found.origin["offset"]}
    place = ", ".join(f"{word}{value:,}" if word else str(value) for word, value in places.items() if value is not None)
    name = f"row {found.id}" if found.id else "no row"
    return f"{name} ({place})" if place else name


def _lines(step: Step, split: str | None) -> list[str]:
    if step.reject:
        return [f"rejected: {step.reject['rule']}: {step.reject['reason']}", shown(step.reject["raw"] or b"")]
    if step.kind in ("split", "train"):
        does = {"split": f"{split} split", "train": "learnt from" if split == "train" else f"of the {split} split"}
        return [does[step.kind]]
    lines = [f"{name}: {shown(old)} -> {shown(new)}" for name, (old, new) in step.changed.items()]
    lines += [f"{name} = {shown(value)}" for name, value in step.made.items()]
    lines += [f"without {name}" for name in step.dropped]
    return lines or ["written" if step.kind == "write" else "unchanged"]
