"""Classes and numbers from the numbers in a row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ladle import Columns, OptionError, Reads, Trainer

from .labels import Classification

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from torch.utils.data import Sampler

    from ladle.training import Measured, Terms

_FEATURES = ("number", "integer", "boolean", "vector")


class Tabular(Trainer):
    """What tabular trainers share: features from columns, and a small network."""

    target: str
    columns: list[str] = Field(
        default=[],
        description="The columns to learn from: numbers, truth values and vectors. All of them if left out.",
    )
    hidden: list[int] = Field(default=[128, 64], description="Units in each hidden layer; [] for a linear model.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Share of hidden units left out in each step.")
    epochs: float = Field(default=20, ge=0, description="Passes over the train split; 0 measures the model as it is.")
    batch_size: int = Field(default=256, gt=0, description="Rows in a batch, on each device.")
    learning_rate: float = Field(default=2e-3, gt=0, description="Highest learning rate of the schedule.")

    def columns_after(self, given: Columns) -> Columns:
        super().columns_after(given)
        names = self.columns or self._all_features(given)
        if not names and given.known:
            raise OptionError(
                "there is no column of numbers to learn from",
                help="make some: extract with `scale`, `one-hot` or `sentence-embedding`",
                code="missing-column",
            )
        for name in names:
            given.need(name, *_FEATURES, option="columns")
        return given

    def _all_features(self, given: Columns) -> list[str]:
        return [name for name in given.of_type(*_FEATURES) if name != self.target]

    @property
    def features(self) -> list[str]:
        """The columns that the network sees, in their order; known from the model's state at prediction."""
        state = self.setting.state
        if "features" not in state:
            from ladle.rows import column_type

            data = self.setting.data
            types = {name: column_type(data.schema.field(name).type) for name in data.columns}
            state["features"] = self.columns or self._all_features(Columns(types))
        return state["features"]

    def _network(self, outputs: int, **names: Any) -> torch.nn.Module:
        from .tabular_model import TabularConfig, TabularNetwork

        if self.setting.start:
            return TabularNetwork.from_pretrained(self.setting.start)
        first = next(iter(self.setting.data.batches("arrow")))
        inputs = len(self._matrix(first.slice(0, 1))[0])
        return TabularNetwork(TabularConfig(inputs, self.hidden, outputs, self.dropout, **names))

    def dataset(self, split: str) -> Dataset:
        from ladle.training.setting import open_dataset, rows_of_split

        kept = self.setting.keep("features", {"columns": self.features}, self._keep_features)
        return rows_of_split(open_dataset([kept / "features.arrow"]), split)

    def _keep_features(self, folder: Path) -> None:
        """Write each row with its features in one vector to an Arrow file."""
        import pyarrow as pa

        sink = None
        for batch in self.setting.data.whole_batches():
            matrix = self._matrix(batch)
            flat = pa.array(matrix.reshape(-1), pa.float32())
            batch = batch.append_column("features", pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1]))
            batch = batch.drop_columns([name for name in self.features if name in _vectors(batch)])
            sink = sink or pa.ipc.new_stream(folder / "features.arrow", batch.schema)
            sink.write_batch(batch)
        if sink:
            sink.close()

    def _matrix(self, batch: Any) -> Any:
        """The features of a batch as an array [rows, inputs]."""
        import numpy as np

        parts = []
        for name in self.features:
            column = batch[name]
            if column.null_count:
                raise OptionError(
                    f"column `{name}` has {column.null_count} missing values, which a network cannot take; "
                    'fill them first (`use = "missing"`) or leave the column out'
                )
            if name in _vectors(batch):
                parts.append(column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1))
            else:
                parts.append(column.to_numpy(zero_copy_only=False).reshape(-1, 1))
        return np.concatenate([part.astype(np.float32) for part in parts], axis=1)

    def sampler(self, dataset: Dataset) -> Sampler[list[int]]:
        from ladle.training import Shuffled

        return Shuffled(len(dataset), self.batch_size, self.setting.seed)

    def save(self, model: torch.nn.Module, folder: Path) -> None:
        model.save_pretrained(folder)


class TabularClassification(Tabular, Classification):
    """Put rows of numbers into classes, with a small network."""

    offers = frozenset({"items", "labels"})

    target: Annotated[str, Reads("text", "integer", "boolean")] = Field(
        default="label", description="The column with the class of each row; a row without one is left out."
    )

    def model(self) -> torch.nn.Module:
        return self._network(len(self.labels), id2label=dict(enumerate(self.labels)))

    def dataset(self, split: str) -> Dataset:
        rows = super().dataset(split)
        return self.with_labels(rows, split) if self.target in self.setting.data.columns else rows

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`features` [rows, inputs] and labels [rows]."""
        import torch

        return {"features": torch.tensor([row["features"] for row in rows])} | self.label_batch(rows)


class TabularRegression(Tabular):
    """Predict a number from rows of numbers, with a small network; the target is standardised in training."""

    offers = frozenset({"items"})

    target: Annotated[str, Reads("number")] = Field(
        default="label", description="The column with the number to predict; a row without one is left out."
    )

    def model(self) -> torch.nn.Module:
        return self._network(1)

    def dataset(self, split: str) -> Dataset:
        import numpy as np

        rows = super().dataset(split)
        if self.target not in self.setting.data.columns:
            return rows
        values = np.array([np.nan if value is None else value for value in rows[self.target]], dtype=float)
        kept = np.flatnonzero(~np.isnan(values))
        if len(kept) < len(values):
            self.setting.notes[f"{split} rows left out, which have no {self.target}"] = len(values) - len(kept)
        rows = rows.remove_columns([name for name in {"label", self.target} if name in rows.column_names])
        return rows.add_column("label", values).select(kept)

    @property
    def _standard(self) -> tuple[float, float]:
        """Mean and deviation of the target in the train split; known from the model's state at prediction."""
        import numpy as np

        state = self.setting.state
        if "mean" not in state:
            values = np.asarray(self.dataset("train")["label"][:])
            state |= {"mean": float(values.mean()), "deviation": float(values.std()) or 1.0}
        return state["mean"], state["deviation"]

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`features` [rows, inputs] and, where they are known, standardised labels [rows]."""
        import torch

        batch: dict[str, Any] = {
            "features": torch.tensor([row["features"] for row in rows]),
            "counts": {"rows": torch.tensor(len(rows))},
        }
        if "label" in rows[0]:
            mean, deviation = self._standard
            batch["labels"] = (torch.tensor([row["label"] for row in rows]) - mean) / deviation
        return batch

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        from ladle.training import Term, forward

        missed = forward(model, batch).logits.squeeze(-1).float() - batch["labels"]
        return {"squared-error": Term(missed**2, per="rows")}

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        from ladle.training import forward

        mean, deviation = self._standard
        return {"numbers": forward(model, batch).logits.squeeze(-1).float() * deviation + mean}

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        import numpy as np

        from .measures import measure_numbers

        return measure_numbers(outputs["numbers"], np.asarray(dataset["label"][:]), dataset.remove_columns("features"))

    def baseline(self, train: Dataset, test: Dataset) -> dict[str, float]:
        import numpy as np

        from .measures import mean_of

        return mean_of(np.asarray(train["label"][:]), np.asarray(test["label"][:]))

    def present(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"number": float(number)} for number in outputs["numbers"]]


def _vectors(batch: Any) -> set[str]:
    from ladle.rows import column_type

    return {field.name for field in batch.schema if column_type(field.type) == "vector"}
