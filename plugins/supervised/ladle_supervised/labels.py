"""Class labels: learnt from the train split, weighted, and what a classifier shares however its rows look."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ladle import Reads, Trainer

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

    from ladle.training import Measured, Terms

UNLABELLED = -100


class Classification(Trainer):
    """What text and tabular classification share: labels, their weights, the loss, the measures."""

    offers = frozenset({"items", "labels"})

    target: Annotated[str, Reads("text", "integer", "boolean")] = Field(
        default="label", description="The column with the class of each row; a row without one is left out."
    )
    class_weights: Literal["none", "balanced"] | dict[str, float] = Field(
        default="none",
        description="How much a row of each class counts in the loss: alike, so that rare classes "
        "weigh as much as common ones (`balanced`), or as a table says (classes not in it weigh 1).",
    )

    @property
    def labels(self) -> list[str]:
        """The classes of the train split, sorted; known from the model's state at prediction."""
        state = self.setting.state
        if "labels" not in state:
            counts: collections.Counter[str] = collections.Counter()
            for batch in self.setting.data.of_split("train").select([self.target]).batches():
                counts.update(str(value) for value in batch[self.target] if value is not None)
            state["labels"] = sorted(counts)
            state["weights"] = [self._weight(label, counts) for label in state["labels"]]
        return state["labels"]

    def _weight(self, label: str, counts: collections.Counter[str]) -> float:
        if isinstance(self.class_weights, dict):
            return self.class_weights.get(label, 1.0)
        return counts.total() / (len(counts) * counts[label]) if self.class_weights == "balanced" else 1.0

    def with_labels(self, rows: Dataset, split: str) -> Dataset:
        """The rows with the number of their class as `label`; those without a class of the train split are left out."""
        import numpy as np

        numbers = {label: number for number, label in enumerate(self.labels)}
        found = [numbers.get(str(value), UNLABELLED) for value in rows[self.target]]
        kept = np.flatnonzero(np.asarray(found) != UNLABELLED)
        if len(kept) < len(found):
            note = f"{split} rows left out, which have no class or one that the train split lacks"
            self.setting.notes[note] = len(found) - len(kept)
        rows = rows if self.target == "label" else rows.remove_columns(self.target)
        rows = rows.remove_columns([name for name in ("label",) if name in rows.column_names])
        return rows.add_column("label", found).select(kept)

    def label_batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The labels of a batch, [rows], with the counts they give: `rows`, `labels`, and the sum of `weights`."""
        import torch

        labels = torch.tensor([row.get("label", UNLABELLED) for row in rows])
        labelled = labels[labels != UNLABELLED]
        weights = torch.tensor(self.setting.state["weights"])[labelled]
        counts = {"rows": torch.tensor(len(rows)), "labels": torch.tensor(len(labelled)), "weights": weights.sum()}
        return {"labels": labels, "counts": counts}

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        import torch.nn.functional as F  # noqa: N812

        from ladle.training import Term, forward

        labels = batch["labels"]
        labelled = labels != UNLABELLED
        logits = forward(model, batch).logits[labelled].float()
        weights = logits.new_tensor(self.setting.state["weights"])[labels[labelled]]
        values = F.cross_entropy(logits, labels[labelled], reduction="none") * weights
        return {"cross-entropy": Term(values, per="weights")}

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        from ladle.training import forward

        return {"probabilities": forward(model, batch).logits.float().softmax(-1)}

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        from .measures import measure_classes

        shown = dataset.remove_columns([name for name in ("input_ids", "features") if name in dataset.column_names])
        return measure_classes(outputs["probabilities"], dataset["label"][:], self.labels, shown)

    def baseline(self, train: Dataset, test: Dataset) -> dict[str, float]:
        from .measures import commonest_class

        return commonest_class(train["label"][:], test["label"][:], self.labels)

    def present(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "label": self.labels[int(row.argmax())],
                "probability": round(float(row.max()), 4),
                "probabilities": {label: round(float(share), 4) for label, share in zip(self.labels, row, strict=True)},
            }
            for row in outputs["probabilities"]
        ]
