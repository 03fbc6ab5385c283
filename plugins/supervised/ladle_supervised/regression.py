"""Numbers to predict: standardised in training, told in their own units, and what regressors share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from ladle import OptionError, Reads

from .supervised import Supervised

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from datasets import Dataset

    from ladle.training import Measured, Terms


class Scale(NamedTuple):
    """A model gives numbers in units of the `deviation`, counted from the `mean`."""

    mean: float
    deviation: float


class Regression(Supervised):
    """What text and tabular regression share: the scale of the target, the loss, the measures."""

    offers = frozenset({"items"})
    unusable = "that is no finite number"

    target: Annotated[str, Reads("number")] = Field(
        default="label", description="The column with the number to predict; a row without one is left out."
    )

    @property
    def scale(self) -> Scale:
        """Mean and deviation of the target, in its own unit."""
        return Scale(self.setting.state["mean"], self.setting.state["deviation"])

    def learn(self) -> dict[str, Any]:
        """The scale of the target in the train split, or that of a regressor to go on from."""
        return super().learn() | (self.known_scale() or self._scale_of_the_train_split())._asdict()

    def known_scale(self) -> Scale | None:
        """The scale of the regressor to start from; None if there is no such model."""
        raise NotImplementedError

    def _scale_of_the_train_split(self) -> Scale:
        import numpy as np

        train = self.setting.data.of_split("train").select([self.target]).table()[self.target].combine_chunks()
        values = self.numbers(train).drop_null().to_numpy()
        if not len(values):
            raise OptionError(f"column `{self.target}` has no number in the train split", option="target")
        return Scale(float(np.mean(values)), float(np.std(values)) or 1.0)

    def numbers(self, targets: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        numbers = targets.cast(pa.float64())
        return pc.if_else(pc.is_finite(numbers), numbers, None)

    def label_batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The standardised labels of a batch, [rows], where they are known, and the count of `rows`."""
        import torch

        counts = {"counts": {"rows": torch.tensor(len(rows))}}
        if "label" not in rows[0]:  # at prediction
            return counts
        labels = torch.tensor([row["label"] for row in rows], dtype=torch.float64)
        return {"labels": ((labels - self.scale.mean) / self.scale.deviation).float()} | counts

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        from ladle.training import Term, forward

        missed = forward(model, batch).logits.squeeze(-1).float() - batch["labels"]
        return {"squared-error": Term(missed**2, per="rows")}

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        from ladle.training import forward

        mean, deviation = self.scale
        return {"numbers": forward(model, batch).logits.squeeze(-1).float() * deviation + mean}

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        from .measures import furthest_misses, measure_numbers

        truth = dataset.with_format("numpy")["label"][:]
        measured = measure_numbers(outputs["numbers"], truth)
        places, misses = furthest_misses(outputs["numbers"], truth)
        measured.mistakes = self.with_rows(misses, dataset, places)
        return measured

    def baseline(self, train: Dataset, test: Dataset) -> dict[str, float]:
        from .measures import mean_of

        return mean_of(*(rows.with_format("numpy")["label"][:] for rows in (train, test)))

    def present(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"number": float(number)} for number in outputs["numbers"]]
