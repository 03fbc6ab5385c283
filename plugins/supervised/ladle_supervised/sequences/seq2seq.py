"""Making a text of a text: translating, summarising, rewriting."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ladle import OptionError

from .options import TextToText

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from datasets import Dataset
    from torch.utils.data import Sampler
    from transformers import PreTrainedTokenizerBase

    from ladle.training import Measured, Terms

    from ..supervised import Notes
    from .tokens import PairTokens

_SAMPLES = 12  # texts to read, from the best to the worst


class SequenceToSequence(TextToText):
    """Make a text of a text (translate, summarise, rewrite), with any Hugging Face encoder with a decoder.

    T5, BART, mBART, Marian, NLLB and their kin. Every layer is trained unless a technique says otherwise. Texts are
    tokenised once and kept in the store; batches hold texts of like length. How a model writes, its own settings
    decide (generation_config.json), but for chance, which is left out, and lengths, which are those it learnt from.
    Label smoothing is that of Szegedy et al. (2016).
    """

    offers = frozenset({"items", "embeddings", "tokens", "texts"})

    # The model

    @functools.cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        from .start import tokenizer_with

        return tokenizer_with(self.setting.start, self.source_language, self.target_language)

    @functools.cached_property
    def _tokens(self) -> PairTokens:
        from .generation import end_of_text
        from .tokens import PairTokens

        return PairTokens(self._tokenizer, self.prefix, end_of_text(self.setting.model, self._tokenizer))

    def build(self) -> torch.nn.Module:
        from .generation import settle
        from .start import encoder_decoder_from, train_all_layers

        model = self.setting.model = encoder_decoder_from(self.setting.start, self._tokenizer)
        if train_all_layers(model):
            self.setting.notes["layers left out by chance"] = "none, though the model's own settings say so"
        settle(model, self._tokens.targets([""], 2)[0][0], self._tokens.end, self.beams, self.length_penalty)
        return model

    def save(self, model: torch.nn.Module, folder: Path) -> None:
        model.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)

    # Rows

    def numbers(self, targets: pa.Array) -> pa.Array:
        """The targets themselves; null for one that is empty."""
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = targets.cast(pa.string())
        return pc.if_else(pc.equal(pc.utf8_trim_whitespace(texts), ""), None, texts)

    def dataset(self, split: str) -> Dataset:
        """`input_ids`, `length` (tokens on both sides), and where there are targets `labels` and `label`, their text.

        Rows of held-out splits say whether a text `generates` for them; these count as longer than all others, so that
        they are together in batches.
        """
        import numpy as np

        limits = self._limits()
        languages = [self.source_language, self.target_language]
        parts = {"column": self.column, "prefix": self.prefix, "languages": languages, "limits": limits}
        prepare = functools.partial(self._tokenise, split=split, limits=limits)
        rows = self.prepared(split, "tokenising", parts, prepare)
        if split == "train":
            self._prepare_generating(rows)
        elif self.generated_rows and "labels" in rows.column_names:
            lengths = rows.with_format("numpy")["length"][:]
            chosen = _some_of(len(rows), self.generated_rows)
            rows = rows.add_column("generates", chosen).remove_columns("length")
            rows = rows.add_column("length", np.where(chosen, lengths + lengths.max(), lengths))
        return rows

    def _limits(self) -> tuple[int, int]:
        """How many tokens are read and written at most."""
        positions = getattr(self.setting.model.config, "max_decoder_position_embeddings", None)
        return self._limit("max_length"), self._limit("max_target_length", positions)

    def _limit(self, option: str, stated: int | None = None) -> int:
        from ladle.training import token_limit

        try:
            return token_limit(self.setting.model, self._tokenizer, getattr(self, option), stated)
        except OptionError as error:
            error.option = option
            raise

    def _tokenise(
        self, batch: pa.RecordBatch, notes: Notes, split: str, limits: tuple[int, int]
    ) -> dict[str, pa.Array]:
        """The tokens of each pair of texts, or of the texts to read alone."""
        import pyarrow as pa

        texts = batch[self.column].cast(pa.string()).fill_null("").to_pylist()
        notes[f"{split} rows without `{self.column}`, read as an empty text"] += batch[self.column].null_count
        found = {"input_ids": self._tokens.sources(texts, limits[0])}
        notes[f"{split} texts cut after {limits[0]} tokens"] += found["input_ids"].cut
        if self.target in batch.schema.names:
            targets = batch[self.target].cast(pa.string()).to_pylist()
            found["labels"] = self._tokens.targets(targets, limits[1])
            notes[f"{split} targets cut after {limits[1]} tokens"] += found["labels"].cut
            if not self._tokens.ends_by_itself:
                end = self._tokenizer.convert_ids_to_tokens(self._tokens.end)
                notes[f"{split} targets that the tokeniser did not end: `{end}` was put after them"] += len(targets)
        sizes = [sum(map(len, sides)) for sides in zip(*(side.ids for side in found.values()), strict=True)]
        columns = {name: pa.array(side.ids, pa.list_(pa.int32())) for name, side in found.items()}
        return columns | {"length": pa.array(sizes, pa.int32())}

    def _prepare_generating(self, train: Dataset) -> None:
        """What has to be known, or to be there, to generate texts: told before the training rather than after it."""
        import pyarrow.compute as pc

        from .generation import settle_lengths
        from .overlap import check_tokenizer

        check_tokenizer(self.bleu_tokenizer)
        self._limit("max_new_tokens")
        lengths = pc.min_max(pc.list_value_length(train.data.column("labels"))).as_py()
        settle_lengths(self.setting.model, lengths["min"], lengths["max"], self.max_new_tokens)

    def encode(self, texts: list[str]) -> list[list[int]]:
        return self._tokens.sources(texts, self._limits()[0]).ids

    def sampler(self, dataset: Dataset) -> Sampler[list[int]]:
        from ladle.training import shuffled

        return shuffled(dataset, self.batch_size, self.setting.seed)

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`input_ids` [rows, longest] with a mask if anything is padded, and where there are targets their tokens.

        These are `labels` [rows, longest target], padded with -100, and `decoder_input_ids`, the same shifted.
        """
        import torch

        from ..tokenised import padded
        from .start import NO_LABEL, shifted

        lengths = torch.tensor([len(row["input_ids"]) for row in rows])
        counts = {"rows": torch.tensor(len(rows)), "tokens": lengths.sum()}
        batch = {"input_ids": padded(rows, "input_ids", self._tokenizer.pad_token_id), "counts": counts}
        if lengths.min() < (longest := lengths.max()):
            batch["attention_mask"] = (torch.arange(longest) < lengths.unsqueeze(1)).long()
        if "labels" in rows[0]:
            labels = padded(rows, "labels", NO_LABEL)
            batch |= {"labels": labels, "decoder_input_ids": shifted(self.setting.model, labels)}
            written = (labels != NO_LABEL).sum()
            counts |= {"labels": written, "tokens": counts["tokens"] + written}
        if "generates" in rows[0]:
            batch["generates"] = torch.tensor([row["generates"] for row in rows])
        return batch

    # Training and measuring

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        import torch.nn.functional as F  # noqa: N812

        from ladle.training import Term, forward

        from .start import NO_LABEL

        there = batch["labels"] != NO_LABEL
        logits = forward(model, batch, use_cache=False).logits[there].float()
        values = F.cross_entropy(logits, batch["labels"][there], reduction="none", label_smoothing=self.label_smoothing)
        return {"cross-entropy": Term(values, per="labels")}

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """`losses` of the targets' tokens (sums) and how many these `tokens` are, both [rows]; `generated` tokens.

        The latter are [rows, length], to the end of each text, then -100: for rows to predict, and for those of
        held-out splits that were chosen, unless an epoch is measured only to choose by its loss.
        """
        import torch
        import torch.nn.functional as F  # noqa: N812

        from ladle.training import forward

        from .generation import generated
        from .start import NO_LABEL

        if "labels" not in batch:
            return {"generated": generated(model, batch, torch.ones_like(batch["input_ids"][:, 0], dtype=torch.bool))}
        logits = forward(model, batch, use_cache=False).logits.float()
        values = F.cross_entropy(logits.transpose(1, 2), batch["labels"], reduction="none", ignore_index=NO_LABEL)
        found = {"losses": values.sum(1), "tokens": (batch["labels"] != NO_LABEL).sum(1)}
        only_chooses = self.setting.is_training and self.choose_by == "loss"
        if "generates" in batch and not only_chooses:
            found["generated"] = generated(model, batch, batch["generates"])
        return found

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        from .perplexity import measure_tokens

        measured = measure_tokens(outputs["losses"], outputs["tokens"])
        if "generated" in outputs:
            self._measure_texts(measured, outputs["generated"], dataset)
        return measured

    def _measure_texts(self, measured: Measured, generated: np.ndarray, dataset: Dataset) -> None:
        """Add what the texts are worth that were `generated` [rows, length] for some of the rows."""
        import numpy as np

        from ..measures import MISTAKES
        from .generation import ends
        from .overlap import Overlap

        places = _generating(dataset)
        texts, references = self._read(generated[places]), dataset.select(places)["label"][:]
        overlap = Overlap(texts, references, self.bleu_tokenizer)
        ended = np.isin(generated[places], ends(self.setting.model)).any(1)
        measured.metrics |= {**overlap.scores, "unfinished": float(1 - ended.mean()), "generated_rows": len(places)}
        measured.intervals |= overlap.intervals
        chrf = overlap.of_each()
        said = [
            {"truth": reference, "predicted": text, "chrf": float(value)}
            for reference, text, value in zip(references, texts, chrf, strict=True)
        ]
        worst_first = np.argsort(chrf, kind="stable")
        worst = [at for at in worst_first if texts[at] != references[at]][:MISTAKES]
        measured.mistakes = self.with_rows([said[at] for at in worst], dataset, places[worst].tolist())
        spread = worst_first[np.linspace(len(places) - 1, 0, min(_SAMPLES, len(places))).astype(int)]
        sources = self._sources(dataset.select(places[spread]))
        samples = [{"source": source, **said[at]} for source, at in zip(sources, spread, strict=True)]
        measured.tables |= {"signatures": overlap.signatures, "samples": samples}

    def baseline(self, train: Dataset, test: Dataset) -> dict[str, float]:
        """BLEU and chrF of copying what was read."""
        from .overlap import Overlap

        if not self.generated_rows:
            return {}
        chosen = test.select(_generating(test))
        return Overlap(self._sources(chosen), chosen["label"][:], self.bleu_tokenizer).scores

    def _sources(self, rows: Dataset) -> list[str]:
        """The texts to read of these rows."""
        ids = rows["_id"][:]
        found = self.rows_of(ids, [self.column])
        return [found[id_][self.column] or "" for id_ in ids]

    def present(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"text": text} for text in self._read(outputs["generated"])]

    def _read(self, generated: np.ndarray) -> list[str]:
        """The texts that tokens [rows, length] stand for."""
        from .start import NO_LABEL

        ids = [row[row != NO_LABEL].tolist() for row in generated]
        return [text.strip() for text in self._tokenizer.batch_decode(ids, skip_special_tokens=True)]


def _some_of(rows: int, most: int) -> np.ndarray:
    """Which of so many rows are chosen, [rows]: all, or `most` of them by chance, the same every time."""
    import numpy as np

    chosen = np.zeros(rows, bool)
    chosen[np.random.default_rng(0).permutation(rows)[:most]] = True
    return chosen


def _generating(dataset: Dataset) -> np.ndarray:
    """The places of the rows that texts are generated for."""
    import numpy as np

    return np.flatnonzero(dataset.with_format("numpy")["generates"][:])
