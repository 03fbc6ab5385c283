"""Answers to questions, found in a text that is given with them."""

from __future__ import annotations

import collections
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ladle import Columns, OptionError, Reads, Sample, Usual
from ladle.tokens import token_doubts

from ..supervised import Notes
from ..tokenised import Tokenised, check_lengths, padded
from .answers import answers_of, normalised

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from datasets import Dataset

    from ladle.training import Measured, Terms

    from .measures import Found
    from .windows import Windows

_ENOUGH = 20  # rows that say something about the others
_MANY = 0.1


class QuestionAnswering(Tokenised):
    """Find the answer to a question in a text (extractive, as in SQuAD), with any Hugging Face encoder, or a decoder.

    A long text is cut into overlapping windows, each with the whole question. A question whose answer is missing (null
    or empty) is one that the text does not answer; where the train split has such questions, that there is no answer
    can be predicted too. The loss is the cross-entropy of the answer's first token and of its last.
    """

    offers = frozenset({"items", "embeddings", "tokens", "layers"})
    unusable = "that is not in the context where it should be"

    question: Annotated[str, Reads("text")] = Field(default="question", description="The column with the questions.")
    context: Annotated[str, Reads("text")] = Field(
        default="context", description="The column with the texts that answers are in."
    )
    target: Annotated[str, Reads("text", "list", "record")] = Field(
        default="answer",
        description="The column with the answer as it stands in the context, a list of such answers (the first is "
        "learnt, any is right), or SQuAD's record of `text` and `answer_start`.",
    )
    answer_start: str | None = Field(
        default=None,
        description="The column with the number of the character of the context at which the answer starts, or a list "
        "of them; answers are taken where they occur first if left out.",
    )
    max_length: Annotated[int | None, Usual(32, 131_072)] = Field(
        default=None, gt=2, description="Tokens in a window; as many as the model allows if left out."
    )
    stride: Annotated[int | None, Usual(8, 4096)] = Field(
        default=None, ge=0, description="Tokens that neighbouring windows share; a quarter of them if left out."
    )
    max_answer: Annotated[int, Usual(3, 200)] = Field(
        default=30, gt=0, description="Tokens in the longest answer that is predicted."
    )

    def columns_after(self, given: Columns) -> Columns:
        if self.answer_start is not None:  # not noted as read, for it is not there at prediction
            given.fresh().need(self.answer_start, "integer", "list", option="answer_start")
        return super().columns_after(given)

    def text_columns(self) -> list[tuple[str, str]]:
        return [(self.data, self.question), (self.data, self.context)]

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        yield from super().doubts(sample)
        pairs = [(self._answers(row), row.get(self.context)) for row in sample.rows if self.target in row]
        pairs = [(answers, context) for answers, context in pairs if answers and isinstance(context, str)]
        lost = sum(answers[0].place_in(context) is None for answers, context in pairs)
        if len(pairs) >= _ENOUGH and lost > _MANY * len(pairs):
            yield OptionError(
                f"`{self.target}` is not in `{self.context}` where it should be in {lost} of {sample}",
                option="target",
                help="such rows are left out; answers have to be pieces of the context, letter by letter",
            )
        if self.start_folder:
            yield from token_doubts(Sample(), self.context, self.start_folder, self.max_length)

    def _answers(self, row: dict[str, Any]) -> list[Any]:
        return answers_of(row[self.target], row.get(self.answer_start) if self.answer_start else None)

    def learn(self) -> dict[str, Any]:
        """Whether there are questions without an answer."""
        names = [self.target, *([self.answer_start] if self.answer_start else [])]
        counts = collections.Counter(
            bool(self._answers(row)) for row in self.setting.data.of_split("train").select(names)
        )
        if not counts[True]:
            raise OptionError(f"column `{self.target}` has no answer in the train split", option="target")
        return super().learn() | {"unanswerable": counts[False] > 0}

    def build(self) -> torch.nn.Module:
        from ..heads import has_head, model_for, names_of

        folder, padding = self.setting.start, self.tokenizer.pad_token_id
        keep = has_head(folder, "QuestionAnswering")
        return model_for("QuestionAnswering", folder, padding, keep, names_of(["start", "end"]))

    # Rows

    def learnable(self, batch: pa.RecordBatch) -> pa.Array:
        """Where first answers begin, and before where they end; [] for none, null for one that is not found."""
        import pyarrow as pa

        found = []
        names = [name for name in (self.target, self.context, self.answer_start) if name]
        for row in batch.select(list(dict.fromkeys(names))).to_pylist():
            answers = self._answers(row)
            found.append(answers[0].place_in(row[self.context] or "") if answers else ())
        return pa.array(found, pa.list_(pa.int64()))

    @functools.cached_property
    def _windows(self) -> Windows:
        from .windows import Windows

        return Windows(self.tokenizer, self.limit, self.stride)

    @functools.cached_property
    def _has_types(self) -> bool:
        """Whether the model is to be told which tokens are of the question and which of the context."""
        known = getattr(self.setting.model.config, "type_vocab_size", 0)
        return known > 1 and "token_type_ids" in self.tokenizer.model_input_names

    def dataset(self, split: str) -> Dataset:
        columns = {name: getattr(self, name) for name in ("question", "context", "answer_start")}
        prepare = functools.partial(self._tokenise, split=split)
        return self.prepared(split, "tokenising", columns | {"limit": self.limit, "stride": self.stride}, prepare)

    def _tokenise(self, batch: pa.RecordBatch, notes: Notes, split: str) -> dict[str, pa.Array]:
        """The windows of each row, with the places of the answer in it where that is known."""
        import pyarrow as pa

        texts = [batch[name].cast(pa.string()).fill_null("").to_pylist() for name in (self.question, self.context)]
        answers = self.learnable(batch).to_pylist() if self.target in batch.schema.names else None
        rows: dict[str, list[Any]] = collections.defaultdict(list)
        for row, (windows, is_cut) in enumerate(self._windows(*texts)):
            notes[f"{split} questions cut, to leave room for the context"] += is_cut
            notes[f"{split} contexts read in several windows"] += len(windows) > 1
            for window in windows:
                for name, value in window._asdict().items():
                    rows[name].append(value)
                rows["_id"].append(batch["_id"][row].as_py())
                if answers is not None:
                    rows["label"].append(window.places(tuple(answers[row]) or None))
        rows["length"] = [len(ids) for ids in rows["input_ids"]]
        return {name: pa.array(values) for name, values in rows.items()}

    def label_batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Where tokens start and end in the context, the places that stand for no answer, and the labels [rows, 2].

        A row is a window. `starts` and `ends` are [rows, longest], -1 where a token is not of the context.
        """
        import torch

        check_lengths(rows)
        batch = {name: padded(rows, name, -1) for name in ("starts", "ends")}
        batch |= {name: torch.tensor([row[name] for row in rows]) for name in ("number", "nowhere")}
        if self._has_types:
            batch["token_type_ids"] = padded(rows, "types", 0)
        if "label" in rows[0]:
            batch["labels"] = torch.tensor([row["label"] for row in rows])
        return batch | {"counts": {"rows": torch.tensor(len(rows))}}

    # Training, measuring and using the model

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        from ladle.training import Term

        from .spans import losses, shares

        start, end = losses(shares(model, batch), batch)
        return {"start": Term(start, per="rows"), "end": Term(end, per="rows")}

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Of each window the likeliest answer, how likely it is, how likely none is, and if it is known the loss."""
        from .spans import likeliest, losses, shares

        both = shares(model, batch)
        found = likeliest(both, batch, self.max_answer) | {"number": batch["number"]}
        return found | ({"losses": sum(losses(both, batch))} if "labels" in batch else {})

    def _found(self, outputs: dict[str, Any], contexts: list[str]) -> list[Found]:
        """The answer of each row."""
        from .measures import found

        return found(outputs, contexts, self.setting.state["unanswerable"])

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        """`rows` are questions; the loss is the mean over all windows."""
        from .measures import measure_answers, surest_mistakes

        places, rows = self._asked(dataset, self.target, self.context)
        right = [self._right(row) for row in rows]
        said = self._found(outputs, [row[self.context] or "" for row in rows])
        measured = measure_answers([one.text for one in said], right, float(outputs["losses"].mean()))
        wrong, mistakes = surest_mistakes(said, right)
        measured.mistakes = self.with_rows(mistakes, dataset, [places[row] for row in wrong])
        return measured

    def _asked(self, dataset: Dataset, *names: str) -> tuple[list[int], list[dict[str, Any]]]:
        """The place of the first window of each row, and the row with these columns."""
        import numpy as np

        places = np.flatnonzero(dataset.with_format("numpy")["number"][:] == 0).tolist()
        ids = dataset.select(places)["_id"][:]
        rows = self.rows_of(ids, list(names))
        return places, [rows[id_] for id_ in ids]

    def _right(self, row: dict[str, Any]) -> list[str]:
        """All right answers to a question; [] if there is none."""
        return [answer.text for answer in answers_of(row[self.target])]

    def baseline(self, train: Dataset, test: Dataset) -> dict[str, float]:
        """The commonest answer of the train split, which may be that there is none."""
        from .measures import scores

        learnt, right = (
            [self._right(row) for row in self._asked(dataset, self.target)[1]] for dataset in (train, test)
        )
        counts = collections.Counter(normalised(texts[0]) if texts else "" for texts in learnt)
        return scores([max(counts, key=lambda text: counts[text])] * len(right), right)

    def present(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        """For each window the answer of its row; `start` and `end` count characters of the context."""
        contexts = [row[self.context] or "" for row in self.setting.data.select([self.context])]
        told = [one.told() for one in self._found(outputs, contexts)]
        return [told[row] for row in (outputs["number"] == 0).cumsum() - 1]
