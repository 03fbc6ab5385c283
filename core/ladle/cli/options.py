"""Options that several verbs share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

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


def echo_json(value: Any) -> None:
    """Print one JSON value, and nothing else, to standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
