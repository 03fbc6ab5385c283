"""Asking a trained classifier about texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ladle.training import forward

from .search import Said
from .texts import Texts

if TYPE_CHECKING:
    from datasets import Dataset

    from ladle.training import Setting


class Judge:
    """A trained model, and rows of a split with their texts and classes."""

    def __init__(self, setting: Setting, split: str, rows: Dataset) -> None:
        self.setting = setting
        self._rows = rows.__getitems__(list(range(len(rows))))
        self.ids = [row["_id"] for row in self._rows]
        texts = Texts(setting, split)
        self.texts = texts.at(texts.places_of(rows))
        self.truth = [int(setting.plan.trainer.batch([row])["labels"][0]) for row in self._rows]

    def name_of(self, number: int) -> str:
        """A class as a person reads it."""
        names = getattr(self.setting.model.config, "id2label", None) or {}
        return str(names.get(number, number))

    def ask(self, numbers: list[int], texts: list[str]) -> list[Said]:
        """What the model says of texts in the place of those of the rows with these numbers."""
        trainer = self.setting.plan.trainer
        encoded = trainer.encode(texts)
        order = sorted(range(len(texts)), key=lambda place: len(encoded[place]))  # the less is padded, the faster
        said: dict[int, Said] = {}
        for start in range(0, len(order), trainer.batch_size):
            places = order[start : start + trainer.batch_size]
            rows = [
                self._rows[numbers[place]] | {"input_ids": encoded[place], "length": len(encoded[place])}
                for place in places
            ]
            truth = [self.truth[numbers[place]] for place in places]
            said |= zip(places, self._say(trainer.batch(rows), truth), strict=True)
        return [said[place] for place in range(len(texts))]

    def _say(self, batch: dict[str, Any], truth: list[int]) -> list[Said]:
        model = self.setting.model
        device = next(model.parameters()).device
        batch = {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in batch.items()}
        model.eval()
        with torch.inference_mode(), self.setting.autocast():
            logits = forward(model, batch).logits.float().cpu()
        predicted = logits.argmax(-1).tolist()
        own = logits.gather(1, torch.tensor(truth).unsqueeze(1))
        best_other = logits.scatter(1, torch.tensor(truth).unsqueeze(1), -torch.inf).amax(1, keepdim=True)
        margins = (own - best_other).squeeze(1).tolist()
        return [Said(p, m, p == t) for p, m, t in zip(predicted, margins, truth, strict=True)]
