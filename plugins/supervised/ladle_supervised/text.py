"""Putting texts into classes."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ladle import ModelChoice, Reads

from .labels import Classification

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from torch.utils.data import Sampler
    from transformers import PreTrainedTokenizerBase


class TextClassification(Classification):
    """Put texts into classes, with any Hugging Face encoder.

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
    head_learning_rate: float | None = Field(
        default=None, gt=0, description="Learning rate of the head, which starts from nothing; as the rest if left out."
    )
    max_length: int | None = Field(
        default=None, gt=2, description="Tokens after which a text is cut; as long as the model allows if left out."
    )

    @functools.cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.setting.start, trust_remote_code=False, local_files_only=True)

    def model(self) -> torch.nn.Module:
        from .text_start import classifier_from

        return classifier_from(self.setting.start, self.labels, self.head)

    def dataset(self, split: str) -> Dataset:
        from ladle.training.setting import open_dataset, rows_of_split

        has_target = self.target in self.setting.data.columns
        parts = {"column": self.column, "target": self.target if has_target else None, "longest": self._longest}
        tokens = self.setting.keep("tokens", parts, functools.partial(self._tokenise, has_target=has_target))
        rows = rows_of_split(open_dataset([tokens / "tokens.arrow"]), split)
        if cut := sum(length == self._longest for length in rows["length"]):
            self.setting.notes[f"{split} texts of {self._longest} tokens, the rest of which is cut"] = cut
        return self.with_labels(rows, split) if has_target else rows

    @property
    def _longest(self) -> int:
        """The most tokens that the model can read, or shall."""
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(self.setting.start)
        config = getattr(config, "encoder", config)
        own = min(self._tokenizer.model_max_length, getattr(config, "max_position_embeddings", 1 << 30))
        return min(own, self.max_length or own)

    def _tokenise(self, folder: Path, has_target: bool) -> None:
        """Write the tokens of all texts, with what a reader wants to see of the rows, to an Arrow file."""
        import pyarrow as pa

        names = [self.column, self.target] if has_target else [self.column]
        data = self.setting.data
        schema = pa.schema(
            [(name, data.schema.field(name).type) for name in ("_id", "_split", *names)]
            + [("input_ids", pa.list_(pa.int32())), ("length", pa.int32())]
        )
        total = sum(self.setting.splits.values())
        with (
            self.setting.progress("tokenising", total) as done,
            pa.ipc.new_stream(folder / "tokens.arrow", schema) as out,
        ):
            for batch in data.whole_batches():
                texts = ["" if text is None else text for text in batch[self.column].to_pylist()]
                ids = self._tokenizer(texts, truncation=True, max_length=self._longest)["input_ids"]
                arrays = [batch[name] for name in ("_id", "_split", *names)]
                arrays += [pa.array(ids, pa.list_(pa.int32())), pa.array(map(len, ids), pa.int32())]
                out.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
                done(batch.num_rows)

    def sampler(self, dataset: Dataset) -> Sampler[list[int]]:
        from ladle.training import shuffled

        return shuffled(dataset, self.batch_size, self.setting.seed)

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`input_ids` [rows, longest], a mask if anything is padded, and labels [rows]."""
        import torch

        lengths = torch.tensor([len(row["input_ids"]) for row in rows])
        longest = int(lengths.max())
        padding = self._tokenizer.pad_token_id or 0
        ids = [row["input_ids"] + [padding] * (longest - len(row["input_ids"])) for row in rows]
        batch = {"input_ids": torch.tensor(ids)} | self.label_batch(rows)
        if int(lengths.min()) < longest:
            batch["attention_mask"] = (torch.arange(longest) < lengths.unsqueeze(1)).long()
        batch["counts"]["tokens"] = lengths.sum()
        return batch

    def parameters(self, model: torch.nn.Module) -> list[dict[str, Any]]:
        from ladle.training import decay_groups

        rates = {"classifier": self.head_learning_rate} if self.head_learning_rate else None
        return decay_groups(model, self.weight_decay, rates)

    def save(self, model: torch.nn.Module, folder: Path) -> None:
        model.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)
