"""Numbers from the numbers in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ladle import OptionError, Reads

from .tabular import Tabular

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from datasets import Dataset

    from ladle.training import Measured, Terms


class TabularRegression(Tabular):
    """Predict a number from rows of numbers, with a small network; the target is standardised in training."""

    offers = frozenset({"items"})
    unusable = "that is no finite number"

    target: Annotated[str, Reads("number")] = Field(
        default="label", description="The column with the number to predict; a row without one is left out."
    )

    def learn(self) -> dict[str, Any]:
        """Mean and deviation of the target in the train split, or what a model to go on from has learnt these to be."""
        import numpy as np

        if (config := self.start_config()) and config.outputs == 1:
            return super().learn() | {"mean": config.mean, "deviation": config.deviation}
        train = self.setting.data.of_split("train").select([self.target]).table()[self.target].combine_chunks()
        values = self.numbers(train).drop_null().to_numpy()
        if not len(values):
            raise OptionError(f"column `{self.target}` has no number in the train split", option="target")
        return super().learn() | {"mean": float(np.mean(values)), "deviation": float(np.std(values)) or 1.0}

    def build(self) -> torch.nn.Module:
        state = self.setting.state
        return self.network(1, mean=state["mean"], deviation=state["deviation"])

    def numbers(self, targets: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        numbers = targets.cast(pa.float64())
        return pc.if_else(pc.is_finite(numbers), numbers, None)

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`features` [rows, inputs] and, where they are known, standardised labels [rows]."""
        import torch

        batch = self.feature_batch(rows) | {"counts": {"rows": torch.tensor(len(rows))}}
        if "label" in rows[0]:
            state = self.setting.state
            labels = torch.tensor([row["label"] for row in rows], dtype=torch.float64)
            batch["labels"] = ((labels - state["mean"]) / state["deviation"]).float()
        return batch

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        from ladle.training import Term, forward

        missed = forward(model, batch).logits.squeeze(-1).float() - batch["labels"]
        return {"squared-error": Term(missed**2, per="rows")}

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        from ladle.training import forward

        state = self.setting.state
        return {"numbers": forward(model, batch).logits.squeeze(-1).float() * state["deviation"] + state["mean"]}

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
