"""A measure of difficulty: what plugins offer under `ladle_difficulties`, and how its scores are kept."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ladle import Component, OptionError, Trainer

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from datasets import Dataset

    from ladle.training import Setting


class Difficulty(Component):
    """Says how difficult each row is."""

    kind = "difficulty"

    is_of_model: ClassVar[bool] = False
    """Whether the scores depend on the model that is to be trained, `setting.model`, as it is before the first step."""

    def check_with(self, trainer: Trainer) -> None:
        """Raises OptionError if it cannot measure this trainer's rows. Imports nothing heavy."""

    def measure(self, setting: Setting, rows: Dataset) -> np.ndarray:
        """How difficult each of `rows` is: finite numbers [rows], the higher the harder.

        `rows` have the columns that the trainer made of them (`input_ids`, for example); `values_of` finds those that
        they had in the recipe.
        """
        raise NotImplementedError


def values_of(setting: Setting, rows: Dataset, column: str) -> pa.Array:
    """The values [rows] that `rows` have in a column of the recipe, whatever the trainer made of them.

    Raises OptionError, about `column`, if they cannot be told.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if column in rows.column_names:
        return _array(rows, column)
    if "_id" not in rows.column_names:
        raise OptionError(
            f"the trainer's rows do not say which row of the data set they were, so `{column}` cannot be found",
            option="column",
            help="measure the difficulty by something that the trainer's rows have: "
            + ", ".join(f"`{name}`" for name in rows.column_names),
        )
    train = setting.data.of_split("train").select([column]).table()
    places = pc.index_in(_array(rows, "_id"), value_set=train["_id"].combine_chunks())
    if places.null_count:
        raise OptionError(
            f"{places.null_count} of the rows to train on are not the data set's own, and have no `{column}`",
            option="column",
            help="measure the difficulty by something that all rows have",
        )
    found = train[column].take(places)
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def numbers_of(setting: Setting, rows: Dataset, column: str) -> np.ndarray:
    """The finite numbers [rows] in a column of the recipe. Raises OptionError, about `column`, if some are missing."""
    import numpy as np
    import pyarrow as pa

    values = values_of(setting, rows, column).cast(pa.float64())
    numbers = values.to_numpy(zero_copy_only=False)
    if missing := int((~np.isfinite(numbers)).sum()):
        raise OptionError(
            f"column `{column}` has no finite number in {missing} of {len(numbers)} rows",
            option="column",
            help='fill them first (clean with `use = "fill-missing"`)',
        )
    return numbers


def _array(rows: Dataset, column: str) -> pa.Array:
    import pyarrow as pa

    found = rows.select_columns([column]).with_format("arrow")[:][column]
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def scores_of(difficulty: Difficulty, setting: Setting, rows: Dataset, weights: str = "") -> np.ndarray:
    """How difficult each of `rows` is, [rows]: measured once, and kept in the store.

    `weights` stands for those of the model before the first step: a training that goes on has others when it asks.

    Raises OptionError if the rows do not differ, or a plugin's measure gives anything but a number for each.
    """
    import numpy as np

    def make(folder: Path) -> None:
        np.save(folder / "scores.npy", _checked(difficulty.measure(setting, rows), difficulty, len(rows)))

    folder = setting.keep("difficulty", _parts(difficulty, setting, rows, weights), make)
    scores = np.load(folder / "scores.npy")
    if len(scores) > 1 and np.ptp(scores) == 0:
        raise OptionError(
            f"every row is as difficult as the others ({scores[0]:g}): there is no order to follow",
            help="measure the difficulty by something in which rows differ",
        )
    return scores


def _checked(scores: Any, difficulty: Difficulty, rows: int) -> np.ndarray:
    import numpy as np

    scores = np.asarray(scores, np.float64)
    if scores.shape != (rows,) or not np.isfinite(scores).all():
        raise OptionError(
            f"{type(difficulty).__name__} gave no finite number for each of {rows} rows, but an array of shape "
            f"{scores.shape}, of which {int(np.isfinite(scores).sum())} are finite",
            help="this is a fault of the plugin; tell its author",
        )
    return scores


def _parts(difficulty: Difficulty, setting: Setting, rows: Dataset, weights: str) -> dict[str, Any]:
    """What scores depend on: the measure, the content of the rows and, where it is asked, the model."""
    parts: dict[str, Any] = {
        "measure": f"{type(difficulty).__module__}:{type(difficulty).__qualname__}",
        "options": difficulty.model_dump(mode="json"),
        "rows": _digest(rows),
        "seed": setting.seed,
    }
    if difficulty.is_of_model:
        every_trainers = set(Trainer.model_fields)  # nothing in these changes a loss
        parts["trainer"] = setting.plan.trainer.model_dump(mode="json", exclude=every_trainers)
        parts["weights"] = weights
        parts["precision"] = setting.precision
    return parts


def _digest(rows: Dataset) -> str:
    found = hashlib.blake2b(digest_size=20)
    for table in rows.with_format("arrow").iter(batch_size=4096):
        for batch in table.combine_chunks().to_batches():
            found.update(batch.serialize())
    return found.hexdigest()
