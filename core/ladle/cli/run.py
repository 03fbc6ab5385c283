"""`ladle run`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..errors import RecipeError
from ..explain import explain
from ..graph import stages_of
from ..locked import load_locked
from ..recipe import Recipe, load
from ..runner import run
from ..runs import Runs
from .console import Console
from .options import as_json, echo_json, problems_as_json, runs_folder, settings
from .results import echo_result


@click.command()
@click.argument("recipes", nargs=-1, type=click.Path(path_type=Path))
@settings
@click.option(
    "--explain", "only_explain", is_flag=True, help="Tell which stages would be worked out, and why; run nothing."
)
@click.option(
    "--locked",
    metavar="RUN",
    help="Run what RUN ran again: only if versions, data and options are what they were, else tell what is not.",
)
@click.option("--until", metavar="STAGE", help="Stop after a stage, such as reviews.clean.2; a later run goes on.")
@runs_folder
@as_json
def command(
    recipes: tuple[Path, ...],
    settings: tuple[str, ...],
    only_explain: bool,
    locked: str | None,
    until: str | None,
    runs_root: Path,
    as_json: bool,
) -> None:
    """Run RECIPES: from raw data to a trained, measured model.

    All recipes are checked before the first one starts. What an earlier run has worked out already is taken
    from the store, so the same command goes on where it was stopped. With --json, several recipes give a list.
    """
    if bool(recipes) == bool(locked):
        raise click.UsageError("give recipes to run, or --locked RUN")
    if locked and settings:
        raise click.UsageError("--locked runs a recipe as it was; --set would change it")
    runs = Runs(runs_root)
    with problems_as_json(as_json):
        checked = [load_locked(runs.find(locked), runs.store)] if locked else _load(recipes, settings)
        if only_explain:
            _explain(checked, runs, as_json)
            return
        _run(checked, runs, until, as_json)


def _load(paths: Sequence[Path], settings: Sequence[str]) -> list[Recipe]:
    """All recipes, checked before the first one starts; their warnings are told."""
    recipes, problems = [], []
    for path in paths:
        try:
            recipe, found = load(path, settings=settings)
            recipes.append(recipe)
        except RecipeError as error:
            found = error.problems
        problems += found
    if len(recipes) < len(paths):
        raise RecipeError(problems)
    for warning in problems:
        click.echo(warning.render(), err=True)
    return recipes


def _run(recipes: Sequence[Recipe], runs: Runs, until: str | None, as_json: bool) -> None:
    outcomes = []
    for recipe in recipes:
        with Console() as console:
            finished = run(recipe, runs, console, until=until)
        outcomes.append(finished.outcome)
        if not as_json:
            echo_result(finished)
    if as_json:
        echo_json(outcomes if len(outcomes) > 1 else outcomes[0])


def _explain(recipes: Sequence[Recipe], runs: Runs, as_json: bool) -> None:
    told = [(recipe.name, explain(recipe, stages_of(recipe, runs.store), runs)) for recipe in recipes]
    if as_json:
        echo_json([{"recipe": name, "stages": [entry.as_json() for entry in entries]} for name, entries in told])
        return
    for name, entries in told:
        anew = sum(not entry.is_done for entry in entries)
        click.echo(f"{name}: {anew} of {len(entries)} stages would be worked out")
        for entry in entries:
            click.echo(f"  {entry.stage.title:<42} {'; '.join(entry.reasons) or 'done before'}")
