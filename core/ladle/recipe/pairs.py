"""What is valid by itself and makes no sense together."""

from __future__ import annotations

from ..components import Trainer, Writer
from .model import Recipe, Used
from .problems import Problems


def check_pairs(recipe: Recipe, problems: Problems) -> None:
    """Note files that are written twice or over what is read, and warn of what can have no effect."""
    _check_written_files(recipe, problems)
    for stage in recipe.train:
        _check_stopping(stage.trainer, problems)
    _check_unused(recipe, problems)


def _check_written_files(recipe: Recipe, problems: Problems) -> None:
    read = {file.resolve(): used for used in recipe.uses() for file in used.component.files()}
    written: dict[object, Used] = {}
    for used in recipe.uses():
        if not isinstance(used.component, Writer):
            continue
        path, at = used.component.path.resolve(), (*used.at, "path")
        if other := read.get(path):
            message = f"this file is read by `{other.use}`{_line(other, problems)}: writing would put other rows in it"
            problems.add("overwrite", message, "write to another file", at, "value")
        elif (first := written.setdefault(path, used)) is not used:
            message = f"`{first.use}`{_line(first, problems)} writes this file too: one would replace the other"
            problems.add("overwrite", message, "write to another file", at, "value")


def _line(used: Used, problems: Problems) -> str:
    return f" ({problems.line_of((*used.at, 'use'))})"


def _check_stopping(used: Used, problems: Problems) -> None:
    trainer = used.component
    assert isinstance(trainer, Trainer)
    if trainer.early_stopping and trainer.early_stopping >= trainer.epochs:
        problems.add(
            "no-effect",
            f"early stopping after {trainer.early_stopping} epochs without a better one cannot happen in "
            f"{trainer.epochs:g} epochs",
            "set `early_stopping` lower or `epochs` higher",
            (*used.at, "early_stopping"),
            "value",
            "warning",
        )


def _check_unused(recipe: Recipe, problems: Problems) -> None:
    """Data sets of a recipe that trains, which nothing trains on, starts from or writes."""
    named = {name for used in recipe.uses() for _, name in used.component.data_names()}
    for name, data_set in recipe.data.items() if recipe.train else ():
        if name not in named and not data_set.steps["write"]:
            message = f"`{name}` is made and never used"
            help = f'train on it (data = "{name}"), write it, or take it out'
            problems.add("unused-data", message, help, ("data", name), severity="warning")
