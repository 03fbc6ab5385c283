"""Labels by a trained model."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ladle import Columns, ModelChoice, OptionError

from .gaps import Found, GapFiller, plain

if TYPE_CHECKING:
    import pyarrow as pa


class ModelLabels(GapFiller):
    """Fill gaps in labels, or label all rows, by what the model of a train stage says.

    Any trainer will do whose model says a `label` and its `probability` of each row. The confidence is that
    probability, which a network that was trained for long tends to set too high. Rows that the model cannot read get no
    label.
    """

    asks = "model"
    origin_of_new = "model"

    start: ModelChoice = Field(
        alias="model",
        description='The model: { stage = "…" }, or { pretrained = "a folder that a train stage has written" }.',
    )
    into: str = Field(
        default="label",
        description="The column with the labels that are known, whose gaps are filled; it is made if there is none.",
    )

    def columns_after(self, given: Columns) -> Columns:
        type_ = given.need(self.into, "text", "integer", "boolean", option="into") if self.into in given else "text"
        return super().columns_after(given.having(self.into, type_))

    def finder(self) -> Callable[[pa.RecordBatch, list[int]], Found]:
        import pyarrow as pa

        from ladle import Rows, TrainedModel

        model = TrainedModel(self.start.fetch())

        def find(whole: pa.RecordBatch, places: list[int]) -> Found:
            chosen = whole.take(pa.array(places))
            with tempfile.TemporaryDirectory(prefix="ladle-") as folder:
                path = Path(folder) / "rows.arrow"
                with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, chosen.schema) as writer:
                    writer.write_batch(chosen)
                said = model(Rows([path]))
            return self._sure(said, dict(zip(places, chosen["_id"].to_pylist(), strict=True)), chosen)

        return find

    def _sure(self, said: dict[str, dict[str, Any]], ids: dict[int, str], rows: pa.RecordBatch) -> Found:
        """What the model has `said` with confidence, by places instead of the `ids` there, typed as the column is."""
        import pyarrow as pa

        answers = {at: said[row] for at, row in ids.items() if row in said}
        if wrong := next((a for a in answers.values() if not {"label", "probability"} <= set(a)), None):
            says = ", ".join(f"`{key}`" for key in wrong)
            raise OptionError(
                f"the model says no `label` with its `probability` of a row, but {says}",
                option="model",
                help="use the model of a classifier, such as `text-classification`",
            )
        sure = {at: answer for at, answer in answers.items() if answer["probability"] >= self.threshold}
        labels = pa.array([answer["label"] for answer in sure.values()], pa.string())
        if self.into in rows.schema.names:
            try:
                labels = labels.cast(plain(rows[self.into]).type)
            except pa.ArrowInvalid as error:
                raise OptionError(f"what the model says is no label of `{self.into}`: {error}", option="into") from None
        confidence = [answer["probability"] for answer in sure.values()]
        return dict(zip(sure, zip(labels.to_pylist(), confidence, strict=True), strict=True))
