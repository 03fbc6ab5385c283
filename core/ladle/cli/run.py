"""`ladle run`"""

from __future__ import annotations

from pathlib import Path

import click

from ..recipe import load
from ..runner import run
from ..runs import Runs
from .console import Console
from .options import as_json, echo_json, runs_folder
from .results import echo_result


@click.command()
@click.argument("recipes", nargs=-1, required=True, type=click.Path(path_type=Path))
@runs_folder
@as_json
def command(recipes: tuple[Path, ...], runs_root: Path, as_json: bool) -> None:
    """Run RECIPES: from raw data to a trained, measured model.

    All recipes are checked before the first one starts. What an earlier run has worked out already is taken
    from the store, so the same command goes on where it was stopped. With --json, several recipes give a list.
    """
    checked = [load(path) for path in recipes]
    for _, warnings in checked:
        for warning in warnings:
            click.echo(warning.render(), err=True)
    runs = Runs(runs_root)
    outcomes = []
    for recipe, _ in checked:
        with Console() as console:
            finished = run(recipe, runs, console)
        outcomes.append(finished.outcome)
        if not as_json:
            echo_result(finished)
    if as_json:
        echo_json(outcomes if len(outcomes) > 1 else outcomes[0])
