"""`ladle predict`"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from ..errors import Problem, RecipeError
from ..prediction import Predictor
from ..runs import Runs
from .options import as_json, echo_json, runs_folder

_FORMATS = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson")


@click.command()
@click.argument("run")
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Predict the rows of a file: .txt (a text a line), .csv, .tsv (with a header) or .jsonl.",
)
@click.option("--stage", help="The train stage whose model to use, if the run has several; the last one by default.")
@runs_folder
@as_json
def command(
    run: str, texts: tuple[str, ...], path: Path | None, stage: str | None, runs_root: Path, as_json: bool
) -> None:
    """Use the model of RUN on each TEXT, or on the rows of a file.

    RUN is a run's name or folder, or a recipe's name for its newest run. Rows pass the cleaning and the
    features that the model was trained with.
    """
    predictor = Predictor(Runs(runs_root).find(run), stage)
    if path is not None:
        rows = list(_rows_of(path, predictor))
    elif texts:
        rows = predictor.rows_of_texts(texts)
    else:
        raise click.UsageError('give texts ("…" "…") or a file (--file rows.csv)')
    answers = predictor(rows) if rows else []
    if as_json:
        echo_json([{"row": row, **answer} for row, answer in zip(rows, answers, strict=True)])
        return
    for row, answer in zip(rows, answers, strict=True):
        click.echo(f"{_short(answer)}  {_shown(row)}")


def _short(answer: dict[str, Any]) -> str:
    if "error" in answer:
        return f"(rejected: {answer['error']})"
    if "label" in answer:
        return f"{answer['label']:<14} {answer['probability']:.3f}"
    return "  ".join(f"{name} {value:.4g}" for name, value in answer.items())


def _shown(row: dict[str, Any]) -> str:
    return str(next(iter(row.values()))) if len(row) == 1 else json.dumps(row, ensure_ascii=False)


def _rows_of(path: Path, predictor: Predictor) -> Iterator[dict[str, Any]]:
    """The rows of a file; numbers in a CSV become numbers where the model's data had them."""
    if path.suffix not in _FORMATS:
        raise RecipeError(
            Problem("file", f"cannot read {path}", f"its name has to end in one of {', '.join(_FORMATS)}")
        )
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(Problem("file", f"cannot read {path}: {error}")) from None
    if path.suffix == ".txt":
        yield from predictor.rows_of_texts([line for line in lines if line.strip()])
    elif path.suffix in (".jsonl", ".ndjson"):
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise RecipeError(Problem("file", f"{path}:{number}: this is no JSON: {error.msg}")) from None
    else:
        for number, row in enumerate(csv.DictReader(lines, delimiter="\t" if path.suffix == ".tsv" else ","), 2):
            yield {
                name: _typed(value, name, predictor.raw.get(name), f"{path}:{number}") for name, value in row.items()
            }


def _typed(value: str | None, name: str, type_: str | None, place: str) -> Any:
    if not value:
        return None
    readers: dict[str, Callable[[str], Any]] = {"integer": int, "number": float, "boolean": _truth}
    try:
        return readers.get(type_ or "text", str)(value)
    except ValueError:
        raise RecipeError(Problem("type", f"{place}: column `{name}`: {value!r} is no {type_}")) from None


def _truth(value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ValueError(value)
    return value.lower() == "true"
