"""Rows that people have entered: a source, and how a row gets into its file."""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from ladle import DataSource, NotInKey, OptionError, Sample
from ladle.errors import did_you_mean
from ladle.options import resolve

from .log import now

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Reject
    from ladle.columns import ColumnType

BY, AT, ID = "entered_by", "entered_at", "entered_id"
"""Columns that tell who has entered a row, when, and by what it is known however it is changed afterwards."""
_OWN = (BY, AT, ID)
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")
Type = Literal["text", "integer", "number", "boolean"]


class EntryError(ValueError):
    """A row that cannot be entered; says why. `rule` is what it would be rejected for."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class _Line(NamedTuple):
    number: int
    offset: int
    raw: bytes


def _entered_file(value: Any, info: ValidationInfo) -> Any:
    """Where rows are entered: beside the recipe, under the name of the data set, if the recipe says nothing else."""
    context = info.context or {}
    if value is None and "at" in context:
        value = f"{context['at'][1]}.entered.jsonl"
    return resolve(value, info).absolute() if isinstance(value, str) else value


class Entered(DataSource):
    """Read rows that people have entered, by `ladle data add` or on the page of `ladle label`.

    They stand in a file of JSON lines, each an object with the columns of a row, `entered_by`, `entered_at` and
    `entered_id`, which stays the row's own when somebody mends the line in an editor. Lines that are no such object go
    to the rejects: undecodable, invalid-json, not-an-object, unknown-key, wrong-type, empty.
    """

    columns: dict[str, Type] = Field(
        min_length=1, description='The columns of a row and their types: { text = "text", stars = "integer" }.'
    )
    path: Annotated[Path | None, BeforeValidator(_entered_file), NotInKey(), Field(validate_default=True)] = Field(
        default=None,
        description="The file; left out, DATA.entered.jsonl beside the recipe, after the name of the data set. It "
        "comes into being with the first row.",
    )

    @field_validator("columns")
    @classmethod
    def _names(cls, columns: dict[str, Type]) -> dict[str, Type]:
        for name in columns:
            if not name.strip() or name.startswith("_") or name in _OWN:
                raise OptionError(
                    f"`{name}` cannot be a column here", help="name it otherwise: the source makes these itself"
                )
        return columns

    def files(self) -> list[Path]:
        return [self.path] if self.path is not None and self.path.is_file() else []

    def peek(self) -> Mapping[str, ColumnType]:
        return {**self.columns, BY: "text", AT: "time", ID: "text"}

    def identified_by(self) -> Sequence[str]:
        return (ID,)

    def first_rows(self, count: int) -> Sample:
        rows = [row for line in self._lines() if (row := self._row_or_none(line)) is not None]
        return Sample(rows[:count], len(rows) <= count)

    def read(self) -> Iterator[pa.RecordBatch | Reject]:
        from ladle import Reject
        from ladle.rows import BATCH_ROWS

        is_empty = True
        lines = self._lines()
        while part := list(islice(lines, BATCH_ROWS)):
            rows = []
            for line in part:
                is_empty = False
                try:
                    rows.append((line, self._row(line.raw)))
                except EntryError as error:
                    yield Reject(error.rule, str(error), str(self.path), line.number, line.offset, line.raw)
            if rows:
                yield self._batch(rows)
        if is_empty:
            example = " ".join(f"{name}=…" for name in self.columns)
            raise OptionError(
                "nobody has entered a row yet", option="use", help=f"enter one: ladle data add RECIPE {example}"
            )

    def _batch(self, rows: list[tuple[_Line, dict[str, Any]]]) -> pa.RecordBatch:
        import pyarrow as pa

        from ladle import origins
        from ladle.rows import arrow_type

        types = {name: arrow_type(type_) for name, type_ in self.peek().items()}
        arrays = [pa.array([row.get(name) for _, row in rows], type_) for name, type_ in types.items()]
        places = origins(str(self.path), [line.number for line, _ in rows], [line.offset for line, _ in rows])
        return pa.RecordBatch.from_arrays([*arrays, places], names=[*types, "_origin"])

    def _lines(self) -> Iterator[_Line]:
        """The lines of the file that are not empty."""
        offset = 0
        for path in self.files():
            with path.open("rb") as file:
                for number, raw in enumerate(file, 1):
                    if raw.strip():
                        yield _Line(number, offset, raw.rstrip(b"\r\n"))
                    offset += len(raw)

    def _row_or_none(self, line: _Line) -> dict[str, Any] | None:
        try:
            return self._row(line.raw)
        except EntryError:
            return None

    def _row(self, raw: bytes) -> dict[str, Any]:
        """The row that a line holds. Raises EntryError."""
        from datetime import UTC, datetime

        try:
            row = json.loads(raw.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise EntryError("undecodable", f"no UTF-8 (byte {error.start + 1})") from None
        except ValueError as error:
            raise EntryError("invalid-json", f"no valid JSON: {error}") from None
        if not isinstance(row, dict):
            raise EntryError("not-an-object", "valid JSON, but no object")
        who, when, id_ = (row.pop(name, None) for name in _OWN)
        try:
            at = None if when is None else datetime.fromisoformat(when)
        except (TypeError, ValueError):
            raise EntryError("wrong-type", f"{AT}: {when!r} is no time") from None
        if at is not None and at.tzinfo is not None:
            at = at.astimezone(UTC).replace(tzinfo=None)
        for name, value in ((BY, who), (ID, id_)):
            if value is not None and not isinstance(value, str):
                raise EntryError("wrong-type", f"{name}: {value!r} is no text")
        id_ = id_ or hashlib.blake2b(raw, digest_size=8).hexdigest()  # somebody wrote the line in an editor
        return self.checked(row) | {BY: who, AT: at, ID: id_}

    def checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a row, as their columns have them. Raises EntryError."""
        for name in values:
            if name not in self.columns:
                known = did_you_mean(name, list(self.columns), "there are")
                raise EntryError("unknown-key", f"there is no column `{name}`; {known}")
        row = {name: _fitting(name, values.get(name), type_) for name, type_ in self.columns.items()}
        if all(value is None for value in row.values()):
            raise EntryError("empty", "there is nothing in it")
        return row

    def parsed(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """The values that texts stand for; an empty one for none. Raises EntryError."""
        return self.checked({name: _parsed(name, text, self.columns.get(name, "text")) for name, text in texts.items()})

    def add(self, values: Mapping[str, Any], who: str) -> None:
        """Write a row to the end of the file, onto the disk. Raises EntryError."""
        assert self.path is not None
        row = {name: value for name, value in self.checked(values).items() if value is not None}
        line = json.dumps(row | {BY: who, AT: now(), ID: secrets.token_hex(8)}, ensure_ascii=False) + "\n"
        with self.path.open("ab+", buffering=0) as file:
            if file.seek(0, os.SEEK_END) and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
                line = "\n" + line  # somebody's editor, or a power cut, left the last line without its end
            file.write(line.encode(errors="surrogatepass"))
            os.fsync(file.fileno())


def _fitting(name: str, value: Any, type_: Type) -> Any:
    """A value as its column has it. Raises EntryError if it is of another type."""
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "text": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": is_number and isinstance(value, int) and -(2**63) <= value < 2**63,
        "number": is_number and math.isfinite(value),
    }[type_]
    if not fits:
        raise EntryError("wrong-type", f"{name}: {value!r} is no {type_}")
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        raise EntryError("undecodable", f"{name}: it holds half a character")
    return float(value) if type_ == "number" else value


def _parsed(name: str, text: str, type_: Type) -> Any:
    if type_ == "text":
        return text or None
    word = text.strip()
    if not word:
        return None
    try:
        if type_ == "boolean":
            return {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}[word.lower()]
        return int(word) if type_ == "integer" else float(word)
    except (KeyError, ValueError):
        raise EntryError("wrong-type", f"{name}: {text!r} is no {type_}") from None
