"""Tuning a language model on conversations, to answer as the assistant in them does."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ladle import OptionError

from .options import Conversational

if TYPE_CHECKING:
    import numpy as np
    import torch
    from datasets import Dataset
    from torch.utils.data import Sampler
    from transformers import GenerationConfig, PreTrainedTokenizerBase

    from ladle import Technique
    from ladle.training import Layout, Measured, Terms

    from .rows import Preparer


class InstructionTuning(Conversational):
    """Tune a causal language model on conversations, so that it answers as their assistant does.

    Conversations are a column of messages (`messages`), or columns of prompts and answers. The model's chat template
    makes one text of each; what is learnt are the tokens of the answers alone, with the token that ends an answer.
    """

    offers = frozenset({"items", "embeddings", "tokens", "layers"})

    @functools.cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        from ladle.training import tokenizer_from

        return tokenizer_from(self.setting.start)

    def model(self) -> torch.nn.Module:
        from ladle.training import causal_model_from

        from .model import ends_of, grow
        from .template import give_template

        model, _ = causal_model_from(self.setting.start)
        if not self.setting.state:  # at prediction the tokeniser has learnt it all
            new = give_template(self._tokenizer, self.template, self.special_tokens)
            grow(model, self._tokenizer.convert_tokens_to_ids(new), len(self._tokenizer))
            if new:
                self.setting.notes["tokens that are new to the model"] = ", ".join(new)
            self.setting.state = {"ends": ends_of(model, self._tokenizer)}
        return model

    def check_with(self, technique: Technique) -> None:
        if self.packing and "tokens" in technique.takes():
            raise OptionError(
                "it keeps what layers say of each row by itself, and rows are packed together",
                help="leave out `packing`, or let it keep nothing (`transfer` with reuse = false)",
            )

    def dataset(self, split: str) -> Dataset:
        from datasets import Dataset

        limits = self._limits
        parts = {
            "columns": self._columns,
            "limits": limits,
            "learn": self.learn,
            "template": self._tokenizer.get_chat_template(),
            "tokens": sorted(self._tokenizer.get_added_vocab()),
            "split": split,
        }
        folder = self.setting.keep("conversations", parts, functools.partial(self._write, split=split))
        told = json.loads((folder / "told.json").read_text())
        self.setting.notes |= told["notes"]
        rows = Dataset.from_file(str(folder / "rows.arrow"))
        if split == "train":
            self.setting.state["ends"] = sorted({*self.setting.state["ends"], *told["ends"]})
            return rows
        lengths = rows.with_format("numpy")["length"][:]
        asked = self._asked(len(lengths), split)
        rows = rows.add_column("asked", asked).remove_columns("length")
        return rows.add_column(
            "length", lengths + asked * lengths.max(initial=0)
        )  # so that they stand together in batches

    @property
    def _columns(self) -> tuple[str | None, ...]:
        return self.messages, self.prompt, self.target, self.system

    @functools.cached_property
    def _limits(self) -> tuple[int, int, int]:
        """How many tokens are read of a conversation and of a prompt, and how many an answer may have."""
        from ladle.training import token_limit

        model, tokenizer = self.setting.model, self._tokenizer
        whole, most = (token_limit(model, tokenizer, wanted) for wanted in (self.max_length, None))
        new = min(self.max_new_tokens, most // 2)
        return whole, most - new, new

    def _write(self, folder: Path, split: str) -> None:
        """Write the rows of a split as tokens, and what is to be told of them."""
        import pyarrow as pa

        from .rows import Conversations, Limits, Preparer

        whole, prompt, _ = self._limits
        preparer = Preparer(self._tokenizer, Conversations(*self._columns), Limits(whole, prompt), self.learn == "last")
        prepare = {"train": preparer.to_train, "predict": preparer.to_answer}.get(split, preparer.to_measure)
        data = self.setting.data.of_split(split)
        data = data.select([name for name in data.columns if name in self._columns])
        out, usable = None, 0
        with self.setting.progress(f"tokenising ({split})", self.setting.splits[split]) as done:
            for batch in data.batches("arrow"):
                ready = prepare(batch)
                out = out or pa.ipc.new_stream(folder / "rows.arrow", ready.schema)
                out.write_batch(ready)
                usable += ready.num_rows
                done(batch.num_rows)
        if not usable and split != "predict":
            raise self._unusable(split, preparer)
        out.close()
        notes = {f"{split} conversations {what}": count for what, count in (+preparer.counted).items()}
        notes |= {f"{split} rows left out, {why}": count for why, count in preparer.left_out.items()}
        (folder / "told.json").write_text(json.dumps({"notes": notes, "ends": sorted(preparer.ends)}))

    def _unusable(self, split: str, preparer: Preparer) -> OptionError:
        reasons = "; ".join(f"{count} {why}" for why, count in preparer.left_out.most_common(3))
        return OptionError(
            f"no row of the {split} split can be used: {reasons}",
            option="target" if self.messages is None else "messages",
            help="look at the column, at `max_length`, and at what the chat template writes",
        )

    def _asked(self, rows: int, split: str) -> np.ndarray:
        """For which rows an answer is generated, [rows]: for some of those held out, for all that are predicted."""
        import numpy as np

        asked = np.zeros(rows, bool)
        most = rows if split == "predict" else self.generated_rows
        asked[np.random.default_rng(self.setting.seed).permutation(rows)[:most]] = True
        return asked

    @functools.cached_property
    def _layout(self) -> Layout:
        """How conversations are put into sequences."""
        from ladle.training import Layout, layout_for

        capacity = self._limits[0]
        if not self.packing:
            return Layout(capacity, is_causal=True)
        layout = layout_for(self.setting.model, capacity, is_causal=True)
        if layout.separation is None:
            self.setting.notes["packing"] = "not done: conversations in one sequence would see each other in this model"
        return layout

    def sampler(self, dataset: Dataset) -> Sampler[list[int]]:
        from ladle.training import shuffled

        if not self.packing:
            return shuffled(dataset, self.batch_size, self.setting.seed)
        lengths = dataset.with_format("numpy")["length"][:]
        return self._layout.sampler(lengths, self.batch_size, self.setting.seed)

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`input_ids` and `labels` [sequences, longest], and what a layout adds; `prompts` of rows that are `asked`."""
        import torch

        from ladle.training import left_padded

        batch = self._sequences(rows) if "input_ids" in rows[0] else {"counts": {"rows": torch.tensor(len(rows))}}
        if asked := [place for place, row in enumerate(rows) if row.get("asked")]:
            prompts = left_padded([rows[place]["prompt"] for place in asked], self._tokenizer.pad_token_id)
            batch["prompts"], batch["prompt_mask"] = prompts["input_ids"], prompts["attention_mask"]
            batch["asked"] = torch.tensor(asked)
        return batch

    def _sequences(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        from .model import to_tell
        from .tokens import UNLEARNT

        lengths = [len(row["labels"]) for row in rows]
        for row, length in zip(rows, lengths, strict=True):
            if len(row["input_ids"]) != length:
                raise OptionError(
                    f"a technique made {len(row['input_ids'])} tokens of {length}, and what is learnt stands at places",
                    help="leave out the technique that makes texts longer or shorter",
                )
        ids, labels = (torch.tensor([at for row in rows for at in row[name]]) for name in ("input_ids", "labels"))
        batch = self._layout(lengths, input_ids=(ids, self._tokenizer.pad_token_id), labels=(labels, UNLEARNT))
        batch["counts"]["labels"] = to_tell(batch["labels"]).sum()
        return batch

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        from ladle.training import Term

        from .model import answer_losses

        return {"cross-entropy": Term(answer_losses(model, batch)[0], per="labels")}

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Sums over the tokens of each row's answers, [rows]; of the model's own `answer` the tokens, [rows, …].

        Answers are generated for rows that are asked, but not where an epoch is only measured to choose by the others.
        """
        from .model import answers, sums_of_answers

        found = sums_of_answers(model, batch) if "labels" in batch else {}
        only_chooses = self.setting.is_training and self.choose_by != "exact_match"
        if "labels" not in batch or (self.generated_rows and not only_chooses):
            model.generation_config = self._decoding
            found["answer"] = answers(model, batch, self.setting.seed)
        return found

    @property
    def _decoding(self) -> GenerationConfig:
        from .model import decoding

        return decoding(self._tokenizer, self.setting.state["ends"], self._limits[-1], self.temperature)

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        from .measures import Answer, Told, measure_answers

        answers = []
        if "answer" in outputs:
            places = _asked_in(dataset)
            rows, given = dataset.select(places), self._texts(outputs["answer"][places])
            answers = [Answer(*each) for each in zip(rows["said"], rows["wanted"], given, strict=True)]
        return measure_answers(Told(*(outputs[name] for name in Told._fields)), answers)

    def baseline(self, train: Dataset, test: Dataset) -> dict[str, float]:
        from .measures import commonest_answer, commonest_tokens

        learnt = train["labels"]
        found = commonest_tokens(learnt, test["labels"], len(self._tokenizer))
        if self.generated_rows:
            found["exact_match"] = commonest_answer(learnt, test.select(_asked_in(test))["labels"])
        return found

    def present(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"answer": text} for text in self._texts(outputs.get("answer", []))]  # none, if no row can be answered

    def _texts(self, answers: Any) -> list[str]:
        """Generated answers as texts: [rows, …] tokens, with what is no token after their ends."""
        rows = [[int(token) for token in row if token >= 0] for row in answers]
        return [self._tokenizer.decode(row, skip_special_tokens=True).strip() for row in rows]

    def save(self, model: torch.nn.Module, folder: Path) -> None:
        model.generation_config = self._decoding
        model.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)


def _asked_in(dataset: Dataset) -> np.ndarray:
    """The places of the rows that an answer is generated for."""
    import numpy as np

    return np.flatnonzero(dataset.with_format("numpy")["asked"][:])
