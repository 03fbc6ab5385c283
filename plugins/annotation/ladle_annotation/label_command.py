"""`ladle label`"""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ladle import OptionError
from ladle.cli.options import runs_folder, settings
from ladle.errors import Problem, RecipeError
from ladle.runs import Runs

if TYPE_CHECKING:
    from .task import Task


def user_name() -> str:
    """Who is at work here."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # an account without a name
        return "annotator"


def name_of(_: click.Context, __: click.Parameter, value: str) -> str:
    """A name that can stand beside a label."""
    if not value.strip() or not value.isprintable() or len(value) > 100:
        raise click.BadParameter("a name has some letter, no character that cannot be seen, and 100 at most")
    return value.strip()


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@settings
@click.option("--stage", help="The labeler, such as reviews.label.1, if the recipe has several that ask for labels.")
@click.option("--annotator", default=user_name, show_default="the user's name", callback=name_of, help="Who labels.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="The port of the page; any that is free without it."
)
@click.option("--terminal", is_flag=True, help="Label here, without a browser.")
@click.option(
    "--export",
    "export_to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the labels as Label Studio JSON.",
)
@click.option(
    "--import",
    "import_from",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Take in labels from Label Studio JSON.",
)
@runs_folder
def command(
    recipe: Path,
    settings: tuple[str, ...],
    stage: str | None,
    annotator: str,
    port: int,
    terminal: bool,
    export_to: Path | None,
    import_from: Path | None,
    runs_root: Path,
) -> None:
    """Label rows of RECIPE by hand: on a page in the browser, or in the terminal.

    The stages before the labeler are run first. Labels are kept the moment they are given; run the recipe again when
    there are enough.
    """
    if sum(map(bool, (terminal, export_to, import_from))) > 1:
        raise click.UsageError("give one of --terminal, --export and --import")
    from ladle.cli.console import Console

    from .task import Task

    with _telling_of_options():
        with Console() as console:
            is_ordered = not (export_to or import_from)
            task = Task(recipe, Runs(runs_root), settings, stage, annotator, is_ordered, _tell, console)
        if export_to or import_from:
            _exchange(task, export_to, import_from)
            return
        if terminal:
            from .terminal import label

            label(task)
        else:
            _serve(task, port)
        _summarise(task)


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _serve(task: Task, port: int) -> None:
    from .server import serve

    def tell(address: str) -> None:
        click.echo(f"label on this page, Ctrl-C ends it: {address}")

    try:
        serve(task, port, tell)
    except KeyboardInterrupt:
        click.echo(err=True)


def _exchange(task: Task, export_to: Path | None, import_from: Path | None) -> None:
    from .label_studio import export_tasks, import_tasks

    if export_to:
        count = export_tasks(task.session, export_to)
        click.echo(f"{count:,} rows with labels, notes or flags are in {export_to}")
    if import_from:
        found = import_tasks(task.session, import_from, task.annotator)
        click.echo(found.told())


def _summarise(task: Task) -> None:
    """How far it has got, and what comes next."""
    found = task.session.progress()
    click.echo(f"{found['settled']:,} of {found['rows']:,} rows have a label, of {found['enough']:,} needed")
    if found["disputed"]:
        click.echo(f"{found['disputed']:,} rows are disputed: settle them on the page")
    if found["settled"] >= found["enough"]:
        click.echo(f"go on with: {task.run_command}")


@contextmanager
def _telling_of_options() -> Iterator[None]:
    """What a component says of its options is told as the command's error."""
    try:
        yield
    except OptionError as error:
        raise RecipeError(Problem(error.code, str(error), error.help)) from error
