"""Finding labels that are likely to be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from ladle import Cleaned, Cleaner, Columns, OptionError, Reject

from . import extras
from .values import shown

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Rows

    from .confidence import Verdict

_LABELS = ("text", "integer", "boolean")
_FEATURES = ("text", "vector", "number", "integer", "boolean")


class LabelErrors(Cleaner):
    """Mark rows whose label contradicts what a model tells from the rows beside them, for review, or drop them.

    By confident learning (Northcutt, Jiang and Chuang 2021): logistic regression, learnt from rows of the train split
    in five folds, tells the label of each row of the fold that it has not seen; from how sure it is of rows of each
    class follows how many labels are wrong, and those rows are named that speak most clearly for another class. Rows
    without a label, of classes with less than ten rows, and rows to predict are not judged. Needs the extra `learning`.

    Labels have to be there: in what the source reads, or in another data set of the recipe, from which this one starts
    (`use = "data"`).
    """

    form = "arrow"

    label: str = Field(description="The column with the labels: texts, whole numbers or truth values.")
    using: list[str] = Field(
        min_length=1,
        description="The columns to tell a label from: vectors, numbers, and texts, by their runs of two to four "
        "characters.",
    )
    found: Literal["mark", "drop"] = Field(
        default="mark", description="Whether two new columns tell which labels are suspect, or their rows go."
    )
    suspect: str = Field(default="suspect", description="The new column that tells whether a label is suspect.")
    suggested: str = Field(default="suggested", description="The new column with the label that it should rather be.")
    splits: list[Literal["train", "validation", "test"]] = Field(
        default=["train"],
        min_length=1,
        description="The splits whose labels are judged. To drop rows that measure a model because a model contradicts "
        "them makes it look better than it is.",
    )
    rows: int = Field(
        default=20_000, ge=50, description="Rows of the train split, drawn at random, of which is learnt at most."
    )

    @model_validator(mode="after")
    def _not_itself(self) -> LabelErrors:
        if self.label in self.using:
            raise OptionError(f"`{self.label}` is to be told from itself", option="using", item=self.label)
        return self

    def columns_after(self, given: Columns) -> Columns:
        extras.need("sklearn", "scikit-learn", "learning", option="label")
        type_ = given.need(self.label, *_LABELS, option="label")
        for name in self.using:
            given.need(name, *_FEATURES, option="using")
        if self.found == "drop":
            return given
        for option, name in (("suspect", self.suspect), ("suggested", self.suggested)):
            if name in given:
                raise OptionError(f"there is a column `{name}` already", option=option, help="choose another name")
        return given.having(self.suspect, "boolean").having(self.suggested, type_)

    def clean_data(self, data: Rows) -> Iterator[Cleaned]:
        from ladle.rows import ID

        from .judging import verdicts

        found = verdicts(data, self.label, self.using, self.splits, self.rows)
        for batch in data.batches("arrow"):
            here = {at: found[id_] for at, id_ in enumerate(batch[ID].to_pylist()) if id_ in found}
            if self.found == "drop":
                yield Cleaned(batch, {at: self._reject(batch[self.label][at].as_py(), of) for at, of in here.items()})
            else:
                yield Cleaned(self._marked(batch, here))

    def _reject(self, label: Any, verdict: Verdict) -> Reject:
        said = f"`{self.label}` is {shown(label)}, for which speaks {verdict.own:.2f}, and for {shown(verdict.label)}"
        return Reject(rule="label-error", reason=f"{said} {verdict.other:.2f}")

    def _marked(self, batch: pa.RecordBatch, found: dict[int, Verdict]) -> pa.RecordBatch:
        import pyarrow as pa

        from .arrays import plain

        rows = range(batch.num_rows)
        suggested = [found[at].label if at in found else None for at in rows]
        marked = batch.append_column(self.suspect, pa.array([at in found for at in rows], pa.bool_()))
        return marked.append_column(self.suggested, pa.array(suggested, plain(batch[self.label]).type))
