"""Options that several verbs share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..errors import LadleError

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of text.")

runs_folder = click.option(
    "--runs",
    "runs_root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    envvar="LADLE_RUNS",
    show_default=True,
    show_envvar=True,
    help="The folder of all runs and of their store.",
)


settings = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A value in the place of the recipe's own: --set train.0.epochs=1. Can be given several times.",
)


@contextmanager
def problems_as_json(wanted: bool) -> Iterator[None]:
    """If `wanted`, an error within it is printed for programs: a list of problems, as `ladle check --json` has them."""
    try:
        yield
    except LadleError as error:
        if wanted:
            echo_json([problem.as_json() for problem in error.problems])
            error.is_shown = True
        raise


def echo_json(value: Any) -> None:
    """Print one JSON value, and nothing else, to standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
