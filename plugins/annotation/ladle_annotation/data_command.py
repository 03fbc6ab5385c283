"""`ladle data`"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ladle.errors import Problem, RecipeError, did_you_mean

from .entered import AT, BY, ID, Entered, EntryError, Type
from .label_command import name_of, user_name


@click.group()
def command() -> None:
    """Enter rows by hand."""


@command.command(name="add")
@click.argument("target", metavar="RECIPE_OR_FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("values", nargs=-1, metavar="[COLUMN=VALUE]...")
@click.option("--data", "name", help="The data set, if several of the recipe have rows that are entered.")
@click.option(
    "--annotator", default=user_name, show_default="the user's name", callback=name_of, help="Who enters them."
)
def add_command(target: Path, values: tuple[str, ...], name: str | None, annotator: str) -> None:
    """Add a row to what a data set of a recipe, or a file of JSON lines, has.

    In a recipe the data set has a source `use = "entered"`, which says which columns there are. Without values, rows
    are asked for in the terminal, one after another.
    """
    entry = _of_recipe(target, name) if target.suffix == ".toml" else _of_file(target, values)
    with _told():
        if values:
            entry.add(entry.parsed(dict(map(_divided, values))), annotator)
            count = 1
        elif sys.stdin.isatty():
            count = _ask(entry, annotator)
        else:
            raise click.UsageError("give the row as COLUMN=VALUE …")
    click.echo(f"{count} row{'s' * (count != 1)} entered into {entry.path}")


def _divided(value: str) -> tuple[str, str]:
    column, equals, text = value.partition("=")
    if not equals:
        raise click.UsageError(f"`{value}` is no COLUMN=VALUE")
    return column.strip(), text


def _ask(entry: Entered, who: str) -> int:
    """Ask for rows until one is empty; how many there were."""
    click.echo("Enter rows; an empty one ends it.")
    count = 0
    while True:
        texts = {
            name: click.prompt(f"{name} ({type_})", default="", show_default=False)
            for name, type_ in entry.columns.items()
        }
        if not any(texts.values()):
            return count
        try:
            entry.add(entry.parsed(texts), who)
            count += 1
        except EntryError as error:
            click.echo(f"not entered: {error}")


def _of_recipe(path: Path, name: str | None) -> Entered:
    """The source of a recipe whose rows are entered. Raises RecipeError."""
    from ladle.recipe import load

    recipe, _ = load(path, offline=True)
    found = {
        data.name: used.component
        for data in recipe.data.values()
        for used in data.sources
        if isinstance(used.component, Entered)
    }
    if not found:
        help = '[data.NAME.source] with use = "entered" and columns = { text = "text" }'
        raise RecipeError(
            Problem("no-source", "no data set of the recipe has rows that are entered", f"add one: {help}")
        )
    if name is None and len(found) > 1:
        help = f"name one of them with --data: {', '.join(found)}"
        raise RecipeError(
            Problem("no-source", f"{len(found)} data sets of the recipe have rows that are entered", help)
        )
    if name is not None and name not in found:
        help = did_you_mean(name, list(found), "they are")
        raise RecipeError(Problem("no-source", f"no data set `{name}` has rows that are entered", help))
    return found[name or next(iter(found))]


def _of_file(path: Path, values: tuple[str, ...]) -> Entered:
    """A file of JSON lines as such a source: columns have the types of what is in them, new ones are text."""
    types: dict[str, Type] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        rows = [json.loads(line) for line in lines if line.strip()]
    except ValueError as error:
        raise RecipeError(Problem("file", f"{path} holds no JSON lines: {error}", "name a file of rows")) from None
    for row in rows:
        for column, value in row.items() if isinstance(row, dict) else ():
            if column not in (BY, AT, ID) and value is not None:
                types[column] = _both(types.get(column), _type_of(value))
    names = [column for value in values if (column := _divided(value)[0]) not in types]
    columns = types | dict.fromkeys(names, "text")
    if not columns:
        raise click.UsageError("give the row as COLUMN=VALUE …")
    return Entered(path=path, columns=columns)


def _type_of(value: object) -> Type:
    if isinstance(value, bool):
        return "boolean"
    return "integer" if isinstance(value, int) else "number" if isinstance(value, float) else "text"


def _both(one: Type | None, other: Type) -> Type:
    if one in (None, other):
        return other
    return "number" if {one, other} == {"integer", "number"} else "text"


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a row is told as the command's error."""
    try:
        yield
    except EntryError as error:
        raise RecipeError(Problem("row", str(error), "no row was entered")) from error
