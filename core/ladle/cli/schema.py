"""`ladle schema`"""

from __future__ import annotations

from pathlib import Path

import click

from ..registry import installed
from ..schema import recipe_schema
from ..store import write_json
from .options import echo_json


@click.command()
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file to write, in place of standard output."
)
def command(output: Path | None) -> None:
    """Print the JSON Schema of recipes, for the plugins that are installed.

    Editors complete and check recipes with it. Write it beside a recipe (--output ladle.schema.json) and begin the
    recipe with the line `#:schema ./ladle.schema.json`; Taplo and Even Better TOML read that. Make it anew after
    installing a plugin.
    """
    schema = recipe_schema(installed())
    if output is None:
        echo_json(schema)
        return
    write_json(output, schema)
    click.echo(f"{output}: begin a recipe with the line `#:schema ./{output.name}`", err=True)
