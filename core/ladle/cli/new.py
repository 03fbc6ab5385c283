"""`ladle new`"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..drafts.draft import draft, fitting, settled
from ..drafts.look import Look, look_into
from ..errors import Problem, RecipeError
from ..recipe import load
from ..registry import Offer, Registry, installed
from ..schema import spellings


@click.group()
def command() -> None:
    """Write a file to begin with."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default=Path("recipe.toml"))
@click.option("--task", help="What to train: a trainer's name, or a word of it. Asked for if left out.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The file to train on; columns are guessed from it.",
)
@click.option("--target", metavar="COLUMN", help="The column to predict.")
@click.option("--force", is_flag=True, help="Replace FILE if there is one.")
def recipe(file: Path, task: str | None, data: Path | None, target: str | None, force: bool) -> None:
    """Write a recipe, with comments on every option, into FILE (recipe.toml if left out).

    With --data it is ready to run: `ladle new recipe income.toml --task classification --data people.csv`.
    """
    if file.exists() and not force:
        raise RecipeError(Problem("exists", f"{file} exists already", "name another file, or add --force"))
    if not file.parent.is_dir():
        raise RecipeError(Problem("no-folder", f"there is no folder {file.parent}", "make it first"))
    registry = installed()
    offers = fitting(task, registry) if task else registry.of_kind("trainer")
    look = look_into(data, file.parent, registry) if data else None
    trainer = _one(offers, task, look, target, registry)
    text = draft(trainer, file, registry, look, target)
    with open(file, "w" if force else "x", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
    click.echo(f"{file}: a recipe for {trainer.use}", err=True)
    if look:
        _tell_problems(file)
    else:
        click.echo("write in it where your data are", err=True)
    click.echo(f"then: ladle check {file}; ladle run {file}", err=True)


def _one(offers: list[Offer], task: str | None, look: Look | None, target: str | None, registry: Registry) -> Offer:
    """The trainer that is meant: settled by the data, or asked for."""
    if task and look and len(offers) > 1:
        offers = settled(offers, look, target) or offers
    if task and len(offers) == 1:
        return offers[0]
    by_name = {spellings(offer, registry)[0]: offer for offer in offers}
    if not offers:
        raise RecipeError(Problem("no-trainer", "no trainer is installed", "install a plugin that offers one"))
    if not sys.stdin.isatty():
        problem = f"`{task}` may mean several tasks" if task else "the task is missing"
        raise click.UsageError(f"{problem}: say --task {' or --task '.join(by_name)}")
    for name, offer in by_name.items():
        click.echo(f"  {name:<24} {offer.load().summary()}", err=True)
    return by_name[click.prompt("Task", type=click.Choice(list(by_name)), show_choices=False, err=True)]


def _tell_problems(file: Path) -> None:
    """What the check says of the new recipe; whoever writes it should not have to find out later."""
    try:
        _, problems = load(file)
    except RecipeError as error:
        problems = error.problems
    for problem in problems:
        click.echo(problem.render(), err=True)
