"""Tags of words: names and other entities, parts of speech."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ladle import OptionError, Reads, Sample
from ladle.tokens import token_doubts

from ..labels import UNLABELLED, Classification
from ..supervised import Notes
from ..tokenised import Tokenised, check_lengths, padded
from .tags import OUTSIDE, are_prefixed, entities
from .words import first_tokens, words_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from datasets import Dataset

    from ladle.training import Measured


class TokenClassification(Tokenised, Classification):
    """Give each word of a text a tag (entities, parts of speech), with any Hugging Face encoder, or a decoder.

    A tag belongs to the first token of its word. Where tags have prefixes (BIO, IOBES, BILOU), whole entities are
    measured and predicted. A list of words is read as the text that they make with spaces between them.
    """

    offers = frozenset({"items", "embeddings", "tokens", "layers"})
    unusable = "that is not one known tag for each word"

    column: Annotated[str, Reads("list", "text")] = Field(
        default="tokens", description="The column with the words: a list, or a text that is split at white space."
    )
    target: Annotated[str, Reads("list")] = Field(
        default="tags", description="The column with a list of tags, one for each word; a row without one is left out."
    )

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        yield from super().doubts(sample)
        pairs = [(words_of(row[self.column]), row[self.target]) for row in sample.rows if self._is_tagged(row)]
        if uneven := sum(len(words.places) != len(tags) for words, tags in pairs):
            yield OptionError(
                f"`{self.target}` has not one tag for each word of `{self.column}` in {uneven} of {sample}",
                option="target",
                help="such rows are left out; look at how the columns are filled",
            )
        if self.start_folder:
            texts = Sample([{self.column: words.text} for words, _ in pairs], sample.is_whole)
            yield from token_doubts(texts, self.column, self.start_folder, self.max_length)

    def _is_tagged(self, row: dict[str, Any]) -> bool:
        return isinstance(row.get(self.column), str | list) and isinstance(row.get(self.target), list)

    def classes_in(self, sample: Sample) -> list[Any]:
        return [tag for tags in sample.values(self.target) for tag in tags if isinstance(tag, str | int)]

    def classes_of(self, targets: pa.ChunkedArray) -> pa.ChunkedArray:
        import pyarrow.compute as pc

        return pc.list_flatten(targets)

    def learn(self) -> dict[str, Any]:
        self._check_lists(self.column, "words")
        self._check_lists(self.target, "tags")
        return super().learn()

    def _check_lists(self, column: str, what: str) -> None:
        """Raises OptionError if a column has lists of something else than texts, or (of tags) whole numbers."""
        from pyarrow import types

        found = self.setting.data.schema.field(column).type
        inner = getattr(found, "value_type", found)
        fits = [types.is_string, types.is_large_string, types.is_null]
        fits += [types.is_integer] if what == "tags" else []
        if not any(fit(inner) for fit in fits):
            raise OptionError(
                f"column `{column}` holds {found}, expected a list of {what}",
                option="target" if what == "tags" else "column",
                help=f"each row has a list of texts, such as {['Ada', 'spoke'] if what == 'words' else ['B-PER', 'O']}",
                code="column-type",
            )

    def known_labels(self) -> list[str]:
        from ..heads import labels_of

        return labels_of(self.setting.start, "TokenClassification")

    def build(self) -> torch.nn.Module:
        from ..heads import model_for, names_of

        folder, padding = self.setting.start, self.tokenizer.pad_token_id
        is_known = self.known_labels() == self.labels
        return model_for("TokenClassification", folder, padding, is_known, names_of(self.labels))

    # Rows

    def numbers(self, targets: pa.Array) -> pa.Array:
        import pyarrow as pa

        known = {label: number for number, label in enumerate(self.labels)}
        found = []
        for tags in targets.to_pylist():
            own = None if tags is None else [UNLABELLED if tag is None else known.get(str(tag)) for tag in tags]
            found.append(None if own is None or None in own else own)
        return pa.array(found, pa.list_(pa.int64()))

    def learnable(self, batch: pa.RecordBatch) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        numbers = super().learnable(batch)
        counts = pa.array([len(words_of(value).places) for value in batch[self.column].to_pylist()], pa.int32())
        return pc.if_else(pc.equal(pc.list_value_length(numbers), counts), numbers, None)

    def dataset(self, split: str) -> Dataset:
        prepare = functools.partial(self._tokenise, split=split)
        return self.prepared(split, "tokenising", {"column": self.column, "limit": self.limit}, prepare)

    def _tokenise(self, batch: pa.RecordBatch, notes: Notes, split: str) -> dict[str, pa.Array]:
        """The tokens of each row, at most `limit`, how many these are, and which is the first of each word."""
        import pyarrow as pa

        rows = [words_of(value) for value in batch[self.column].to_pylist()]
        encoded = self.tokenizer([row.text for row in rows], truncation=True, max_length=self.limit).encodings
        notes[f"{split} texts cut after {self.limit} tokens"] += sum(bool(text.overflowing) for text in encoded)
        ids = [text.ids or [self.tokenizer.pad_token_id] for text in encoded]
        first = [first_tokens(row, text.offsets) for row, text in zip(rows, encoded, strict=True)]
        numbers = pa.list_(pa.int32())
        return {
            "input_ids": pa.array(ids, numbers),
            "length": pa.array(map(len, ids), pa.int32()),
            "words": pa.array(first, numbers),
        }

    def label_batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`words`, the place of each word's first token [rows, most words], and labels at these places [rows, longest].

        Counted are `rows`, `labels` (words that have one and were not cut off), and the sum of their `weights`.
        """
        import torch

        check_lengths(rows)
        words = padded(rows, "words", -1)
        batch = {"words": words, "counts": {"rows": torch.tensor(len(rows))}}
        if "label" not in rows[0]:  # at prediction
            return batch
        own = padded(rows, "label", UNLABELLED)
        labels = torch.full((len(rows), max(row["length"] for row in rows)), UNLABELLED)
        row, word = torch.nonzero(words >= 0, as_tuple=True)
        labels[row, words[row, word]] = own[row, word]
        batch["counts"]["labels"] = (labels != UNLABELLED).sum()
        return self.weighted(rows, batch | {"labels": labels})

    # Measuring and using the model

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """`tags` and their `probabilities` [rows, most words]; where labels are known `losses`, of how many in sum."""
        import torch
        import torch.nn.functional as F  # noqa: N812

        from ladle.training import forward

        logits = forward(model, batch).logits.float()
        probabilities, tags = logits.softmax(-1).max(-1)
        words = batch["words"]
        unread = words < 0
        found = {
            "tags": tags.gather(1, words.clamp(min=0)).masked_fill(unread, UNLABELLED),
            "probabilities": probabilities.gather(1, words.clamp(min=0)).masked_fill(unread, torch.nan),
        }
        if "labels" in batch:
            losses = F.cross_entropy(logits.mT, batch["labels"], reduction="none", ignore_index=UNLABELLED)
            found["losses"] = losses.sum(1)
            found["labelled"] = (batch["labels"] != UNLABELLED).sum(1)
        return found

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        """Words that were cut off, or have no token, count as outside of any entity, and plain tags as wrong."""
        import numpy as np

        from .measures import measure_tags, surest_rows, told_mistake

        truth = dataset["label"][:]
        places = [[place for place, label in enumerate(row) if label != UNLABELLED] for row in truth]
        there = [[self.labels[row[place]] for place in own] for row, own in zip(truth, places, strict=True)]
        tags = self._tags(outputs)
        said = [[row[place] for place in own] for row, own in zip(tags, places, strict=True)]
        sure = [row[own] for row, own in zip(np.nan_to_num(outputs["probabilities"]), places, strict=True)]
        loss = float(outputs["losses"].sum() / max(1, outputs["labelled"].sum()))
        measured = measure_tags(said, there, self.labels, loss)
        rows = surest_rows(said, there, sure, self.labels)
        texts = self._words(dataset.select(rows)["_id"][:])
        mistakes = [
            told_mistake(said[row], there[row], sure[row], [words[place] for place in places[row]], self.labels)
            for row, words in zip(rows, texts, strict=True)
        ]
        measured.mistakes = self.with_rows(mistakes, dataset, rows)
        for mistake, words in zip(measured.mistakes, texts, strict=True):
            mistake["row"][self.column] = " ".join(words)
        return measured

    def _tags(self, outputs: dict[str, Any]) -> list[list[str]]:
        """The tag of each word [rows, most words]; `O`, or the empty text, for a word that was not read."""
        names = dict(enumerate(self.labels))
        names[UNLABELLED] = OUTSIDE if are_prefixed(self.labels) else ""
        return [[names[number] for number in row] for row in outputs["tags"].tolist()]

    def _words(self, ids: list[str]) -> list[list[str]]:
        """The words of the rows with these ids."""
        rows = self.rows_of(ids, [self.column])
        return [words_of(rows[id_][self.column]).texts for id_ in ids]

    def baseline(self, train: Dataset, test: Dataset) -> dict[str, float]:
        """The commonest tag of the train split for every word."""
        import numpy as np

        from .measures import always

        numbers = np.concatenate([np.asarray(row, int) for row in train["label"]])
        commonest = np.bincount(numbers[numbers != UNLABELLED]).argmax()
        truth = [[self.labels[number] for number in row if number != UNLABELLED] for row in test["label"]]
        return always(self.labels[commonest], truth, self.labels)

    def present(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        """For each row its entities, each as likely as all of its tags together; or its words with their tags.

        `start` and `end` count the characters of a text, or the words of a list.
        """
        values = [row[self.column] for row in self.setting.data.select([self.column])]
        told = zip(values, self._tags(outputs), outputs["probabilities"], strict=True)
        if are_prefixed(self.labels):
            return [{"entities": _entities(*row)} for row in told]
        return [{"words": _tagged(*row)} for row in told]


def _entities(value: Any, tags: list[str], probabilities: np.ndarray) -> list[dict[str, Any]]:
    words = words_of(value)
    found = []
    for first, end, type_ in entities(tags[: len(words.places)]):
        start, stop = words.within(first, end)
        found.append(
            {
                "text": words.text[start:stop],
                "type": type_,
                "start": start if isinstance(value, str) else first,
                "end": stop if isinstance(value, str) else end,
                "probability": round(float(probabilities[first:end].prod()), 4),
            }
        )
    return found


def _tagged(value: Any, tags: list[str], probabilities: np.ndarray) -> list[dict[str, Any]]:
    """Words with their tags; without those that were not read."""
    return [
        {"text": word, "tag": tag, "probability": round(float(probability), 4)}
        for word, tag, probability in zip(words_of(value).texts, tags, probabilities, strict=False)
        if tag
    ]
