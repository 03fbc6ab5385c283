"""`ladle predict`"""

from __future__ import annotations

import csv
import io
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
@click.option(
    "--stage",
    help="The train stage whose model to use, if the run has several (the last one by default), or STAGE/TASK.",
)
@runs_folder
@as_json
def command(
    run: str, texts: tuple[str, ...], path: Path | None, stage: str | None, runs_root: Path, as_json: bool
) -> None:
    """Use the model of RUN on each TEXT, or on the rows of a file.

    RUN is a run's name or folder, or a recipe's name for its newest run. Rows pass the cleaning and the
    features that the model was trained with.
    """
    predictor = Predictor(Runs(runs_root).find(run).ended(), stage)
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
        click.echo(_told(answer, _shown(row)))


def _told(answer: dict[str, Any], row: str) -> str:
    """A class or numbers beside the row; texts, and what has parts, below it."""
    if "error" in answer:
        return f"(rejected: {answer['error']})  {row}"
    if "label" in answer:
        return f"{answer['label']:<14} {answer['probability']:.3f}  {row}"
    if all(isinstance(value, int | float) for value in answer.values()):
        return "  ".join([*(f"{name} {value:.4g}" for name, value in answer.items()), row])
    texts = {name: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for name, v in answer.items()}
    return "\n".join([row, *(f"    {name}: {text}" for name, text in texts.items())])


def _shown(row: dict[str, Any]) -> str:
    return str(next(iter(row.values()))) if len(row) == 1 else json.dumps(row, ensure_ascii=False)


def _rows_of(path: Path, predictor: Predictor) -> Iterator[dict[str, Any]]:
    """The rows of a file; numbers in a CSV become numbers where the model's data had them."""
    if path.suffix not in _FORMATS:
        raise RecipeError(
            Problem("file", f"cannot read {path}", f"its name has to end in one of {', '.join(_FORMATS)}")
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(Problem("file", f"cannot read {path}: {error}")) from None
    if path.suffix in (".csv", ".tsv"):
        yield from _rows_of_csv(path, text, predictor.raw)
        return
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if path.suffix == ".txt":
        yield from predictor.rows_of_texts([line.removesuffix("\r") for _, line in lines])
        return
    for number, line in lines:
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise RecipeError(Problem("file", f"{path}:{number}: this is no JSON: {error.msg}")) from None
        if not isinstance(row, dict):
            raise RecipeError(Problem("file", f"{path}:{number}: expected a JSON object, one row a line"))
        yield row


def _rows_of_csv(path: Path, text: str, types: dict[str, str]) -> Iterator[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix == ".tsv" else ",")
    try:
        for row in reader:
            place = f"{path}:{reader.line_num}"
            if None in row:
                raise RecipeError(Problem("file", f"{place}: the row has more fields than the header has names"))
            yield {name: _typed(value, name, types.get(name), place) for name, value in row.items()}
    except csv.Error as error:
        raise RecipeError(Problem("file", f"{path}:{reader.line_num}: {error}")) from None


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
