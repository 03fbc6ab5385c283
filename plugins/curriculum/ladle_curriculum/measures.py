"""Measures of difficulty."""

from __future__ import annotations

import collections
import functools
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ladle import OptionError, Reads, Sample, Trainer

from .difficulty import Difficulty, numbers_of, values_of

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from ladle.training import Setting

    Tokens = tuple[np.ndarray, np.ndarray]

_ROWS_AT_ONCE = 4096
_TEXTS = "A text column to measure; if left out, the tokens that the trainer makes of a row."


class OfTokens(Difficulty):
    """What measures of tokens, or of a text, share."""

    column: Annotated[str | None, Reads("text")] = Field(default=None, description=_TEXTS)

    def check_with(self, trainer: Trainer) -> None:
        if self.column is None and "tokens" not in trainer.offers:
            raise OptionError(
                "the trainer's rows have no tokens to measure",
                help='name a text column: difficulty = { use = "…", column = "…" }',
            )

    def texts(self, setting: Setting, rows: Dataset) -> list[str]:
        """The texts [rows] of `column`; an empty one where there is none."""
        import pyarrow as pa

        return values_of(setting, rows, str(self.column)).cast(pa.string()).fill_null("").to_pylist()


class Length(OfTokens):
    """Long rows are difficult: by their tokens, or by the characters of a text."""

    def measure(self, setting: Setting, rows: Dataset) -> np.ndarray:
        import numpy as np

        if self.column is not None:
            return np.array([len(text) for text in self.texts(setting, rows)])
        return np.concatenate([lengths for _, lengths in _tokens(rows)])


class Rarity(OfTokens):
    """Rows of rare tokens, or of a text's rare words, are difficult.

    A token counts by the negative logarithm of its share in the train split (Platanios et al. 2019).
    """

    combine: Literal["mean", "sum"] = Field(
        default="mean",
        description="How the tokens of a row combine: to their mean, or to their sum (Platanios et al. 2019), which "
        "grows with length.",
    )

    def measure(self, setting: Setting, rows: Dataset) -> np.ndarray:
        import numpy as np

        batches = functools.partial(_tokens, rows)
        if self.column is not None:
            batches = functools.partial(
                _words, self.texts(setting, rows), collections.defaultdict(itertools.count().__next__)
            )
        counts = np.zeros(0, np.int64)
        for tokens, _ in batches():
            counts = _added(counts, np.bincount(tokens))
        surprise = np.log(max(counts.sum(), 1)) - np.log(np.maximum(counts, 1))
        sums = []
        for tokens, lengths in batches():
            whole = np.bincount(np.repeat(np.arange(len(lengths)), lengths), surprise[tokens], len(lengths))
            sums.append(whole if self.combine == "sum" else whole / np.maximum(lengths, 1))
        return np.concatenate(sums)


class Loss(Difficulty):
    """Rows that the model to start from loses much on are difficult, before the first step.

    Of a model with a new head that says little: let it start from a stage that has trained one.
    """

    is_of_model = True

    def check_with(self, trainer: Trainer) -> None:
        if "items" not in trainer.offers:
            raise OptionError(
                "the trainer does not tell the loss of single rows", help="measure the difficulty by something else"
            )

    def measure(self, setting: Setting, rows: Dataset) -> np.ndarray:
        import numpy as np

        from .losses import row_losses

        losses = row_losses(setting, rows, np.arange(len(rows)))
        return np.where(np.isnan(losses), np.nanmean(losses), losses)  # rows without a label are neither easy nor hard


class Column(Difficulty):
    """The higher the number in a column, the more difficult the row."""

    column: Annotated[str, Reads("number")] = Field(description="The column with a number for each row.")

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        yield from _one_value(sample, self.column)

    def measure(self, setting: Setting, rows: Dataset) -> np.ndarray:
        return numbers_of(setting, rows, self.column)


class Levels(Difficulty):
    """Rows have a level, or belong to one of several tasks, of which some are harder than others."""

    column: Annotated[str, Reads("text", "integer")] = Field(description="The column with the level of each row.")
    order: list[str | int] = Field(min_length=2, description="The levels, the easiest first.")

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        yield from _one_value(sample, self.column)
        if unknown := sorted({str(value) for value in sample.values(self.column)} - set(self._names)):
            yield self._unknown(unknown[0])

    @property
    def _names(self) -> list[str]:
        return [str(level) for level in self.order]

    def _unknown(self, value: Any) -> OptionError:
        there = f"the level `{value}` is" if value is not None else "rows without a level are"
        return OptionError(f"{there} not in the order", option="order", help="put every level of the column into it")

    def measure(self, setting: Setting, rows: Dataset) -> np.ndarray:
        import pyarrow as pa
        import pyarrow.compute as pc

        values = values_of(setting, rows, self.column).cast(pa.string())
        places = pc.index_in(values, value_set=pa.array(self._names))
        if places.null_count:
            raise self._unknown(values.filter(places.is_null())[0].as_py())
        return places.to_numpy()


class Random(Difficulty):
    """Rows are difficult by chance: the control that shows what the order is worth (Wu et al. 2021)."""

    def measure(self, setting: Setting, rows: Dataset) -> np.ndarray:
        import numpy as np

        return np.random.default_rng((setting.seed, len(rows))).random(len(rows))


def _one_value(sample: Sample, column: str) -> Iterator[OptionError]:
    values = sample.values(column)
    if len(values) > 1 and len(set(values)) == 1:
        yield OptionError(
            f"`{column}` is {values[0]} in {sample}: by it no row is more difficult than another",
            option="column",
            help="look at how the column is filled",
        )


def _tokens(rows: Dataset) -> Iterator[Tokens]:
    """Of each batch of rows the tokens, one row's after another's, and how many each row has."""
    import numpy as np

    for batch in rows.select_columns(["input_ids"]).with_format("arrow").iter(_ROWS_AT_ONCE):
        ids = batch["input_ids"].combine_chunks()
        yield ids.flatten().to_numpy(zero_copy_only=False).astype(np.int64), np.diff(ids.offsets.to_numpy())


def _words(texts: list[str], numbers: dict[str, int]) -> Iterator[Tokens]:
    """Of each batch of texts the words, as `numbers` that new ones are given, and how many each text has."""
    import numpy as np

    for start in range(0, len(texts), _ROWS_AT_ONCE):
        found = [[numbers[word] for word in text.split()] for text in texts[start : start + _ROWS_AT_ONCE]]
        yield np.fromiter(itertools.chain.from_iterable(found), np.int64), np.array([len(words) for words in found])


def _added(counts: np.ndarray, more: np.ndarray) -> np.ndarray:
    """The sum of two arrays of counts, of which one may be longer."""
    short, long = sorted((counts, more), key=len)
    long[: len(short)] += short
    return long
