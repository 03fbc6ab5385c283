"""Putting wrong values right."""

from __future__ import annotations

import collections
import csv
import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, FiniteFloat, model_validator

from ladle import Cleaned, Cleaner, Columns, InputPath, OptionError, Reject
from ladle.options import Input

from .arrays import as_text, plain, positions
from .values import is_missing, shown
from .vocabulary import Vocabulary, check_table

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Rows, Sample

_OFTEN = 5  # times that a sample has a text that would become another one, before that seems to lack in a vocabulary


class Correct(Cleaner):
    """Put wrong values right: texts by a table and by the nearest word of a vocabulary, numbers by their range.

    A table says what is wrong, a vocabulary what is right. Case and the amount of white space do not count where they
    are looked up. A text that could as well mean one word as another stays wrong: nothing is guessed.
    """

    form = "arrow"

    columns: list[str] = Field(min_length=1, description="The columns: of texts, or for a range of numbers.")
    table: dict[str, str] = Field(default={}, description='What is meant by what is wrong: { NYC = "New York" }.')
    table_file: Annotated[InputPath | None, Input()] = Field(
        default=None, description="The table as a CSV file with the columns `wrong` and `right`."
    )
    vocabulary: list[str] = Field(default=[], description="The right texts; others become the most similar of these.")
    vocabulary_file: Annotated[InputPath | None, Input()] = Field(
        default=None, description="The right texts as a file, one on each line."
    )
    frequent: int | None = Field(
        default=None, gt=1, description="Texts that come at least so often in the train split are right as well."
    )
    similarity: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="How similar a word has to be: 0.8 allows one letter of five to be missing, wrong or swapped.",
    )
    min: FiniteFloat | None = Field(default=None, description="The least number that can be right.")
    max: FiniteFloat | None = Field(default=None, description="The greatest number that can be right.")
    otherwise: Literal["reject", "null", "keep", "clip"] | None = Field(
        default=None,
        description="What happens to a value that stays wrong: its row goes (if nothing is said), it is null, it "
        "stays, or, as a number, it becomes the nearest one in the range. Beside a table alone all other values are "
        "right, if nothing is said.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Correct:
        if self._is_of_words == self._is_of_numbers:
            both = self._is_of_words
            raise OptionError(
                "texts and numbers are corrected apart" if both else "nothing tells what is right",
                option="columns",
                help="make two cleaners of it"
                if both
                else "add `table`, `vocabulary` or `frequent`, or `min` or `max`",
            )
        if self.min is not None and self.max is not None and self.min > self.max:
            raise OptionError(
                f"no number is at least {self.min:.15g} and at most {self.max:.15g}",
                option="min",
                help="exchange `min` and `max`",
            )
        if self.otherwise == ("clip" if self._is_of_words else "keep"):
            what = "a text has no nearest one in a range" if self._is_of_words else "then nothing would be corrected"
            raise OptionError(what, option="otherwise", help='write "reject" or "null"')
        if all(path is None or path.exists() for path in (self.table_file, self.vocabulary_file)):
            self._check_table()  # where a trained model is used, files may be gone: it has learnt what they said
        return self

    def _check_table(self) -> None:
        check_table(self._written["table"], "table_file" if self.table_file else "table")

    @functools.cached_property
    def _written(self) -> dict[str, list[Any]]:
        """What the recipe and its files say: pairs of something wrong and what it means, and words that are right."""
        pairs = [*self.table.items(), *(_pairs(self.table_file) if self.table_file else ())]
        words = [*self.vocabulary, *(_lines(self.vocabulary_file, "vocabulary_file") if self.vocabulary_file else ())]
        return {"table": pairs, "words": words}

    @property
    def _is_of_words(self) -> bool:
        return bool(self.table or self.table_file or self._has_vocabulary)

    @property
    def _has_vocabulary(self) -> bool:
        return bool(self.vocabulary or self.vocabulary_file or self.frequent)

    @property
    def _is_of_numbers(self) -> bool:
        return self.min is not None or self.max is not None

    @property
    def _otherwise(self) -> str:
        is_all_right = self._is_of_words and not self._has_vocabulary
        return self.otherwise or ("keep" if is_all_right else "reject")

    def columns_after(self, given: Columns) -> Columns:
        after = given
        for name in self.columns:
            types = ("text",) if self._is_of_words else ("integer", "number")
            found = given.need(name, *types, option="columns")
            if found == "integer" and self._bounds[0] > self._bounds[1]:
                raise OptionError(f"there is no whole number from {self.min:.15g} to {self.max:.15g}", option="min")
            after = after.having(name, found)
        return after

    @property
    def _bounds(self) -> tuple[float, float]:
        """The least and the greatest whole number that is right."""
        least = -math.inf if self.min is None else math.ceil(self.min)
        return least, math.inf if self.max is None else math.floor(self.max)

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        for name in self.columns if self._is_of_words and not self.frequent else ():
            vocabulary = self._vocabulary(name, self._written)
            texts = collections.Counter(text for text in sample.values(name) if isinstance(text, str))
            often = [text for text, times in texts.items() if times >= _OFTEN and not vocabulary.knows(text)]
            for text, [word] in [(text, meant) for text in often if len(meant := vocabulary.meant(text)) == 1]:
                yield OptionError(
                    f"{sample} have {shown(text)} for `{name}` {texts[text]} times, which becomes {shown(word)}",
                    option="vocabulary_file" if self.vocabulary_file else "vocabulary",
                    help=f"add {shown(text)} if it is right, or raise `similarity`",
                    code="often-wrong",
                )

    @property
    def learns(self) -> bool:
        return bool(self.frequent or self.table_file or self.vocabulary_file)

    def fit(self, train: Rows) -> dict[str, Any]:
        """What recipe and files say, and for each column the words that are frequent."""
        return self._written | {"frequent": {name: self._often(train, name) for name in self.columns}}

    def _often(self, train: Rows, name: str) -> list[str]:
        counts: collections.Counter[str] = collections.Counter()
        for batch in train.select([name]).batches("arrow") if self.frequent else ():
            counts.update(text for text in as_text(batch[name]).to_pylist() if text is not None)
        return sorted(text for text, times in counts.items() if self.frequent and times >= self.frequent)

    def _vocabulary(self, name: str, known: dict[str, Any]) -> Vocabulary:
        words = [*known["words"], *known.get("frequent", {}).get(name, ())]
        return Vocabulary(dict(known["table"]), words, self.similarity)

    @property
    def is_light(self) -> bool:
        return True

    @functools.cached_property
    def _unlearnt(self) -> dict[str, Vocabulary]:
        return {name: self._vocabulary(name, self._written) for name in self.columns}

    def clean_row(self, row: dict[str, Any]) -> dict[str, Any] | Reject:
        """One row corrected as `clean_data` corrects many, but for what it learns."""
        done = dict(row)
        for name in self.columns:
            judged = self._judged(name, row[name], self._unlearnt[name])
            if isinstance(judged, Reject):
                return judged
            done[name] = judged
        return done

    def clean_data(self, data: Rows) -> Iterator[Cleaned]:
        known = self.state if self.learns else self._written
        vocabularies = {name: self._vocabulary(name, known) for name in self.columns}
        return (self._cleaned(batch, vocabularies) for batch in data.batches("arrow"))

    def _cleaned(self, batch: pa.RecordBatch, vocabularies: dict[str, Vocabulary]) -> Cleaned:
        """A batch corrected, each different value of a column once."""
        import pyarrow as pa

        from ladle import with_column

        rejects: dict[int, Reject] = {}
        for name in self.columns:
            column = as_text(batch[name]) if self._is_of_words else plain(batch[name])
            if column.null_count == len(column):
                continue
            coded = column.dictionary_encode()
            judged = [self._judged(name, value, vocabularies[name]) for value in coded.dictionary.to_pylist()]
            wrong = pa.array([isinstance(value, Reject) for value in judged])
            right = [None if isinstance(value, Reject) else value for value in judged]
            for row in positions(wrong.take(coded.indices)):
                rejects.setdefault(row, judged[coded.indices[row].as_py()])
            batch = with_column(batch, name, self._array(right, column.type, name).take(coded.indices))
        return Cleaned(batch, rejects)

    def _array(self, values: list[Any], type_: pa.DataType, name: str) -> pa.Array:
        import pyarrow as pa

        try:
            return pa.array(values, type_)
        except (pa.ArrowInvalid, OverflowError) as error:
            raise OptionError(
                f"column `{name}` holds {type_}, which has no place for the bounds of the range: {error}",
                option="columns",
                help='convert the column first (`use = "convert"`)',
                code="value-type",
            ) from None

    def _judged(self, name: str, value: Any, vocabulary: Vocabulary) -> Any | Reject:
        """A value of a column as it shall be, or why its row goes."""
        if is_missing(value):
            return value
        if self._is_of_words:
            meant = vocabulary.meant(value)
            if len(meant) == 1:
                return meant[0]
            what = f"could be {' or '.join(map(shown, meant))}" if meant else "is near nothing that is right"
            reject = Reject("ambiguous" if meant else "unknown", f"`{name}` is {shown(value)}, which {what}")
        else:
            near = self._in_range(value)
            if near == value or self._otherwise == "clip":
                return near
            bound = f"less than min = {self.min:.15g}" if near > value else f"more than max = {self.max:.15g}"
            reject = Reject("min" if near > value else "max", f"`{name}` is {shown(value)}, {bound}")
        return reject if self._otherwise == "reject" else value if self._otherwise == "keep" else None

    def _in_range(self, value: Any) -> Any:
        """The nearest value of the same type in the range."""
        if isinstance(value, int):
            return min(max(value, self._bounds[0]), self._bounds[1])
        if self.min is not None and value < self.min:
            return type(value)(str(self.min))
        return type(value)(str(self.max)) if self.max is not None and value > self.max else value


def _pairs(path: Path) -> list[tuple[str, str]]:
    """Pairs of something wrong and what it means, from a CSV file. Raises OptionError if it has other columns."""
    rows = list(csv.DictReader(_lines(path, "table_file")))
    if not rows or not {"wrong", "right"} <= rows[0].keys():
        raise OptionError(
            f"{path.name} has no columns `wrong` and `right`, or no rows",
            option="table_file",
            help="its first line is wrong,right and each other one what is wrong, a comma, and what is meant",
        )
    for number, row in enumerate(rows, 1):
        if row["wrong"] is None or row["right"] is None:
            raise OptionError(f"row {number} of {path.name} does not say what is meant", option="table_file")
    return [(row["wrong"], row["right"]) for row in rows]


def _lines(path: Path, option: str) -> list[str]:
    """The lines of a text file that are not empty. Raises OptionError if it is none."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{path.name} is no text: {error}", option=option, help="it has to be in UTF-8") from None
    return [line.strip() for line in lines if line.strip()]
