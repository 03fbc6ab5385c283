"""What language models share: documents as rows of tokens, laid out in sequences, and how predictions are measured."""

from __future__ import annotations

import collections
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from ladle import ModelChoice, OptionError, Reads, Sample, Trainer, Usual
from ladle.tokens import token_doubts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from datasets import Dataset
    from tokenizers import Encoding
    from torch.utils.data import Sampler
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ladle.training import Layout, Measured, Terms

    from .heads import VocabularyHead

Notes = collections.Counter[str]
"""What happened to documents, and to how many."""

UNLABELLED = -100
PREDICT = "predict"  # the split of rows to predict


class LanguageModel(Trainer):
    """A trainer that learns from texts alone, by predicting some of their tokens from others."""

    offers = frozenset({"items", "embeddings", "tokens", "layers"})

    is_causal: ClassVar[bool]
    usual_length: ClassVar[int]
    """Tokens of a sequence where a recipe does not say, and the model allows as many."""
    accuracy: ClassVar[str]
    """What the share of tokens predicted is called."""

    start: ModelChoice = Field(alias="model", description="The model to start from; its head may be missing.")
    column: Annotated[str, Reads("text")] = Field(default="text", description="The column with the texts.")
    packing: Literal["auto", "off"] = Field(
        default="auto",
        description="Lay several documents out in one sequence if the model keeps them exactly apart, which is tried; "
        "otherwise batches hold documents of like length.",
    )
    batch_size: Annotated[int, Usual(1, 2048, why_high="memory is likely to run out")] = Field(
        default=32,
        gt=0,
        description="Sequences of `max_length` tokens in a batch, on each device: it holds as many documents as find "
        "room in them.",
    )
    choose_by: Literal["loss"] = Field(
        default="loss", description="Validation metric that chooses the best epoch, whose model is kept."
    )

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        if self.start.location and (folder := self.start.location.folder):
            yield from token_doubts(Sample(), self.column, folder, self.max_length)  # nothing is cut off here

    # Model and rows

    @functools.cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        from ladle.training import tokenizer_from

        return tokenizer_from(self.setting.start)

    def loaded(self) -> tuple[PreTrainedModel, list[str]]:
        """The model in the folder to start from, and the names of weights of its head that are new."""
        raise NotImplementedError

    def model(self) -> torch.nn.Module:
        from ladle.training import check_tokenizer

        model, new = self.loaded()
        check_tokenizer(model, self.tokenizer)
        if new:
            self.setting.notes["tables of weights of the head that are new"] = len(new)
        return model

    @functools.cached_property
    def limit(self) -> int:
        """Tokens of a sequence, and of a row at most."""
        from ladle.training import token_limit

        limit = token_limit(self.setting.model, self.tokenizer, self.max_length)
        return limit if self.max_length else min(limit, self.usual_length)

    def dataset(self, split: str) -> Dataset:
        """Rows of `_id`, `input_ids` and `length`, with what each trainer adds: a long document is several rows.

        Raises OptionError if no document of the split has anything to predict.
        """
        from datasets import Dataset

        parts = {"column": self.column, "limit": self.limit, "split": split, **self.parts(split)}
        folder = self.setting.keep("tokens", parts, functools.partial(self._write, split=split))
        self.setting.notes |= json.loads((folder / "notes.json").read_text())
        rows = Dataset.from_file(str(folder / "rows.arrow"))
        if split == "train":
            self._tell_of_layout(rows)
            assert self.head  # is tried while the model is as it was loaded
        return rows

    def parts(self, split: str) -> dict[str, Any]:
        """What else, of the options, decides how the rows of a split look."""
        return {}

    def rows_of(self, text: str, encoding: Encoding, split: str) -> Iterator[dict[str, Any]]:
        """The rows of one document, without `_id` and `length`; none if it has nothing to predict."""
        raise NotImplementedError

    def encoded(self, texts: list[str]) -> list[Encoding]:
        """The tokens of texts with those that the tokeniser puts around them."""
        return self.tokenizer(texts, verbose=False).encodings if texts else []

    def _write(self, folder: Path, split: str) -> None:
        import pyarrow as pa

        notes = Notes()
        out = None
        with self.setting.progress(f"tokenising ({split})", self.setting.splits[split]) as done:
            for batch in self.setting.data.of_split(split).batches("arrow"):
                if found := self._rows(batch, split, notes):
                    schema = _schema(found[0])
                    out = out or pa.ipc.new_stream(folder / "rows.arrow", schema)
                    out.write_batch(pa.RecordBatch.from_pylist(found, schema))
                done(batch.num_rows)
        if out is None:
            raise OptionError(
                f"no text of the {split} split has tokens to learn from",
                option="column",
                help="look at the split, and at how the column is filled",
            )
        out.close()
        (folder / "notes.json").write_text(json.dumps(+notes))

    def _rows(self, batch: pa.RecordBatch, split: str, notes: Notes) -> list[dict[str, Any]]:
        import pyarrow as pa

        texts = batch[self.column].cast(pa.string()).fill_null("").to_pylist()
        found: list[dict[str, Any]] = []
        for id_, text, encoding in zip(batch["_id"].to_pylist(), texts, self.encoded(texts), strict=True):
            rows = list(self.rows_of(text, encoding, split))
            found += [{"_id": id_, "length": len(row["input_ids"]), **row} for row in rows]
            notes[f"{split} documents left out, with nothing to predict"] += not rows
            notes[f"{split} documents longer than {self.limit} tokens, in several rows"] += len(rows) > 1
        return found

    # Rows in batches

    @functools.cached_property
    def layout(self) -> Layout:
        """How rows are laid out in sequences."""
        from ladle.training import Layout, layout_for

        if self.packing == "off" or self._states_are_kept():
            return Layout(self.limit, self.is_causal)
        return layout_for(self.setting.model, self.limit, self.is_causal)

    def _states_are_kept(self) -> bool:
        """Whether a technique keeps what layers say of each row, as it stands in a sequence of its own."""
        return any("tokens" in technique.takes() for technique in self.setting.plan.techniques)

    def _tell_of_layout(self, rows: Dataset) -> None:
        if self.layout.separation:
            sequences = len(self.sampler(rows).packs)
            full = sum(rows.with_format("numpy")["length"][:]) / sequences / self.limit
            told = f"{len(rows):,} rows fit into {sequences:,} sequences of {self.limit} tokens, {full:.0%} full"
        else:
            told = f"none: batches of at most {self.batch_size * self.limit:,} tokens hold rows of like length"
        self.setting.notes["packing"] = told

    def sampler(self, dataset: Dataset) -> Sampler[list[int]]:
        lengths = dataset.with_format("numpy")["length"][:]
        return self.layout.sampler(lengths, self.batch_size, self.setting.seed)

    # Loss and measures

    @functools.cached_property
    def head(self) -> VocabularyHead:
        from .heads import VocabularyHead

        return VocabularyHead(self.setting.model)

    def places(self, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Where of [sequences, length] logits are compared with labels, and where these stand, in the same order."""
        raise NotImplementedError

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        from ladle.training import Term

        from .losses import nats

        said, wanted = self.places(batch["labels"])
        values = self.head.each(model, batch, said, batch["labels"][wanted], nats)
        return {"cross-entropy": Term(values, per="labels")}

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Of each row the sum of its tokens' `nats`, how many `tokens` were to be predicted, how many were `hits`."""
        from .losses import nats_and_hits

        said, wanted = self.places(batch["labels"])
        found = self.head.each(model, batch, said, batch["labels"][wanted], nats_and_hits)
        sums = found.new_zeros(int(batch["counts"]["rows"]), 3)
        sums.index_add_(0, batch["segments"][wanted], found)
        return dict(zip(("nats", "hits", "tokens"), sums.unbind(1), strict=True))

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        from .measures import Told, measure_tokens

        told = Told(outputs["nats"], outputs["hits"], outputs["tokens"], self.bytes_of(dataset))
        return measure_tokens(told, dataset["_id"][:], self.accuracy)

    def baseline(self, train: Dataset, test: Dataset) -> dict[str, float]:
        """What guessing each token by its share of the train split would be worth."""
        import numpy as np

        from .measures import measure_unigram

        counts = np.zeros(self.head.vocabulary, np.int64)
        for tokens in self.wanted(train):
            counts += np.bincount(tokens, minlength=len(counts))
        wanted = np.concatenate(list(self.wanted(test)))
        text = self.bytes_of(test)
        return measure_unigram(counts, wanted, self.accuracy, None if text is None else int(text.sum()))

    def wanted(self, rows: Dataset) -> Iterator[np.ndarray]:
        """The tokens to be predicted in these rows, a part after the other."""
        raise NotImplementedError

    def bytes_of(self, rows: Dataset) -> np.ndarray | None:
        """How many bytes of text the tokens to be predicted in each row stand for; None where that says little."""
        return None

    def save(self, model: torch.nn.Module, folder: Path) -> None:
        model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def _schema(row: dict[str, Any]) -> pa.Schema:
    """The types of rows: text, whole numbers, and lists of these."""
    import pyarrow as pa

    types = {str: pa.string(), int: pa.int32(), list: pa.list_(pa.int32())}
    return pa.schema([(name, types[type(value)]) for name, value in row.items()])
