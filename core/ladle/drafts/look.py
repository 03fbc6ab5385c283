"""Looking into a data file before there is a recipe: which source reads it, and what its columns seem to be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..columns import Columns, ColumnType
from ..components import DataSource
from ..errors import OptionError, Problem, RecipeError
from ..options import Input, marked
from ..registry import Offer, PluginError, Registry
from ..sample import Sample

LONG = 30  # characters of an average text, beyond which it is no category

_ROWS = 100  # that are looked at
_MOST_DIFFERENT = 0.5  # different values in a row, up to which a column may hold classes
_FEW = 10  # rows that tell nothing of a column
_DELIMITERS = ("\t", ",", ";", "|")  # beside the one that a source takes by default


@dataclass(frozen=True)
class Look:
    """A data file, as the source that reads it sees it."""

    path: Path
    offer: Offer
    options: dict[str, Any]
    """The options with which the source reads the file."""
    columns: Columns
    sample: Sample

    def __str__(self) -> str:
        return ", ".join(f"{name} ({type_})" for name, type_ in self.columns.items())

    def fitting(self, *types: ColumnType) -> list[str]:
        """The columns for an option that reads these types."""
        return [name for name in self.columns if self.unfit(name, *types) is None]

    def unfit(self, name: str, *types: ColumnType) -> OptionError | None:
        """Why a column does not do for an option that reads these types."""
        try:
            self.columns.need(name, *types)
        except OptionError as error:
            return error
        return None

    def length(self, name: str) -> float:
        """The characters of an average value; 0 for what holds no text."""
        texts = [value for value in self.sample.values(name) if isinstance(value, str)]
        return sum(map(len, texts)) / len(texts) if texts else 0.0

    def is_repeated(self, name: str) -> bool:
        """Whether values come again often enough to be classes or categories."""
        values = list(map(str, self.sample.values(name)))
        return len(set(values)) <= max(_FEW, _MOST_DIFFERENT * len(values))

    @property
    def counters(self) -> list[str]:
        """The columns that only number the rows."""
        found = {name: self.sample.values(name) for name in self.columns.of_type("integer")}
        return [
            name
            for name, values in found.items()
            if len(values) > _FEW and values == list(range(values[0], values[0] + len(values)))
        ]


def look_into(data: Path, folder: Path, registry: Registry) -> Look:
    """What an installed source finds in a file, which a recipe in `folder` is to read. Raises RecipeError."""
    offer, source = _source_of(data, registry)
    options: dict[str, Any] = {file_option(source): _relative(data, folder)}
    tries = [options]
    if "delimiter" in source.model_fields:
        tries += [options | {"delimiter": delimiter} for delimiter in _DELIMITERS]
    found, errors = [], []
    for tried in tries:
        try:
            found.append(_look(data, offer, source, tried, folder))
        except RecipeError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    return max(found, key=lambda look: len(look.columns))


def file_sources(registry: Registry) -> Iterator[tuple[Offer, type[DataSource]]]:
    """The sources that read files."""
    for offer in registry.of_kind("source"):
        try:
            source = offer.load()
        except PluginError:  # which `ladle plugins` tells
            continue
        if issubclass(source, DataSource) and source.suffixes:
            yield offer, source


def file_option(source: type[DataSource]) -> str:
    """The option of a source of files that names the file."""
    return next(field.alias or name for name, field in source.model_fields.items() if marked(field.metadata, Input))


def _source_of(data: Path, registry: Registry) -> tuple[Offer, type[DataSource]]:
    """The source for which the ending of a file's name is most usual."""
    name = data.name.lower().removesuffix(".gz")
    sources = list(file_sources(registry))
    found = [
        (place, offer, source)
        for offer, source in sources
        for place, suffix in enumerate(source.suffixes)
        if name.endswith(suffix)
    ]
    if not found:
        known = sorted({suffix for _, source in sources for suffix in source.suffixes})
        help = f"those installed read {', '.join(known)}" if known else "install a plugin that reads such files"
        raise RecipeError(Problem("no-source", f"no data source is for files like {data.name}", help))
    _, offer, source = min(found, key=lambda one: one[0])
    return offer, source


def _look(data: Path, offer: Offer, source: type[DataSource], options: dict[str, Any], folder: Path) -> Look:
    try:
        reading = source.model_validate(options, context={"folder": folder})
        columns = reading.peek()
        sample = reading.first_rows(_ROWS)
    except Exception as error:  # whatever a plugin's source raises
        raise RecipeError(Problem("source", f"`{offer.use}` cannot look into {data}: {_said(error)}")) from None
    if not columns:
        help = "write the recipe without --data"
        raise RecipeError(Problem("source", f"`{offer.use}` does not tell the columns of {data}", help))
    return Look(data, offer, options, Columns(columns), sample or Sample())


def _said(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    detail = error.errors(include_url=False)[0]
    return str(detail.get("ctx", {}).get("error", detail["msg"]))


def _relative(data: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(data, folder)).as_posix()
    except ValueError:  # on another drive
        return data.absolute().as_posix()
