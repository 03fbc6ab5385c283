"""What the sources of JSON share: objects become rows, with the types that the first of them have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, PrivateAttr, field_validator

from ladle import OptionError, Sample
from ladle.objects import Fault, Found, ObjectRows
from ladle.objects.shapes import Shape, check, column_type, converter
from ladle.objects.values import NoSuchValueError

from .batching import batched
from .blocks import check_encoding
from .finding import FileSource, sample_of

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Reject
    from ladle.columns import ColumnType


@dataclass(frozen=True)
class _Looked:
    """What the start of the first file says."""

    shapes: dict[str, Shape]
    """The columns and their types."""
    rows: list[dict[str, Any]]
    """The first rows, as many as types are guessed from."""


class ObjectSource(ObjectRows, FileSource):
    """Read JSON objects as rows."""

    encoding: str = Field(default="utf-8", description="The encoding of the files; a byte order mark outweighs it.")

    _looked: Any = PrivateAttr(default=None)

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        return check_encoding(encoding)

    def objects(self, path: Path) -> Iterator[Found | Fault]:
        """The objects of a file, and what is none."""
        raise NotImplementedError

    def peek(self) -> Mapping[str, ColumnType]:
        self._looked = self._look()
        return {name: column_type(shape) for name, shape in self._looked.shapes.items()}

    def first_rows(self, count: int) -> Sample:
        looked, self._looked = self._looked or self._look(), None
        return sample_of(self._typed(looked), count, len(looked.rows) < self.guess_rows and len(self.files()) == 1)

    def _typed(self, looked: _Looked) -> Iterator[dict[str, Any]]:
        """The first rows with their values, but for those that `read` rejects."""
        works = {name: converter(shape) for name, shape in looked.shapes.items()}
        for row in looked.rows:
            with suppress(NoSuchValueError):
                for name, shape in looked.shapes.items():
                    check(row.get(name), shape)
                yield {
                    name: work(row[name]) if work and row.get(name) is not None else row.get(name)
                    for name, work in works.items()
                }

    def read(self) -> Iterator[pa.RecordBatch | Reject]:
        shapes = self._look().shapes
        for path in self.files():
            for items in batched(self.objects(path), lambda item: len(item.raw)):
                yield from self.batches(iter(items), shapes, self.name_of(path))

    def _look(self) -> _Looked:
        """The columns and the first rows. Raises OptionError if there is none, or options name keys that none has."""
        first: Fault | None = None
        for path in self.files():
            rows: list[dict[str, Any]] = []
            for item in self.objects(path):
                if isinstance(item, Fault):
                    first = first or item
                else:
                    rows.append(item.row)
                if len(rows) == self.guess_rows:
                    break
            if rows:
                break
        else:
            why = f" (line {first.line}: {first.reason})" if first else ""
            raise OptionError(
                f"{self.name_of(self.files()[0])} has no object that can be read{why}",
                option="path",
                help="look at the file, or name another",
            )
        return _Looked(self.shapes_of(rows), rows)
