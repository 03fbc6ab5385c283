"""Rows without labels, made ready as the trainer makes its own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from ladle import OptionError, Rows, columns_of
from ladle.store import Store
from ladle.training import Setting


class Unlabelled:
    """The rows of the train split of a data set: those without a `target`, or all of them, with the target left out."""

    def __init__(self, setting: Setting, rows: Rows, target: str, all_of_them: bool) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ladle-", ignore_cleanup_errors=True)
        at = Path(self._folder.name)
        count = _write(at / "rows.arrow", rows.of_split("train"), target, all_of_them)
        self.rows: Any = []
        """As they go into batches."""
        if not count:
            return
        beside = Setting(
            name=setting.name,
            data=Rows([at / "rows.arrow"]),
            data_sets={},
            start=setting.start,
            seed=setting.seed,
            device=setting.device,
            precision=setting.precision,
            keys={},
            store=Store(at / "store"),
            events=setting.events,
        )
        beside.state, beside.model = setting.state, setting.model
        self.rows = setting.plan.trainer.within(beside).dataset("train")
        setting.notes |= {f"without labels: {note}": number for note, number in beside.notes.items()}


def need_columns(setting: Setting, name: str, target: str) -> None:
    """Raises OptionError if a data set has not the columns that the trainer needs of rows without a target."""
    has, given = columns_of(setting.data_sets[name].schema), columns_of(setting.data.schema)
    try:
        setting.plan.trainer.columns_after(has.having(target, given[target]))
    except OptionError as error:
        raise OptionError(f"data set `{name}`: {error}", option="unlabelled", help=error.help) from None


def _write(path: Path, rows: Rows, target: str, all_of_them: bool) -> int:
    """Write the rows without the target; returns how many there are."""
    names = [name for name in rows.schema.names if name != target]
    schema = pa.schema([rows.schema.field(name) for name in names])
    count = 0
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for batch in rows.whole_batches():
            batch = batch if all_of_them else batch.filter(batch[target].is_null())
            writer.write_batch(batch.select(names))
            count += batch.num_rows
    return count
