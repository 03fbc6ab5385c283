"""Objects become rows, with the columns and types that the first of them have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from ..components import DataSource
from ..rejects import Reject
from .naming import check_known, check_names
from .shapes import Shape, column, settled, shape_of, together

if TYPE_CHECKING:
    import pyarrow as pa

JsonType = Literal["text", "integer", "number", "boolean", "time", "vector"]

_DECLARED: dict[JsonType, Shape] = {
    "text": Shape("json"),
    "integer": Shape("integer"),
    "number": Shape("number"),
    "boolean": Shape("boolean"),
    "time": Shape("time"),
    "vector": Shape("list", Shape("number")),
}


class Fault(NamedTuple):
    """What cannot be a row, and why; `raw` is what stands there, without line end."""

    rule: str
    reason: str
    line: int
    offset: int | None
    raw: bytes


@dataclass(frozen=True)
class Found:
    """An object, and where it stands."""

    row: dict[str, Any]
    line: int
    offset: int | None
    raw: bytes

    def fault(self, rule: str, reason: str) -> Fault:
        return Fault(rule, reason, self.line, self.offset, self.raw)


class ObjectRows(DataSource):
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

    def shapes_of(self, rows: Iterable[dict[str, Any]]) -> dict[str, Shape]:
        """The columns and types of rows. Raises OptionError where options name keys that none of them has."""
        whole = settled(together(map(shape_of, rows))).fields
        check_known(self.columns, whole, "columns")
        check_known(self.types, whole, "types")
        kept = [name for name in whole if not self.columns or name in self.columns]
        check_names(kept, "columns")
        return {name: _DECLARED[self.types[name]] if name in self.types else whole[name] for name in kept}

    def batches(
        self, found: Iterator[Found | Fault], shapes: Mapping[str, Shape], file: str
    ) -> Iterator[pa.RecordBatch | Reject]:
        """What `read` has to say of all that is found in a file."""
        from ..rows import BATCH_ROWS

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

        from ..rows import origins

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
