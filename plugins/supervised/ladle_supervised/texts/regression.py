"""Numbers of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..regression import Regression, Scale
from .classification import Texts

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

    from ladle.training import Measured


class TextRegression(Texts, Regression):
    """Predict a number from a text, with any Hugging Face encoder, or a decoder.

    The target is standardised in training; what is predicted and measured is in its own unit. A model that gives a
    number already keeps its head and its scale.
    """

    offers = frozenset({"items", "embeddings", "tokens", "texts", "layers"})

    def known_scale(self) -> Scale | None:
        from .start import scale_of

        known = scale_of(self.setting.start)
        return Scale(*known) if known else None

    def build(self) -> torch.nn.Module:
        from ..heads import names_of
        from .start import regressor_from

        about = names_of([self.target]) | self.scale._asdict()
        return regressor_from(self.setting.start, self.head, self.tokenizer.pad_token_id, about)

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        from ..measures import with_correlations

        truth = dataset.with_format("numpy")["label"][:]
        return with_correlations(super().measure(outputs, dataset), outputs["numbers"], truth)
