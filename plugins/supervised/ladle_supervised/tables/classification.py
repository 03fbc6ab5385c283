"""Classes from the numbers in a row, and what all trainers share that take such rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ladle import Columns, OptionError, Reads, Usual

from ..labels import Classification
from ..supervised import Notes, Supervised

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from datasets import Dataset
    from torch.utils.data import Sampler

    from .network import TabularConfig, TabularNetwork

_FEATURES = ("number", "integer", "boolean", "vector")


class Tabular(Supervised):
    """What tabular trainers share: features from columns, and a small network."""

    columns: Annotated[list[str], Reads(*_FEATURES)] = Field(
        default=[],
        description="The columns to learn from: numbers, truth values and vectors. All of them if left out.",
    )
    hidden: Annotated[list[Annotated[int, Field(gt=0)]], Usual(2, 4096)] = Field(
        default=[128, 64], description="Units in each hidden layer of a new network; [] for a linear model."
    )
    dropout: Annotated[float, Usual(0, 0.8)] = Field(
        default=0.1, ge=0, lt=1, description="Share of hidden units left out in each step."
    )
    epochs: Annotated[float, Usual(0.25, 1000)] = Field(
        default=20, ge=0, description="Passes over the train split; 0 measures the model as it is."
    )
    batch_size: Annotated[int, Usual(4, 16_384)] = Field(
        default=256, gt=0, description="Rows in a batch, on each device."
    )
    learning_rate: Annotated[
        float, Usual(3e-5, 0.1, "a network hardly learns at such a rate", "training is likely to diverge")
    ] = Field(default=2e-3, gt=0, description="Highest learning rate of the schedule.")

    def columns_after(self, given: Columns) -> Columns:
        super().columns_after(given)
        names = self._names(given)
        if not names and given.known:
            raise OptionError(
                "there is no column of numbers to learn from",
                help="make some: extract with `scale`, `one-hot` or `sentence-embedding`",
                code="missing-column",
            )
        for name in names:
            given.need(name)
        return given

    def _names(self, given: Columns) -> list[str]:
        return self.columns or [name for name in given.of_type(*_FEATURES) if name != self.target]

    @property
    def features(self) -> list[str]:
        """The columns that the network sees, in their order."""
        return self.setting.state["features"]

    def learn(self) -> dict[str, Any]:
        from ladle import columns_of

        return super().learn() | {"features": self._names(columns_of(self.setting.data.schema))}

    def start_config(self) -> TabularConfig | None:
        """The configuration of the network to go on from, if there is one."""
        from .network import TabularConfig

        if self.setting.start is None:
            return None
        about, _ = TabularConfig.get_config_dict(self.setting.start)
        if about.get("model_type") != TabularConfig.model_type:
            raise OptionError(
                f"the model in {self.setting.start} is no network over numbers, but a {about.get('model_type')}",
                option="model",
                help="go on from a stage with a tabular trainer, or leave the option out",
            )
        return TabularConfig.from_dict(about)

    def network(self, outputs: int, **about: Any) -> TabularNetwork:
        """The network to go on from, with a new last layer if its classes are others; or a new one."""
        from .network import TabularConfig, TabularNetwork

        if self.setting.start is None:
            first = next(self.setting.data.batches("arrow"))
            inputs = self._matrix(first.slice(0, 1)).shape[1]
            config = TabularConfig(inputs, self.hidden, outputs, columns=self.features, dropout=self.dropout, **about)
            return TabularNetwork(config)
        network = TabularNetwork.from_pretrained(self.setting.start)
        network.set_dropout(self.dropout)
        if network.config.columns != self.features:
            raise OptionError(
                f"the model to go on from has learnt from the columns {', '.join(network.config.columns)}; "
                f"here they are {', '.join(self.features)}",
                option="columns",
            )
        has_same_names = "id2label" not in about or network.config.id2label == about["id2label"]
        if network.config.outputs != outputs or not has_same_names:
            network.renew_head(outputs, **about)
        return network

    def dataset(self, split: str) -> Dataset:
        return self.prepared(split, "features", {}, self._prepare)

    def _prepare(self, batch: pa.RecordBatch, notes: Notes) -> dict[str, pa.Array]:
        """The features of each row as the bytes of float32 numbers: many times faster to read than lists."""
        import pyarrow as pa

        matrix = self._matrix(batch)
        if matrix.shape[1] != self.setting.model.config.inputs:
            raise _of_different_length(", ".join(self.features))
        kind = pa.binary(matrix.shape[1] * matrix.itemsize)
        return {"features": pa.FixedSizeBinaryArray.from_buffers(kind, len(matrix), [None, pa.py_buffer(matrix)])}

    def _matrix(self, batch: pa.RecordBatch) -> np.ndarray:
        """The features of a batch as numbers [rows, inputs]."""
        import numpy as np

        matrix = np.concatenate([_numbers_of(name, batch[name]) for name in self.features], axis=1)
        return np.ascontiguousarray(matrix, np.float32)

    def feature_batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`features` [rows, inputs]."""
        import torch

        numbers = torch.frombuffer(bytearray(b"".join([row["features"] for row in rows])), dtype=torch.float32)
        return {"features": numbers.view(len(rows), -1)}

    def sampler(self, dataset: Dataset) -> Sampler[list[int]]:
        from ladle.training import Shuffled

        return Shuffled(len(dataset), self.batch_size, self.setting.seed)

    def save(self, model: torch.nn.Module, folder: Path) -> None:
        model.save_pretrained(folder)


class TabularClassification(Tabular, Classification):
    """Put rows of numbers into classes, with a small network."""

    def _names(self, given: Columns) -> list[str]:
        return [name for name in super()._names(given) if name != self.weight]

    def known_labels(self) -> list[str]:
        config = self.start_config()
        return [config.id2label[number] for number in sorted(config.id2label)] if config else []

    def build(self) -> torch.nn.Module:
        names = {"id2label": dict(enumerate(self.labels)), "label2id": {n: i for i, n in enumerate(self.labels)}}
        return self.network(len(self.labels), **names)

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`features` [rows, inputs] and labels [rows]."""
        return self.feature_batch(rows) | self.label_batch(rows)


def _numbers_of(name: str, column: pa.Array) -> np.ndarray:
    """The numbers of a feature column [rows, …]. Raises OptionError if there is not one in every place."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = column.null_count
    if pa.types.is_nested(column.type):
        if len(pc.list_value_length(column).drop_null().unique()) > 1:
            raise _of_different_length(name)
        numbers = column.drop_null().flatten().to_numpy(zero_copy_only=False).reshape(len(column) - missing, -1)
    else:
        numbers = column.drop_null().to_numpy(zero_copy_only=False).reshape(-1, 1)
    missing += int((~np.isfinite(numbers)).any(1).sum())
    if missing:
        raise OptionError(
            f"column `{name}` has {missing} rows without a number, which a network cannot take",
            option="columns",
            help='fill them first (clean with `use = "fill-missing"`), or leave the column out',
        )
    return numbers


def _of_different_length(columns: str) -> OptionError:
    return OptionError(f"the vectors of `{columns}` differ in length from row to row", option="columns")
