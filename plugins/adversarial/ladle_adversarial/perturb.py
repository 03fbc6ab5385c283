"""Training on texts that attacks have changed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, PrivateAttr

from ladle import Technique, Uses, Usual

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

PLACE = "perturb_place"  # the column that tells where a row's text is


class Perturb(Technique):
    """Train on texts that attacks have changed: a random part of the rows, changed anew in every epoch.

    Each changed row is attacked by one of `attacks`, as hard as its bounds allow; it keeps its label.
    """

    needs = frozenset({"texts", "tokens"})

    attacks: Annotated[list[Any], Uses("attack", "list")] = Field(
        min_length=1, description="What changes texts: each changed row is changed by one of them."
    )
    share: Annotated[float, Usual(0.01, 1)] = Field(
        default=0.3, gt=0, le=1, description="Share of the rows that are changed."
    )
    add: bool = Field(
        default=False, description="Whether changed rows come beside the rows as they are, not in their place."
    )

    _prepared: Any = PrivateAttr(default=())
    _texts: Any = PrivateAttr(default=None)

    def model(self, inner: Any) -> torch.nn.Module:
        model = inner()
        self._prepared = [attack.prepared(model, self.setting.start) for attack in self.attacks]
        return model

    def dataset(self, inner: Any, split: str) -> Dataset:
        from .texts import Texts

        rows = inner(split)
        self._texts = Texts(self.setting, split)
        return rows.add_column(PLACE, self._texts.places_of(rows))

    def batch(self, inner: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
        drawn = [number for number, row in enumerate(rows) if random.random() < self.share and row[PLACE] >= 0]
        texts = self._texts.at([rows[number][PLACE] for number in drawn])
        changed = [random.choice(self._prepared).random_change(text, random).text for text in texts]
        rows = list(rows)
        for number, tokens in zip(drawn, self.setting.plan.trainer.encode(changed), strict=True):
            row = rows[number] | {"input_ids": tokens, "length": len(tokens)}
            if self.add:
                rows.append(row)
            else:
                rows[number] = row
        return inner(rows)
