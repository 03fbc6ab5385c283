"""What a model that the recipe has trained says of rows: which of them it is least sure of."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ladle import Columns, OptionError, Rows, TrainedModel
from ladle.rows import ID

if TYPE_CHECKING:
    from ladle.recipe import Recipe
    from ladle.runs import Runs

    from .table import RowTable

Probabilities = Callable[[Iterable[str]], Mapping[str, Mapping[str, float]]]


class Model(NamedTuple):
    """A model of an earlier run: what it is called, and what it says."""

    name: str
    probabilities: Probabilities


def model_for(into: str, recipe: Recipe, runs: Runs, table: RowTable) -> Model | None:
    """The newest model of a run of this recipe whose target is `into`, and that reads columns which are here."""
    names = [train.name for train in reversed(recipe.train) if getattr(train.trainer.component, "target", None) == into]
    for run in runs:
        if run.lock["recipe"] != recipe.name:
            continue
        for name in names:
            folder = run.model(name)
            if folder.is_dir() and (found := _trained(folder)) and _reads(found) <= set(table.types):
                return Model(f"the model `{name}` of the run {run.name}", lambda ids: _said(found, table.rows, ids))
    return None


def _trained(folder: Path) -> TrainedModel | None:
    try:
        return TrainedModel(folder)
    except OptionError:  # its plugin is gone, for example
        return None


def _reads(model: TrainedModel) -> set[str]:
    trainer = model.trainer
    return set(trainer.columns_after(Columns({}, known=False)).read) - {getattr(trainer, "target", None)}


def _said(model: TrainedModel, rows: Rows, ids: Iterable[str]) -> Mapping[str, Mapping[str, float]]:
    """The probabilities of labels, by rows; of a model that tells none, none."""
    wanted = pa.array(list(ids), pa.string())
    with tempfile.TemporaryDirectory(prefix="ladle-") as folder:
        path = Path(folder) / "rows.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, rows.schema) as writer:
            for batch in rows.whole_batches():
                writer.write_batch(batch.filter(pc.is_in(batch[ID], wanted)))
        said = model(Rows([path]))
    return {row: found["probabilities"] for row, found in said.items() if "probabilities" in found}
