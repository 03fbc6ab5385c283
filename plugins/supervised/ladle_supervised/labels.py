"""Class labels: learnt from the train split, weighted, and what a classifier shares however its rows look."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ladle import OptionError, Reads

from .supervised import Notes, Supervised

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from datasets import Dataset

    from ladle import Sample
    from ladle.training import Measured, Terms

UNLABELLED = -100
_ENOUGH = 20  # rows that say something about the others
_AN_ID = 0.9  # different values in a row, beyond which no class is likely to be learnt


class Classification(Supervised):
    """What text and tabular classification share: labels, their weights, the loss, the measures."""

    offers = frozenset({"items", "labels"})
    unusable = "that the train split lacks"

    target: Annotated[str, Reads("text", "integer", "boolean")] = Field(
        default="label", description="The column with the class of each row; a row without one is left out."
    )
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(ge=0)]] = Field(
        default="none",
        description="How much a row of each class counts in the loss: alike, so that rare classes "
        "weigh as much as common ones (`balanced`), or as a table says (classes not in it weigh 1).",
    )
    weight: Annotated[str | None, Reads("number", "integer")] = Field(
        default=None,
        description="The column that says how much a row counts in the loss, such as how sure its label is; a row "
        "without a value counts as 1.",
    )

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        values = self.classes_in(sample)
        classes = set(values)
        if len(values) < _ENOUGH:
            return
        if len(classes) == 1 and sample.is_whole:
            yield OptionError(
                f"`{self.target}` is `{values[0]}` in all rows that have one: there is nothing to tell apart",
                option="target",
                help="look at how the column is filled",
            )
        if len(classes) > _AN_ID * len(values):
            yield OptionError(
                f"`{self.target}` has {len(classes)} different values in {sample}: more like an id than a class",
                option="target",
                help="name the column with the classes",
            )

    def classes_in(self, sample: Sample) -> list[Any]:
        """The classes of a sample's rows."""
        return sample.values(self.target)

    @property
    def labels(self) -> list[str]:
        """The classes, in the order of the model's outputs."""
        return self.setting.state["labels"]

    def learn(self) -> dict[str, Any]:
        """The classes of the train split, in the order that a model which knows just these has already."""
        labels = list(self._counts)
        if len(labels) < 2:
            there = f"only the class `{labels[0]}`" if labels else "no class"
            raise OptionError(
                f"column `{self.target}` has {there} in the train split: there is nothing to tell apart",
                option="target",
                help="look at the split, and at how the column is filled",
            )
        if isinstance(self.class_weights, dict) and (unknown := sorted(set(self.class_weights) - set(labels))):
            raise OptionError(
                f"no class `{unknown[0]}` in the train split",
                option="class_weights",
                help=f"the classes are: {', '.join(labels)}",
            )
        known = self.known_labels()
        return super().learn() | {"labels": known if sorted(known) == sorted(labels) else labels}

    def known_labels(self) -> list[str]:
        """The classes of the model to start from; [] if it has none, or there is no such model."""
        raise NotImplementedError

    def classes_of(self, targets: pa.ChunkedArray) -> pa.ChunkedArray:
        """The classes in a target column, one after another."""
        return targets

    @functools.cached_property
    def _counts(self) -> dict[str, int]:
        """How often the train split has each class; classes in the order of their names or numbers."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self.classes_of(self.setting.data.of_split("train").select([self.target]).table()[self.target])
        found = pc.value_counts(column.cast(pa.string()).combine_chunks().drop_null())
        counts = dict(zip(*(found.field(name).to_pylist() for name in ("values", "counts")), strict=True))
        return dict(sorted(counts.items(), key=lambda c: int(c[0]) if pa.types.is_integer(column.type) else c[0]))

    def prepared(
        self, split: str, doing: str, parts: dict[str, Any], prepare: Callable[[pa.RecordBatch, Notes], dict[str, Any]]
    ) -> Dataset:
        """As every supervised trainer's; rows to learn from have their `weight` too, if they have one."""
        if self.weight is None or split != "train":
            return super().prepared(split, doing, parts, prepare)

        def weighted(batch: pa.RecordBatch, notes: Notes) -> dict[str, Any]:
            return {"weight": self._row_weights(batch)} | prepare(batch, notes)

        return super().prepared(split, doing, parts | {"weight": self.weight}, weighted)

    def _row_weights(self, batch: pa.RecordBatch) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        weights = batch[self.weight].cast(pa.float32()).fill_null(1)
        wrong = weights.filter(pc.invert(pc.and_(pc.is_finite(weights), pc.greater_equal(weights, 0))))
        if len(wrong):
            raise OptionError(
                f"a row counts {wrong[0]} by its `{self.weight}`: that is no weight",
                option="weight",
                help="weights are finite and not below 0",
            )
        return weights

    @functools.cached_property
    def _weights(self) -> list[float]:
        """How much a row of each class counts, in the order of the labels."""
        if isinstance(self.class_weights, dict):
            return [self.class_weights.get(label, 1.0) for label in self.labels]
        if self.class_weights == "none":
            return [1.0 for _ in self.labels]
        share = sum(self._counts.values()) / len(self._counts)
        return [share / self._counts[label] for label in self.labels]

    def numbers(self, targets: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        return pc.index_in(targets.cast(pa.string()), pa.array(self.labels)).cast(pa.int64())

    def label_batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The labels of a batch, [rows], with the counts they give: `rows`, `labels`, and the sum of `weights`."""
        import torch

        if "label" not in rows[0]:  # at prediction
            return {"counts": {"rows": torch.tensor(len(rows))}}
        labels = torch.tensor([UNLABELLED if row["label"] is None else row["label"] for row in rows])
        labelled = labels[labels != UNLABELLED]
        counts = {"rows": torch.tensor(len(rows)), "labels": torch.tensor(len(labelled))}
        return self.weighted(rows, {"labels": labels, "counts": counts})

    def weighted(self, rows: list[dict[str, Any]], batch: dict[str, Any]) -> dict[str, Any]:
        """A batch with `labels` [rows, …], the sum of weights as a count, and those of rows if they tell."""
        import torch

        labels = batch["labels"]
        if "weight" in rows[0]:
            batch["weights"] = torch.tensor([row["weight"] for row in rows])
        batch["counts"]["weights"] = self._weights_of(batch, labels != UNLABELLED).sum()
        return batch

    def _weights_of(self, batch: dict[str, Any], labelled: torch.Tensor) -> torch.Tensor:
        """How much each label counts of those where `labelled` is true: its class times its row."""
        import torch

        labels = batch["labels"]
        weights = labels.new_tensor(self._weights, dtype=torch.float32)[labels[labelled]]
        if "weights" not in batch:
            return weights
        of_row = batch["weights"].view(-1, *[1] * (labels.dim() - 1)).expand_as(labels)
        return weights * of_row[labelled]

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        import torch.nn.functional as F  # noqa: N812

        from ladle.training import Term, forward

        labels = batch["labels"]
        labelled = labels != UNLABELLED
        logits = forward(model, batch).logits[labelled].float()
        values = F.cross_entropy(logits, labels[labelled], reduction="none") * self._weights_of(batch, labelled)
        return {"cross-entropy": Term(values, per="weights")}

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        from ladle.training import forward

        return {"probabilities": forward(model, batch).logits.float().softmax(-1)}

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        from .measures import measure_classes, surest_mistakes

        truth = dataset.with_format("numpy")["label"][:]
        measured = measure_classes(outputs["probabilities"], truth, self.labels)
        places, mistakes = surest_mistakes(outputs["probabilities"], truth, self.labels)
        measured.mistakes = self.with_rows(mistakes, dataset, places)
        return measured

    def baseline(self, train: Dataset, test: Dataset) -> dict[str, float]:
        from .measures import commonest_class

        return commonest_class(train["label"][:], test["label"][:], len(self.labels))

    def present(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "label": self.labels[int(row.argmax())],
                "probability": round(float(row.max()), 4),
                "probabilities": {label: round(float(share), 4) for label, share in zip(self.labels, row, strict=True)},
            }
            for row in outputs["probabilities"]
        ]
