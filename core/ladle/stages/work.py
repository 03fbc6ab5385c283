"""What every kind of stage has at hand: its inputs, its folder, and sinks for rows, rejects and changes."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from ..errors import Problem, StageError
from ..events import Events
from ..graph import Stage
from ..placing import with_models
from ..rejects import Reject
from ..rows import REJECT_SCHEMA, Rows
from ..store import OUTCOME, Store, write_json

if TYPE_CHECKING:
    from ..recipe.model import Recipe

EXAMPLES = 20  # rejects and changes shown in the report
_SHOWN = 200  # characters of each


@dataclass
class Outcome:
    """What a stage did to rows; `details` is shown in the report."""

    rows_in: int
    rows_out: int
    rejects: int = 0
    details: dict[str, Any] = field(default_factory=dict)
    flow: dict[str, Any] = field(default_factory=dict)
    """The columns after the stage with those it read and wrote (see `Columns.as_json`)."""

    def save(self, folder: Path, stage: Stage, seconds: float) -> None:
        """Write it with what made it, for who lists the store."""
        about = {"stage": stage.name, "kind": stage.kind, "use": stage.use}
        write_json(folder / OUTCOME, about | asdict(self) | {"seconds": seconds})


@dataclass
class Work:
    """One stage at work."""

    stage: Stage
    recipe: Recipe
    store: Store
    folder: Path
    """Where the outcome is made."""
    aside: Path
    """Where in the run's folder to keep what is worth looking into if the stage fails."""
    events: Events

    @property
    def component(self) -> Any:
        """The stage's component, with the models that it uses in their folders."""
        return self.placed(self.stage.component)

    def placed(self, component: Any) -> Any:
        """A component of the stage with the models that it uses in their folders."""
        models = {name: self.store.folder(stage.key) / "model" for name, stage in self.stage.models.items()}
        return with_models(component, models)

    def rows(self) -> Rows:
        """The rows of all inputs."""
        return self.rows_of(self.stage.rows)

    def rows_of(self, stages: Iterable[Stage]) -> Rows:
        """The rows of some of the inputs. Raises StageError if one of them is no longer in the store."""
        stages = list(stages)
        for stage in stages:
            if not self.store.holds(stage.key):
                what = f"the outcome of {stage.title} is gone, or damaged: {self.store.folder(stage.key)}"
                raise self.error(what, "run again: it is worked out again")
        return Rows.of_stages(self.store.folder(stage.key) for stage in stages)

    def rows_in(self) -> int:
        """How many rows the inputs have given out."""
        return sum(self.store.outcome(stage.key)["rows_out"] for stage in self.stage.rows)

    def error(self, message: str, help: str = "") -> StageError:
        """The error that this stage cannot do its work."""
        message, help = self.recipe.secrets.redact([f"{self.stage.title}: {message}", help])
        return StageError(Problem("stage", message, help))


class RowSink:
    """Writes rows to Arrow stream files: a new file whenever the types change, so that none has to be rewritten."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = 0
        self._writer: pa.RecordBatchWriter | None = None
        self._schema: pa.Schema | None = None
        self._files = 0

    def write(self, batch: pa.RecordBatch) -> None:
        if self._schema is None or not batch.schema.equals(self._schema):
            self._close()
            self._writer = pa.ipc.new_stream(self.folder / f"rows-{self._files:05}.arrow", batch.schema)
            self._schema = batch.schema
            self._files += 1
        assert self._writer is not None
        self._writer.write_batch(batch)
        self.rows += batch.num_rows

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> RowSink:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()


class TableSink:
    """Writes dicts of one schema to an Arrow stream file, which exists only if there was something to write."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema
        self._waiting: list[dict[str, Any]] = []
        self._writer: pa.RecordBatchWriter | None = None

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        self._waiting += rows
        if len(self._waiting) >= 10_000:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self.path, self.schema)
        self._writer.write_batch(pa.RecordBatch.from_pylist(self._waiting, self.schema))
        self._waiting = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        if self._writer is not None:
            self._writer.close()


class Rejects(TableSink):
    """The rows of a stage that go no further."""

    def __init__(self, work: Work) -> None:
        super().__init__(work.folder / "rejects.arrow", REJECT_SCHEMA)
        self.redact = work.recipe.secrets.redact
        self.reasons: collections.Counter[str] = collections.Counter()
        self.examples: list[dict[str, Any]] = []
        self.total = 0

    def add(self, rejects: Iterable[Reject]) -> None:
        rows = self.redact([reject._asdict() for reject in rejects])
        self.total += len(rows)
        self.reasons.update(row["rule"] for row in rows)
        self.examples += [row | {"raw": _start(row["raw"])} for row in rows[: EXAMPLES - len(self.examples)]]
        self.write(rows)

    def details(self) -> dict[str, Any]:
        return {"rejects_by_rule": dict(self.reasons.most_common()), "reject_examples": self.examples}


def _start(raw: bytes | None) -> str:
    """What a rejected row was, as far as a report shows it."""
    text = (raw or b"").decode(errors="replace")
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def check_balance(work: Work, outcome: Outcome) -> None:
    """Raises StageError unless every row that came in went out, or to the rejects; or if none is left."""
    if outcome.rows_in != outcome.rows_out + outcome.rejects:
        raise work.error(
            f"{outcome.rows_in} rows came in, {outcome.rows_out} went out and {outcome.rejects} were rejected: "
            "rows were lost or made up",
            "this is a fault of the plugin; tell its author",
        )
    if outcome.rows_out == 0 and work.stage.kind != "write":
        reasons = outcome.details.get("rejects_by_rule", {})
        why = ", ".join(f"{count} for {rule}" for rule, count in reasons.items())
        first = next((example["reason"] for example in outcome.details.get("reject_examples", [])), "")
        raise work.error(
            "no row is left" if outcome.rows_in else "there is no row",
            f"rejected: {why}; the first: {first}" if why else "look at the source",
        )
