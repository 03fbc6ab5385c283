"""Learning to score answers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from ladle import Columns, Reads, Usual

from .conversing import MESSAGES, PREDICT, Conversing

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from datasets import Dataset
    from torch.utils.data import Sampler
    from transformers import PreTrainedModel

    from ladle.training import Measured, Terms

    from .reward import Prompt

_PAIR = ("chosen_ids", "rejected_ids")


class Scale(NamedTuple):
    """What the model's output 0 and 1 stand for: it learns scores whose mean is 0 and whose deviation is 1."""

    mean: float
    deviation: float


class RewardModel(Conversing):
    """Let a model score answers: from pairs of which one was preferred, or from scores.

    Of a pair, the chosen answer is to have the higher score (Bradley & Terry 1952; Ouyang et al. 2022), by TRL; given
    scores are learnt by their squared error. The model is any encoder or decoder, with a head that says one number.
    What it says of an answer can be a reward (`use = "classifier"`).
    """

    trainer_class = "ladle_reinforcement.loops:ScoreLoop"
    arguments_class = "trl:RewardConfig"

    said_by_options = {"max_length": "max_length"}

    prompt: Annotated[str, Reads(*MESSAGES)] = Field(
        default="prompt",
        description="The column with the prompts: texts, lists of { role, content }, or such lists as JSON text. Empty "
        '(`prompt = ""`) if there is none, or the answers are whole conversations.',
    )
    chosen: Annotated[str, Reads(*MESSAGES)] = Field(
        default="chosen", description="The column with the better answers: texts, or messages."
    )
    rejected: Annotated[str, Reads(*MESSAGES)] = Field(
        default="rejected", description="The column with the worse answers."
    )
    score: Annotated[str | None, Reads("number")] = Field(
        default=None, description="A column with scores of the answers in `answer`, to learn instead of pairs."
    )
    answer: Annotated[str, Reads(*MESSAGES)] = Field(
        default="answer", description="The column with the answers that have a score."
    )
    epochs: Annotated[float, Usual(0.05, 90)] = Field(
        default=1, ge=0, description="Passes over the train split; 0 measures the model as it is."
    )
    batch_size: Annotated[int, Usual(1, 512, why_high="memory is likely to run out")] = Field(
        default=8, gt=0, description="Pairs, or scored answers, in a batch, on each device."
    )
    max_length: Annotated[int | None, Usual(16, 131_072)] = Field(
        default=None,
        gt=1,
        description="Tokens of a prompt with an answer, at most: longer rows are left out. As many as the model reads "
        "if left out.",
    )

    def columns_after(self, given: Columns) -> Columns:
        if self.prompt:
            given.need(self.prompt, *MESSAGES, option="prompt")
        if self.score is None:
            given.need(self.chosen, *MESSAGES, option="chosen")
            self.need(given, "rejected", *MESSAGES)
        else:
            given.need(self.answer, *MESSAGES, option="answer")
            self.need(given, "score", "number")
        return given

    def text_columns(self) -> list[tuple[str, str]]:
        answers = (self.chosen, self.rejected) if self.score is None else (self.answer,)
        return [(self.data, name) for name in (self.prompt, *answers) if name]

    def own_arguments(self) -> dict[str, Any]:
        return super().own_arguments() | {"max_length": None}  # rows are as long as they may be

    def loaded(self) -> tuple[PreTrainedModel, list[str]]:
        from .loading import scoring_model

        return scoring_model(self.setting.start, self.setting.seed, self.tokenizer.pad_token_id)

    def model(self) -> torch.nn.Module:
        if not self.setting.state:  # at prediction it is there
            self.setting.state = self._learn()._asdict()
        model = super().model()
        model.config.mean, model.config.deviation = self._scale
        return model

    @property
    def _scale(self) -> Scale:
        return Scale(**self.setting.state)

    def _learn(self) -> Scale:
        """The scale of the train split's scores; pairs have none."""
        import numpy as np

        if self.score is None:
            return Scale(0.0, 1.0)
        found = self.setting.data.of_split("train").select([self.score]).table()[self.score].drop_null()
        scores = found.to_numpy().astype(float)
        scores = scores[np.isfinite(scores)]
        return Scale(float(scores.mean()), float(scores.std()) or 1.0) if len(scores) else Scale(0.0, 1.0)

    # Rows

    @functools.cached_property
    def _limit(self) -> int:
        from ladle.training import token_limit

        return token_limit(self.setting.model, self.tokenizer, self.max_length)

    def dataset(self, split: str) -> Dataset:
        """Rows of `chosen_ids` and `rejected_ids`; of scored answers, and at prediction, of `input_ids`."""
        from .preferences import pair_schema

        parts = {"columns": [self.prompt, self.chosen, self.rejected, self.score, self.answer], "limit": self._limit}
        if split == PREDICT:
            return self.prepared(split, parts, _schema(), self._to_predict)
        if self.score is None:
            return self.prepared(split, parts, pair_schema(*_PAIR), self._pair)
        return self.prepared(split, parts, _schema(with_score=True), self._scored)

    def _pair(self, row: dict[str, Any]) -> dict[str, Any]:
        from .conversations import answer_text, read_cell
        from .preferences import Pair, check_lengths

        if self.prompt:
            pair = Pair(row, self.prompt, self.chosen, self.rejected)
            shown, prompt, answers = pair.shown(), pair.prompt, (pair.chosen, pair.rejected)
        else:
            prompt, answers = None, tuple(read_cell(row[name], name) for name in (self.chosen, self.rejected))
            shown = dict(zip(("chosen", "rejected"), map(answer_text, answers), strict=True))
        chosen, rejected = (self._tokens(prompt, answer) for answer in answers)
        check_lengths(self._limit, chosen, rejected)
        return {"chosen_ids": chosen, "rejected_ids": rejected, **shown}

    def _scored(self, row: dict[str, Any]) -> dict[str, Any]:
        import math

        from .conversations import UnusableError
        from .preferences import check_lengths

        score = row[self.score]
        if score is None or not math.isfinite(score):
            raise UnusableError(f"without a finite `{self.score}`")
        tokens = self._of_row(row, self.answer)
        check_lengths(self._limit, tokens)
        return {"input_ids": tokens, "length": len(tokens), "score": float(score)}

    def _to_predict(self, row: dict[str, Any]) -> dict[str, Any]:
        tokens = self._of_row(row, self.chosen if self.score is None else self.answer)[-self._limit :]
        return {"input_ids": tokens, "length": len(tokens)}

    def _of_row(self, row: dict[str, Any], answer: str) -> list[int]:
        from .conversations import read_cell

        prompt = read_cell(row[self.prompt], self.prompt) if self.prompt else None
        return self._tokens(prompt, read_cell(row[answer], answer))

    def _tokens(self, prompt: Prompt | None, answer: Prompt) -> list[int]:
        from .conversations import UnusableError, without_prompt

        answer = answer if prompt is None else without_prompt(prompt, answer)
        tokens = self.renderer.tokens_of_whole(None if prompt is None else self.renderer.prompt(prompt), answer)
        if not tokens:
            raise UnusableError("of which an answer has no token")
        return tokens

    def sampler(self, dataset: Dataset) -> Sampler[list[int]]:
        from ladle.training import shuffled

        return shuffled(dataset, self.batch_size, self.setting.seed)

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`input_ids` [2 * rows, longest] of chosen, then of rejected answers; or [rows, longest] of single ones.

        Of these, `scores` [rows] are on the scale of the model's output; they are missing at prediction.
        """
        import torch

        from .preferences import padded

        single = "input_ids" in rows[0]
        texts = [row[name] for name in (("input_ids",) if single else _PAIR) for row in rows]
        batch: dict[str, Any] = padded(texts, self.tokenizer.pad_token_id)
        if single and "score" in rows[0]:
            scores = torch.tensor([row["score"] for row in rows], dtype=torch.float64)
            batch["scores"] = ((scores - self._scale.mean) / self._scale.deviation).float()
        batch["counts"] = {"rows": torch.tensor(len(rows)), "tokens": batch["attention_mask"].sum()}
        return batch

    # Learning

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        """TRL's loss of pairs, a mean over the batch, as their sum: a small batch weighs no more than its pairs."""
        from ladle.training import Term

        if self.score is not None:
            return {"squared-error": Term((self._said(model, batch) - batch["scores"]) ** 2, per="rows")}
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        pairs = len(batch["input_ids"]) // 2
        return {"preference": Term(self._loop.own_loss(model, inputs).reshape(1) * pairs, per="rows")}

    def _said(self, model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        from ladle.training import forward

        return forward(model, batch).logits.squeeze(-1).float()

    # Measuring and using the model

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        said = self._said(model, batch) * self._scale.deviation + self._scale.mean
        if len(said) == int(batch["counts"]["rows"]):
            return {"score": said}
        return dict(zip(("chosen", "rejected"), said.chunk(2), strict=True))

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        import numpy as np

        from .preferences import measure_pairs
        from .scores import measure_scores

        if "score" in outputs:
            return measure_scores(outputs["score"].astype(float), np.array(dataset["score"][:]))
        chosen, rejected = (outputs[name].astype(float) for name in ("chosen", "rejected"))
        margins = chosen - rejected
        return measure_pairs(np.logaddexp(0, -margins), margins, {}, dataset)

    def baseline(self, train: Dataset, test: Dataset) -> dict[str, float]:
        """What saying the same of every answer is worth: of pairs nothing, of scores their mean."""
        import numpy as np

        from .scores import measure_scores

        if self.score is None:
            return {"accuracy": 0.5, "margin": 0.0, "loss": float(np.log(2))}
        truth = np.array(test["score"][:])
        metrics = measure_scores(np.full(len(truth), np.mean(train["score"][:])), truth).metrics
        return {name: value for name, value in metrics.items() if name != "rows"}

    def present(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"score": float(score)} for score in outputs["score"]]


def _schema(with_score: bool = False) -> pa.Schema:
    import pyarrow as pa

    from .policy import predict_schema

    return pa.schema([*predict_schema(), *([("score", pa.float64())] if with_score else [])])
