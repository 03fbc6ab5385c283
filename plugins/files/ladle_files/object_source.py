"""What the sources of JSON share: objects become rows, with the types that the first of them have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PrivateAttr, field_validator

from ladle import OptionError, Sample

from .blocks import Fault, check_encoding
from .finding import FileSource, sample_of
from .naming import check_known, check_names
from .shapes import Shape, check, column, column_type, converter, settled, shape_of, together
from .values import NoSuchValueError

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Reject
    from ladle.columns import ColumnType

JsonType = Literal["text", "integer", "number", "boolean", "time", "vector"]

_DECLARED: dict[JsonType, Shape] = {
    "text": Shape("json"),
    "integer": Shape("integer"),
    "number": Shape("number"),
    "boolean": Shape("boolean"),
    "time": Shape("time"),
    "vector": Shape("list", Shape("number")),
}


@dataclass(frozen=True)
class Found:
    """An object, and where it stands in its file."""

    row: dict[str, Any]
    line: int
    offset: int
    raw: bytes

    def fault(self, rule: str, reason: str) -> Fault:
        return Fault(rule, reason, self.line, self.offset, self.raw)


@dataclass(frozen=True)
class _Looked:
    """What the start of the first file says."""

    shapes: dict[str, Shape]
    """The columns and their types."""
    rows: list[dict[str, Any]]
    """The first rows, as many as types are guessed from."""


class ObjectSource(FileSource):
    """Read JSON objects as rows."""

    columns: list[str] = Field(
        default=[], description="The keys to keep as columns; all if none is named. Other keys are then left aside."
    )
    types: dict[str, JsonType] = Field(
        default={},
        description="Types of columns that are not to be guessed, by name. `text` keeps other values as JSON.",
    )
    guess_rows: int = Field(
        default=1000, ge=1, description="How many rows, from the start, tell the columns and their types."
    )
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
        from ladle import Reject
        from ladle.rows import BATCH_ROWS

        shapes = self._look().shapes
        for path in self.files():
            file = self.name_of(path)
            found = self.objects(path)
            while items := list(islice(found, BATCH_ROWS)):
                batch, faults = self._batch(items, shapes, file)
                if batch is not None:
                    yield batch
                for fault in faults:
                    yield Reject(file=file, **fault._asdict())

    def _batch(
        self, items: list[Found | Fault], shapes: Mapping[str, Shape], file: str
    ) -> tuple[pa.RecordBatch | None, list[Fault]]:
        """Objects as a batch, if any of them can be a row, and the faults of those that cannot."""
        import pyarrow as pa

        from ladle import origins

        faults = [item for item in items if isinstance(item, Fault)]
        rows: list[Found] = []
        for item in items:
            if isinstance(item, Found):
                strange = () if self.columns else item.row.keys() - shapes.keys()
                if strange:
                    reason = f"the first {self.guess_rows:,} rows have no key `{min(strange)}`; set `guess_rows` higher"
                    faults.append(item.fault("unknown-key", f"{reason}, or name the `columns` to keep"))
                else:
                    rows.append(item)
        arrays: dict[str, pa.Array] = {}
        bad: dict[int, tuple[str, str]] = {}
        for name, shape in shapes.items():
            arrays[name], wrong = column([found.row.get(name) for found in rows], shape)
            for row, fault in wrong.items():
                reason = f"column `{name}`: {fault}"
                bad[row] = (bad[row][0], f"{bad[row][1]}; {reason}") if row in bad else (fault.rule, reason)
        faults += [rows[row].fault(*why) for row, why in bad.items()]
        kept = [row for row in range(len(rows)) if row not in bad]
        if not kept:
            return None, faults
        arrays["_origin"] = origins(file, [found.line for found in rows], [found.offset for found in rows])
        batch = pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
        return batch.take(pa.array(kept)) if bad else batch, faults

    def _look(self) -> _Looked:
        """The columns and the first rows. Raises OptionError if there is none, or options name keys that none has."""
        for path in self.files():
            readable = (item.row for item in self.objects(path) if isinstance(item, Found))
            rows = list(islice(readable, self.guess_rows))
            if rows:
                break
        else:
            raise OptionError(
                f"{self.name_of(self.files()[0])} has no object that can be read",
                option="path",
                help="look at the file, or name another",
            )
        whole = settled(together(map(shape_of, rows))).fields
        check_known(self.columns, whole, "columns")
        check_known(self.types, whole, "types")
        kept = [name for name in whole if not self.columns or name in self.columns]
        check_names(kept, "columns")
        shapes = {name: _DECLARED[self.types[name]] if name in self.types else whole[name] for name in kept}
        return _Looked(shapes, rows)
