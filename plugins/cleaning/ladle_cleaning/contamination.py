"""Dropping rows that share text with what a model is tested on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ladle import Cleaned, Cleaner, Columns, OptionError, Reject
from ladle.options import DataReference

from .duplicates import Shingle
from .values import shown

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Rows

    from .evaluation import Evaluation


class Decontaminate(Cleaner):
    """Drop rows that share a run of words with rows that a model is tested on (Brown et al. 2020, appendix C).

    These are the rows of the test split, and those of other data sets of the recipe. Case, punctuation and the amount
    of white space do not count; a text that is shorter than a run counts where it is the whole of another. Memory holds
    12 bytes for each run of what is tested on, and a few times that while they are put in order. Rows to predict stay.
    """

    form = "arrow"

    column: str = Field(default="text", description="The text column.")
    against: Annotated[list[str], DataReference()] = Field(
        default=[], description="Other data sets of the recipe on which models are tested."
    )
    against_column: str | None = Field(
        default=None, description="The text column of these data sets, if it has another name there."
    )
    splits: list[Literal["test", "validation"]] = Field(
        default=["test"], description="The splits of this data set whose rows are tested on: they stay."
    )
    shingle: Shingle = Field(
        default=Shingle(words=13),
        description="What is not to be shared: { words = 13 } are runs of so many words, { characters = 50 } those of "
        "characters other than white space and punctuation, for scripts without spaces.",
    )
    share: float = Field(
        default=0, ge=0, lt=1, description="The share of a row's runs that may be shared; 0 is none at all."
    )

    def columns_after(self, given: Columns) -> Columns:
        given.need(self.column, "text", option="column")
        return given

    def check_beside(self, data: Mapping[str, Columns]) -> None:
        for columns in data.values():
            option = "against_column" if self.against_column else "column"
            columns.need(self.against_column or self.column, "text", option=option)

    def clean_data(self, data: Rows) -> Iterator[Cleaned]:
        from ladle.rows import ID, SPLIT

        evaluation = self._evaluation(data)
        if not len(evaluation) and next(data.of_split("train").batches("arrow"), None) is not None:
            raise OptionError(
                "there is no text that a model is tested on, so nothing can be shared with it",
                option="against" if self.against else "splits",
                help="split the data set, or name another one in `against`",
            )
        for whole in data.whole_batches():
            splits = whole[SPLIT].to_pylist()
            mine = [row for row, split in enumerate(splits) if split not in (*self.splits, "predict")]
            yield Cleaned(whole.select([ID, *data.columns]), self._rejects(whole[self.column], mine, evaluation))

    def _evaluation(self, data: Rows) -> Evaluation:
        from .evaluation import Evaluation

        found = Evaluation(self.shingle.unit, self.shingle.length)
        for split in self.splits:
            found.add(f"the {split} split", data.of_split(split), self.column)
        for name, rows in self.beside.items():
            found.add(f"`{name}`", rows, self.against_column or self.column)
        return found

    def _rejects(self, texts: pa.Array, rows: list[int], evaluation: Evaluation) -> dict[int, Reject]:
        import pyarrow as pa

        rejects = {}
        for place, match in evaluation.matches(texts.take(pa.array(rows, pa.int64()))):
            if match.shared > self.share * match.runs:
                said = f"{match.shared} of its {match.runs} runs of {self.shingle.length} {self.shingle.unit} are"
                where = f"in row {match.row} of {match.of}: {shown(match.text)}"
                reason = f"of `{self.column}` {said} tested on, the first {where}"
                rejects[rows[place]] = Reject(rule="contaminated", reason=reason, stays=match.row)
        return rejects
