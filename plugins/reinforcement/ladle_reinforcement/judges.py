"""Models that judge answers: those of train stages, and any classifier of texts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from ladle import OptionError, Rows, TrainedModel
from ladle.errors import did_you_mean
from ladle.trained import ABOUT, PREDICT, trainer_in
from ladle.training import choose_device, forward, token_limit, tokenizer_from

from .conversations import Renderer
from .loading import judging_model
from .preferences import padded
from .reward import Prompt, asked
from .reward_model import RewardModel

Judge = Callable[[list[Prompt | None], list[str]], list[float]]
"""Gives a number for each answer; with its prompt, where that is not None."""


def judge_in(folder: Path, label: str | None, batch_size: int) -> Judge:
    """The model in a folder as a judge: by the probability of a class, or by its number if there is no `label`.

    Raises OptionError if it says no such thing of a text.
    """
    if not (folder / ABOUT).is_file():
        return Classifying(folder, label, batch_size, None)
    trainer = trainer_in(folder)
    return (
        Classifying(folder, label, batch_size, trainer) if isinstance(trainer, RewardModel) else Asking(folder, label)
    )


class Classifying:
    """A sequence classifier of transformers', or a reward model."""

    def __init__(self, folder: Path, label: str | None, batch_size: int, trainer: RewardModel | None) -> None:
        self.batch_size = batch_size
        self.device = choose_device("auto")
        self.model = judging_model(folder)
        self.model.to(self.device).eval()
        self.tokenizer = tokenizer_from(folder)
        self.config = self.model.config
        if self.config.get_text_config().pad_token_id is None:
            self.config.get_text_config().pad_token_id = self.tokenizer.pad_token_id
        chat, system = (trainer.chat, trainer.system_text) if trainer else (None, None)
        self.renderer = Renderer(self.tokenizer, chat, system)
        self.limit = token_limit(self.model, self.tokenizer, None)
        self.place = _place_of(label, list(self.config.id2label.values()))

    def __call__(self, prompts: list[Prompt | None], answers: list[str]) -> list[float]:
        rows = [self._tokens(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]
        found: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(rows), self.batch_size):
                found += self._said(rows[start : start + self.batch_size])
        return found

    def _said(self, rows: list[list[int]]) -> list[float]:
        batch = padded(rows, self.config.get_text_config().pad_token_id or 0)
        logits = forward(self.model, {name: values.to(self.device) for name, values in batch.items()}).logits.float()
        if self.place is None:
            scale = getattr(self.config, "mean", 0.0), getattr(self.config, "deviation", 1.0)
            return (logits.squeeze(-1) * scale[1] + scale[0]).tolist()
        is_several = self.config.problem_type == "multi_label_classification"
        return (logits.sigmoid() if is_several else logits.softmax(-1))[:, self.place].tolist()

    def _tokens(self, prompt: Prompt | None, answer: str) -> list[int]:
        """The last tokens of a text, where the answer is; one at least, which no model does without."""
        if prompt is None and self.place is not None:  # a classifier of texts knows no conversations
            tokens = self.tokenizer(answer)["input_ids"]
        elif self.renderer.is_chat or prompt is None or isinstance(prompt, str):
            tokens = self.renderer.tokens_of_whole(prompt, answer)
        else:
            tokens = self.tokenizer(f"{asked(prompt)}\n{answer}")["input_ids"]
        return tokens[-self.limit :] or [self.tokenizer.pad_token_id]


class Asking:
    """The model of a train stage whose trainer reads one column of texts."""

    def __init__(self, folder: Path, label: str | None) -> None:
        self.model = TrainedModel(folder)
        self.label = label
        self.column = getattr(self.model.trainer, "column", None)
        if not isinstance(self.column, str):
            raise OptionError(
                "this model reads more than one text, or none: it cannot say anything of an answer",
                option="model",
                help="name a model that classifies texts, or a reward model",
            )

    def __call__(self, prompts: list[Prompt | None], answers: list[str]) -> list[float]:
        texts = [
            answer if prompt is None else f"{asked(prompt)}\n{answer}"
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        with tempfile.TemporaryDirectory(prefix="ladle-") as folder:
            said = self.model(_as_rows(texts, self.column, Path(folder)))
        return [self._number(said[str(number)]) for number in range(len(texts))]

    def _number(self, said: dict[str, Any]) -> float:
        if self.label is None:
            if "number" not in said:
                raise _no_number(list(said.get("probabilities", ())))
            return said["number"]
        known = said.get("probabilities", {})
        if self.label not in known:
            _place_of(self.label, list(known))
        return known[self.label]


def _as_rows(texts: list[str], column: str, folder: Path) -> Rows:
    """Texts as rows that a trained model reads, in a file."""
    path = folder / "rows.arrow"
    batch = pa.RecordBatch.from_pydict(
        {"_id": list(map(str, range(len(texts)))), "_split": [PREDICT] * len(texts), column: texts}
    )
    with pa.ipc.new_stream(path, batch.schema) as out:
        out.write_batch(batch)
    return Rows([path])


def _place_of(label: str | None, known: list[str]) -> int | None:
    """The place of a class among those that a model knows; None for a model that says one number.

    Raises OptionError if it is not as the model is.
    """
    if len(known) < 2:
        if label is None:
            return None
        raise OptionError("this model says one number, and knows no classes", option="label", help="leave `label` out")
    if label is None:
        raise _no_number(known)
    if label not in known:
        raise OptionError(
            f"the model knows no class `{label}`", option="label", help=did_you_mean(label, known, "it knows")
        )
    return known.index(label)


def _no_number(known: list[str]) -> OptionError:
    return OptionError(
        "this model tells classes apart: the probability of which of them is the reward?",
        option="label",
        help=f"write label = one of {', '.join(known)}",
    )
