"""`ladle check`"""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import RecipeError
from ..recipe import load
from .options import as_json, echo_json, settings


@click.command()
@click.argument("recipes", nargs=-1, required=True, type=click.Path(path_type=Path))
@settings
@click.option(
    "--offline", is_flag=True, help="Leave the sources alone: what only their columns could tell is not checked."
)
@as_json
def command(recipes: tuple[Path, ...], settings: tuple[str, ...], offline: bool, as_json: bool) -> None:
    """Find every mistake in RECIPES without running them.

    Nothing is trained and no model is loaded: sources are only looked into. Exit code 2 if there is an error.
    """
    found = []
    errors = 0
    for path in recipes:
        try:
            _, problems = load(path, settings=settings, offline=offline)
        except RecipeError as error:
            problems = error.problems
            errors += 1
        found += problems
        if not as_json:
            for problem in problems:
                click.echo(problem.render(), err=True)
            if not any(problem.severity == "error" for problem in problems):
                warnings = f"{len(problems)} warning{'s' * (len(problems) > 1)}"
                click.echo(f"{path}: {warnings if problems else 'no mistake found'}")
    if as_json:
        echo_json([problem.as_json() for problem in found])
    if errors:
        failure = RecipeError(found)
        failure.is_shown = True
        raise failure
