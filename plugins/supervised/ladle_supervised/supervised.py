"""What supervised trainers share: rows made ready for batches once, each with its target as a number."""

from __future__ import annotations

import collections
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ladle import OptionError, Trainer

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from datasets import Dataset

Notes = collections.Counter[str]
"""What happened to rows, and to how many."""


class Supervised(Trainer):
    """A trainer whose rows have a target: learns from the train split, builds a model, makes rows ready for it."""

    if TYPE_CHECKING:
        target: str  # an option of each trainer, with the column types that it takes

    unusable: ClassVar[str]
    """Which targets are left out, besides those that are missing."""

    def model(self) -> torch.nn.Module:
        if not self.setting.state:  # at prediction it is there
            self.setting.state = self.learn()
        return self.build()

    def learn(self) -> dict[str, Any]:
        """What has to be known of the train split before a model can be built: becomes `setting.state`."""
        return {}

    def build(self) -> torch.nn.Module:
        """The model to train, or at prediction the trained one."""
        raise NotImplementedError

    def numbers(self, targets: pa.Array) -> pa.Array:
        """Targets as the numbers that the loss takes; null for one that cannot be learnt or measured."""
        raise NotImplementedError

    def learnable(self, batch: pa.RecordBatch) -> pa.Array:
        """The targets of a batch as `numbers`: for trainers that need other columns to tell which can be learnt."""
        return self.numbers(batch[self.target])

    def label_batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """What a batch has beside the inputs of its rows: labels where they are known, and `counts`."""
        raise NotImplementedError

    def prepared(
        self, split: str, doing: str, parts: dict[str, Any], prepare: Callable[[pa.RecordBatch, Notes], dict[str, Any]]
    ) -> Dataset:
        """The rows of a split as `_id`, `label` and the columns that `prepare` makes of a batch; kept in the store.

        Rows without a target that can be learnt are left out, and the notes say how many. At prediction, no row
        has a `label`. A `prepare` that makes several rows of one gives `_id` and `label` anew. Raises OptionError if no
        row is left.
        """
        from datasets import Dataset

        has_target = self.target in self.setting.data.columns
        parts = {**parts, "split": split, "target": self.target if has_target else None, "state": self.setting.state}
        write = functools.partial(self._write, split=split, doing=doing, prepare=prepare, has_target=has_target)
        folder = self.setting.keep(doing, parts, write)
        self.setting.notes |= json.loads((folder / "notes.json").read_text())
        return Dataset.from_file(str(folder / "rows.arrow"))

    def _write(
        self, folder: Path, split: str, doing: str, prepare: Callable[..., dict[str, Any]], has_target: bool
    ) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        notes = Notes()
        out = None
        with self.setting.progress(f"{doing} ({split})", self.setting.splits[split]) as done:
            for batch in self.setting.data.of_split(split).batches("arrow"):
                rows, columns = batch.num_rows, {"_id": batch["_id"]}
                if has_target:
                    labels = self.learnable(batch)
                    there = labels.is_valid()
                    missing = batch[self.target].filter(pc.invert(there)).null_count
                    unusable = f"with {self._article} `{self.target}` {self.unusable}"
                    notes[f"{split} rows left out, without `{self.target}`"] += missing
                    notes[f"{split} rows left out, {unusable}"] += labels.null_count - missing
                    batch = batch.filter(there)
                    columns = {"_id": batch["_id"], "label": labels.filter(there)}
                if batch.num_rows:
                    ready = pa.RecordBatch.from_pydict(columns | prepare(batch, notes))
                    out = out or pa.ipc.new_stream(folder / "rows.arrow", ready.schema)
                    out.write_batch(ready)
                done(rows)
        if out is None:
            raise OptionError(
                f"no row of the {split} split can be used: each has no `{self.target}`, or one {self.unusable}",
                option="target",
                help="look at the split, and at how the column is filled",
            )
        out.close()
        (folder / "notes.json").write_text(json.dumps(+notes))

    @property
    def _article(self) -> str:
        return "an" if self.target[:1].lower() in tuple("aeiou") else "a"

    def with_rows(self, mistakes: list[dict[str, Any]], dataset: Dataset, places: list[int]) -> list[dict[str, Any]]:
        """Mistakes at places of `dataset`, each with its `row` as a person reads it: without target, vectors, lists."""
        import pyarrow as pa

        from ladle import columns_of

        data = self.setting.data
        names = [n for n in columns_of(data.schema) if n != self.target]
        names = [n for n in names if not pa.types.is_nested(data.schema.field(n).type)]
        ids = dataset.select(places)["_id"][:]
        rows = self.rows_of(ids, names)
        shown = ({name: _plain(value) for name, value in rows[id_].items()} for id_ in ids)
        return [{"row": row, **mistake} for row, mistake in zip(shown, mistakes, strict=True)]

    def rows_of(self, ids: list[str], names: list[str]) -> dict[str, dict[str, Any]]:
        """The rows with these ids, by id, with `_id` and the columns of these names."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = pa.array(ids, pa.string())
        rows: dict[str, dict[str, Any]] = {}
        for batch in self.setting.data.select(names).batches("arrow"):
            rows |= {row["_id"]: row for row in batch.filter(pc.is_in(batch["_id"], wanted)).to_pylist()}
        return rows


def _plain(value: Any) -> Any:
    """A value as JSON has it: of times, bytes and decimals their text."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
