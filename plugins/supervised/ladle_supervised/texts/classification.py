"""Classes of texts, and what all trainers share that say one thing of a text."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ladle import Reads
from ladle.tokens import token_doubts

from ..labels import Classification
from ..supervised import Notes
from ..tokenised import Tokenised

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from datasets import Dataset

    from ladle import OptionError, Sample


class Texts(Tokenised):
    """What trainers share whose rows have one text: its tokens, and a head that pools them."""

    column: Annotated[str, Reads("text")] = Field(default="text", description="The column with the texts.")
    head: Literal["auto", "mean", "first", "own"] = Field(
        default="auto",
        description="What the answer is computed from: the mean of the token states, the first one, or as the "
        "model's own architecture does it. `auto` pools as a sentence encoder says of itself, else `own`.",
    )

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        yield from super().doubts(sample)
        if self.start_folder:
            yield from token_doubts(sample, self.column, self.start_folder, self.max_length)

    def dataset(self, split: str) -> Dataset:
        prepare = functools.partial(self._tokenise, split=split)
        return self.prepared(split, "tokenising", {"column": self.column, "limit": self.limit}, prepare)

    def _tokenise(self, batch: pa.RecordBatch, notes: Notes, split: str) -> dict[str, pa.Array]:
        """The tokens of each text, at most `limit`, and how many these are."""
        import pyarrow as pa

        texts = batch[self.column].cast(pa.string()).fill_null("").to_pylist()
        encoded = self._encode(texts)
        notes[f"{split} rows without `{self.column}`, read as an empty text"] += batch[self.column].null_count
        notes[f"{split} texts cut after {self.limit} tokens"] += sum(is_cut for _, is_cut in encoded)
        ids = [tokens for tokens, _ in encoded]
        return {"input_ids": pa.array(ids, pa.list_(pa.int32())), "length": pa.array(map(len, ids), pa.int32())}

    def encode(self, texts: list[str]) -> list[list[int]]:
        return [tokens for tokens, _ in self._encode(texts)]

    def _encode(self, texts: list[str]) -> list[tuple[list[int], bool]]:
        """The tokens of each text, at least one (no model reads a text of none), and whether it was cut."""
        encoded = self.tokenizer(texts, truncation=True, max_length=self.limit).encodings if texts else []
        return [(text.ids or [self.tokenizer.pad_token_id], bool(text.overflowing)) for text in encoded]


class TextClassification(Texts, Classification):
    """Put texts into classes, with any Hugging Face encoder, or a decoder.

    Every layer is trained unless a technique says otherwise. Texts are tokenised once and kept in the store;
    batches hold texts of like length.
    """

    offers = frozenset({"items", "labels", "embeddings", "tokens", "texts", "layers"})

    def known_labels(self) -> list[str]:
        from ..heads import labels_of

        return labels_of(self.setting.start)

    def build(self) -> torch.nn.Module:
        from .start import classifier_from

        return classifier_from(self.setting.start, self.labels, self.head, self.tokenizer.pad_token_id)
