"""Putting texts into classes."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ladle import ModelChoice, Reads, Usual
from ladle.tokens import token_doubts

from .labels import Classification
from .supervised import Notes

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from datasets import Dataset
    from torch.utils.data import Sampler
    from transformers import PreTrainedTokenizerBase

    from ladle import OptionError, Sample


class TextClassification(Classification):
    """Put texts into classes, with any Hugging Face encoder, or a decoder.

    Every layer is trained unless a technique says otherwise. Texts are tokenised once and kept in the store;
    batches hold texts of like length.
    """

    offers = frozenset({"items", "labels", "embeddings", "tokens", "layers"})

    start: ModelChoice = Field(alias="model", description="The encoder to start from.")
    column: Annotated[str, Reads("text")] = Field(default="text", description="The column with the texts.")
    head: Literal["auto", "mean", "first", "own"] = Field(
        default="auto",
        description="What the classes are computed from: the mean of the token states, the first one, or as the "
        "model's own architecture does it. `auto` pools as a sentence encoder says of itself, else `own`.",
    )
    head_learning_rate: Annotated[
        float | None, Usual(2e-6, 0.03, "a new head hardly learns at such a rate", "training is likely to diverge")
    ] = Field(
        default=None, gt=0, description="Learning rate of the head, which starts from nothing; as the rest if left out."
    )
    max_length: Annotated[int | None, Usual(8, 131_072)] = Field(
        default=None, gt=2, description="Tokens after which a text is cut; as long as the model allows if left out."
    )

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        yield from super().doubts(sample)
        if self.start.location and (folder := self.start.location.folder):
            yield from token_doubts(sample, self.column, folder, self.max_length)

    @functools.cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        from ladle.training import tokenizer_from

        return tokenizer_from(self.setting.start)

    def known_labels(self) -> list[str]:
        from .text_start import labels_of

        return labels_of(self.setting.start)

    def build(self) -> torch.nn.Module:
        from .text_start import classifier_from

        return classifier_from(self.setting.start, self.labels, self.head, self._tokenizer.pad_token_id)

    def dataset(self, split: str) -> Dataset:
        from ladle.training import token_limit

        limit = token_limit(self.setting.model, self._tokenizer, self.max_length)
        prepare = functools.partial(self._tokenise, split=split, limit=limit)
        return self.prepared(split, "tokenising", {"column": self.column, "limit": limit}, prepare)

    def _tokenise(self, batch: pa.RecordBatch, notes: Notes, split: str, limit: int) -> dict[str, pa.Array]:
        """The tokens of each text, at most `limit`, and how many these are."""
        import pyarrow as pa

        texts = batch[self.column].cast(pa.string()).fill_null("").to_pylist()
        notes[f"{split} rows without `{self.column}`, read as an empty text"] += batch[self.column].null_count
        encoded = self._tokenizer(texts, truncation=True, max_length=limit).encodings if texts else []
        notes[f"{split} texts cut after {limit} tokens"] += sum(bool(text.overflowing) for text in encoded)
        ids = [text.ids or [self._tokenizer.pad_token_id] for text in encoded]  # no model reads a text of no tokens
        return {"input_ids": pa.array(ids, pa.list_(pa.int32())), "length": pa.array(map(len, ids), pa.int32())}

    def sampler(self, dataset: Dataset) -> Sampler[list[int]]:
        from ladle.training import shuffled

        return shuffled(dataset, self.batch_size, self.setting.seed)

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`input_ids` [rows, longest], a mask if anything is padded, and labels [rows]."""
        import torch

        lengths = torch.tensor([len(row["input_ids"]) for row in rows])
        longest = int(lengths.max())
        ids = [row["input_ids"] + [self._tokenizer.pad_token_id] * (longest - len(row["input_ids"])) for row in rows]
        batch = {"input_ids": torch.tensor(ids)} | self.label_batch(rows)
        if int(lengths.min()) < longest:
            batch["attention_mask"] = (torch.arange(longest) < lengths.unsqueeze(1)).long()
        batch["counts"]["tokens"] = lengths.sum()
        return batch

    def parameters(self, model: torch.nn.Module) -> list[dict[str, Any]]:
        from ladle.training import decay_groups

        rates = {}
        if self.head_learning_rate:
            head = [name for name, _ in model.named_children() if name != model.base_model_prefix]
            rates = {f"{name}.": self.head_learning_rate for name in head}
        return decay_groups(model, self.weight_decay, rates)

    def save(self, model: torch.nn.Module, folder: Path) -> None:
        model.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)
