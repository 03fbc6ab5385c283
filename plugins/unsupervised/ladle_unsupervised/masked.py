"""Learning to fill in tokens that are hidden."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from ladle import OptionError, Usual

from .language_model import PREDICT, UNLABELLED, LanguageModel

if TYPE_CHECKING:
    import numpy as np
    import torch
    from datasets import Dataset
    from tokenizers import Encoding
    from transformers import PreTrainedModel

    from ladle import Technique

    from .masking import Masking

_MASK = "[MASK]"  # in texts to be filled in, whatever a tokeniser calls it
_CHOICES = 5  # tokens that are told of each place, the likeliest first
_MORE_THAN_WORDS = 2**32  # in a row


class MaskedLanguageModel(LanguageModel):
    """Learn to fill in hidden tokens of a text from those around them, with any Hugging Face encoder.

    What is hidden is drawn anew each time that a text is seen in training; in texts that the model is measured on it is
    always the same (Devlin et al. 2019). The model's head runs on the hidden places only. A text that is longer than a
    sequence is cut into pieces; texts that stand in one sequence do not see each other.
    """

    is_causal = False
    usual_length = 512
    accuracy = "accuracy"

    max_length: Annotated[int | None, Usual(16, 131_072)] = Field(
        default=None,
        gt=2,
        description="Tokens of a sequence; 512, or as many as the model allows if these are fewer, if left out.",
    )
    share: Annotated[float, Usual(0.05, 0.6)] = Field(
        default=0.15, ge=0.01, le=1, description="Share of the tokens that are hidden."
    )
    kept: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of the hidden tokens that stay as they are, and are predicted still.",
    )
    changed: float = Field(
        default=0.1, ge=0, le=1, description="Share of the hidden tokens in whose place another one stands."
    )
    whole_words: bool = Field(default=False, description="Hide all tokens of a word together, or none of them.")
    choose_by: Literal["loss", "accuracy"] = Field(
        default="loss", description="Validation metric that chooses the best epoch, whose model is kept."
    )

    @model_validator(mode="after")
    def _shares_of_one(self) -> MaskedLanguageModel:
        if self.kept + self.changed > 1:
            message = "`kept` and `changed` are shares of the same tokens: together they are 1 at most"
            raise OptionError(message, option="changed")
        return self

    def loaded(self) -> tuple[PreTrainedModel, list[str]]:
        from .start import masked_model_from

        return masked_model_from(self.setting.start, self.setting.seed)

    def model(self) -> torch.nn.Module:
        model = super().model()
        if self.tokenizer.mask_token_id is None:
            raise OptionError(
                f"the tokeniser in {self.setting.start} has no token that stands for a hidden one",
                option="model",
                help="name an encoder that was made for this, with its tokeniser",
            )
        return model

    # Rows

    def encoded(self, texts: list[str]) -> list[Encoding]:
        given = [text.replace(_MASK, self.tokenizer.mask_token) for text in texts]
        options = {"truncation": True, "max_length": self.limit, "verbose": False}
        return self.tokenizer(given, **options).encodings if texts else []

    def parts(self, split: str) -> dict[str, Any]:
        if split == PREDICT:
            return {}
        drawn = () if split == "train" else ("share", "kept", "changed")
        return {name: getattr(self, name) for name in (*drawn, "whole_words")}

    def check_with(self, technique: Technique) -> None:
        if "tokens" in technique.takes():
            raise OptionError(
                "it keeps what layers say of each row, whose hidden tokens are others each time",
                help="leave it out, or let it keep nothing (`transfer` with reuse = false)",
            )

    def rows_of(self, text: str, encoding: Encoding, split: str) -> Iterator[dict[str, Any]]:
        """Pieces of a text: to train on with the `words` of tokens, if needed; held out with `labels` of hidden ones.

        At prediction the first piece alone, with the places that are `hidden`.
        """
        if split == PREDICT:
            ids = encoding.ids or [self.tokenizer.mask_token_id]
            yield {"input_ids": ids, "hidden": [at for at, token in enumerate(ids) if token == self._masking.mask]}
            return
        for piece in (encoding, *encoding.overflowing):
            words = {"words": [-1 if word is None else word for word in piece.word_ids]} if self.whole_words else {}
            if not self._masking.may_be_hidden(piece.ids).any():
                continue
            yield {"input_ids": piece.ids, **words} if split == "train" else self._masking.fixed(piece.ids, **words)

    @functools.cached_property
    def _masking(self) -> Masking:
        from .masking import Masking

        special = self.tokenizer.all_special_ids
        mask, vocabulary = self.tokenizer.mask_token_id, len(self.tokenizer)
        return Masking(self.share, self.kept, self.changed, mask, special, vocabulary)

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`input_ids` and `labels` [sequences, length], these -100 where nothing is hidden, as the layout has them.

        At prediction there are no labels, and each row is a sequence of its own.
        """
        import torch

        from ladle.training import Layout

        lengths = [len(row["input_ids"]) for row in rows]
        ids = torch.tensor([token for row in rows for token in row["input_ids"]])
        padding = self.tokenizer.pad_token_id
        if "hidden" in rows[0]:
            return Layout(self.limit, is_causal=False)(lengths, input_ids=(ids, padding))
        if "labels" in rows[0]:
            labels = torch.tensor([token for row in rows for token in row["labels"]])
        else:
            ids, labels = self._masking(ids, self._words(rows))
        batch = self.layout(lengths, input_ids=(ids, padding), labels=(labels, UNLABELLED))
        batch["counts"]["labels"] = (labels != UNLABELLED).sum()
        return batch

    def _words(self, rows: list[dict[str, Any]]) -> torch.Tensor | None:
        """Numbers of words, of which no two rows share one."""
        import torch

        if not self.whole_words:
            return None
        words = [[number * _MORE_THAN_WORDS + word for word in row["words"]] for number, row in enumerate(rows)]
        return torch.tensor([word for row in words for word in row])

    def places(self, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A hidden token is told from its own place."""
        hidden = labels != UNLABELLED
        return hidden, hidden

    # Measuring and using the model

    def wanted(self, rows: Dataset) -> Iterator[np.ndarray]:
        is_labelled = "labels" in rows.column_names
        for part in rows.with_format("arrow").iter(10_000):
            ids = part["labels" if is_labelled else "input_ids"].combine_chunks().flatten().to_numpy()
            yield ids[ids != UNLABELLED] if is_labelled else ids[self._masking.may_be_hidden(ids)]

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """As of every language model; at prediction the `tokens` [rows, hidden, choices] and their `shares`."""
        import torch

        if "labels" in batch:
            return super().outputs(model, batch)
        ids = batch["input_ids"]
        hidden = ids == self._masking.mask
        shares, tokens = self.head.at(model, batch, hidden).float().softmax(-1).topk(_CHOICES)
        counts = hidden.sum(1)
        places = torch.arange(int(counts.max()), device=ids.device) < counts.unsqueeze(1)
        found = {
            "shares": shares.new_full((*places.shape, _CHOICES), float("nan")),
            "tokens": tokens.new_full((*places.shape, _CHOICES), UNLABELLED),
        }
        found["shares"][places], found["tokens"][places] = shares, tokens
        return {"input_ids": ids.masked_fill(batch["segments"] < 0, UNLABELLED), **found}

    def present(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        rows = zip(outputs["input_ids"], outputs["tokens"], outputs["shares"], strict=True)
        return [self._filled(*row) for row in rows]

    def _filled(self, ids: np.ndarray, tokens: np.ndarray, shares: np.ndarray) -> dict[str, Any]:
        """A text with the likeliest token in each hidden place, and what is likely there."""
        ids, tokens = ids[ids >= 0], tokens[tokens[:, 0] >= 0]
        ids[ids == self._masking.mask] = tokens[:, 0]
        places = [
            {self.tokenizer.decode(token).strip(): round(share, 4) for token, share in zip(*place, strict=True)}
            for place in zip(tokens.tolist(), shares[: len(tokens)].tolist(), strict=True)
        ]
        return {"text": self.tokenizer.decode(ids.tolist(), skip_special_tokens=True), "hidden": places}
