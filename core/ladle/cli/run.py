"""`ladle run`"""

from __future__ import annotations

from pathlib import Path

import click

from ..explain import explain
from ..graph import stages_of
from ..recipe import Recipe, load
from ..runner import run
from ..runs import Runs
from .console import Console
from .options import as_json, echo_json, runs_folder
from .results import echo_result


@click.command()
@click.argument("recipes", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--explain", "only_explain", is_flag=True, help="Tell which stages would be worked out, and why; run nothing."
)
@runs_folder
@as_json
def command(recipes: tuple[Path, ...], only_explain: bool, runs_root: Path, as_json: bool) -> None:
    """Run RECIPES: from raw data to a trained, measured model.

    All recipes are checked before the first one starts. What an earlier run has worked out already is taken
    from the store, so the same command goes on where it was stopped. With --json, several recipes give a list.
    """
    checked = [load(path) for path in recipes]
    for _, warnings in checked:
        for warning in warnings:
            click.echo(warning.render(), err=True)
    runs = Runs(runs_root)
    if only_explain:
        _explain([recipe for recipe, _ in checked], runs, as_json)
        return
    outcomes = []
    for recipe, _ in checked:
        with Console() as console:
            finished = run(recipe, runs, console)
        outcomes.append(finished.outcome)
        if not as_json:
            echo_result(finished)
    if as_json:
        echo_json(outcomes if len(outcomes) > 1 else outcomes[0])


def _explain(recipes: list[Recipe], runs: Runs, as_json: bool) -> None:
    told = [(recipe.name, explain(recipe.name, stages_of(recipe, runs.store), runs)) for recipe in recipes]
    if as_json:
        echo_json([{"recipe": name, "stages": [entry.as_json() for entry in entries]} for name, entries in told])
        return
    for name, entries in told:
        anew = sum(not entry.is_done for entry in entries)
        click.echo(f"{name}: {anew} of {len(entries)} stages would be worked out")
        for entry in entries:
            click.echo(f"  {entry.stage.title:<42} {'; '.join(entry.reasons) or 'done before'}")
