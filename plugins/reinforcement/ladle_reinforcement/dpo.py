"""Learning from preferences between two answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from ladle import Columns, OptionError, Reads, Usual

from .conversing import MESSAGES, PREDICT
from .policy import Policy, predict_schema

if TYPE_CHECKING:
    import numpy as np
    import torch
    from datasets import Dataset
    from torch.utils.data import Sampler

    from ladle.training import Measured, Terms

_TOKENS = ("prompt_ids", "chosen_ids", "rejected_ids")


class Dpo(Policy):
    """Let a language model prefer, of two answers to a prompt, the one that people chose.

    Direct preference optimisation (DPO, Rafailov et al. 2023), by TRL: how much likelier an answer has become than it
    was to the model that the stage starts from counts as its reward, and that of the chosen answer is to be the higher.
    """

    trainer_class = "ladle_reinforcement.loops:PreferenceLoop"
    arguments_class = "trl:DPOConfig"

    said_by_options = {
        "beta": "beta",
        "loss_type": "loss_type",
        "label_smoothing": "label_smoothing",
        "max_length": "max_length",
    }
    fixed = frozenset(
        {"precompute_ref_log_probs", "sync_ref_model", "padding_free", "loss_weights", "ld_alpha", "f_divergence_type"}
    )

    prompt: Annotated[str, Reads(*MESSAGES)] = Field(
        default="prompt",
        description="The column with the prompts: texts, lists of { role, content }, or such lists as JSON text. Empty "
        '(`prompt = ""`) if the answers are whole conversations, which begin alike.',
    )
    chosen: Annotated[str, Reads(*MESSAGES)] = Field(
        default="chosen", description="The column with the better answers: texts, or messages."
    )
    rejected: Annotated[str, Reads(*MESSAGES)] = Field(
        default="rejected", description="The column with the worse answers."
    )
    epochs: Annotated[float, Usual(0.05, 90)] = Field(
        default=1, ge=0, description="Passes over the train split; 0 measures the model as it is."
    )
    batch_size: Annotated[int, Usual(1, 512, why_high="memory is likely to run out")] = Field(
        default=8, gt=0, description="Pairs in a batch, on each device."
    )
    learning_rate: Annotated[
        float, Usual(1e-7, 4e-4, "a model hardly learns at such a rate", "training is likely to diverge")
    ] = Field(default=5e-6, gt=0, description="Highest learning rate of the schedule.")
    beta: Annotated[float, Usual(0.005, 5)] = Field(
        default=0.1, gt=0, description="How strongly the model is held to the one that it starts from."
    )
    loss_type: Literal["sigmoid", "hinge", "ipo", "robust"] = Field(
        default="sigmoid",
        description="What is made of the difference of the two rewards, as TRL calls it: `sigmoid` (Rafailov et al. "
        "2023), `hinge` (Liu et al. 2023), `ipo` aims at a fixed difference (Azar et al. 2023), `robust` reckons with "
        "wrong choices (Chowdhury et al. 2024).",
    )
    label_smoothing: Annotated[float, Usual(0.005, 0.4)] = Field(
        default=0.0, ge=0, lt=0.5, description="Of `robust`: the share of choices that are wrong."
    )
    max_length: Annotated[int | None, Usual(16, 131_072)] = Field(
        default=None,
        gt=1,
        description="Tokens of a prompt with an answer, at most: longer rows are left out. As many as the model reads "
        "if left out.",
    )

    @model_validator(mode="after")
    def _no_option_without_effect(self) -> Dpo:
        if (self.loss_type == "robust") != (self.label_smoothing > 0):
            raise OptionError(
                '`label_smoothing` and loss_type = "robust" belong together',
                option="label_smoothing" if self.label_smoothing else "loss_type",
                help="write both, or neither",
            )
        return self

    def columns_after(self, given: Columns) -> Columns:
        if self.prompt:
            given.need(self.prompt, *MESSAGES, option="prompt")
        else:  # rows to predict have their prompts there
            given.need(self.chosen, *MESSAGES, option="chosen")
        self.need(given, "chosen", *MESSAGES)
        self.need(given, "rejected", *MESSAGES)
        return given

    def text_columns(self) -> list[tuple[str, str]]:
        return [(self.data, name) for name in (self.prompt, self.chosen, self.rejected) if name]

    def own_arguments(self) -> dict[str, Any]:
        return super().own_arguments() | {
            "beta": self.beta,
            "loss_type": [self.loss_type],
            "label_smoothing": self.label_smoothing,
            "max_length": None,  # rows are as long as they may be
        }

    def trainer_options(self) -> dict[str, Any]:
        return super().trainer_options() | {"ref_model": self.start_model}

    # Rows

    @functools.cached_property
    def _limit(self) -> int:
        from ladle.training import token_limit

        return token_limit(self.setting.model, self.tokenizer, self.max_length)

    def dataset(self, split: str) -> Dataset:
        """Rows of `prompt_ids`, `chosen_ids` and `rejected_ids`; at prediction of `input_ids`."""
        from .preferences import pair_schema

        parts = {"columns": [self.prompt, self.chosen, self.rejected], "limit": self._limit}
        if split == PREDICT:
            column = self.prompt or self.chosen
            parts["room"] = self.new_tokens
            return self.prepared(split, parts, predict_schema(), lambda row: self.to_answer(row[column]))
        return self.prepared(split, parts, pair_schema(*_TOKENS), self._pair)

    def _pair(self, row: dict[str, Any]) -> dict[str, Any]:
        from .preferences import Pair, tokens_of

        pair = Pair(row, self.prompt, self.chosen, self.rejected)
        return tokens_of(self.renderer, pair, self._limit) | pair.shown()

    def sampler(self, dataset: Dataset) -> Sampler[list[int]]:
        from ladle.training import shuffled

        return shuffled(dataset, self.batch_size, self.setting.seed)

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`input_ids` [2 * rows, longest] of the chosen answers with their prompts, then of the rejected ones.

        `completion_mask` is 1 at the tokens of answers. At prediction `input_ids` are prompts [rows, longest].
        """
        import torch

        from .preferences import padded

        if "input_ids" in rows[0]:
            return self.prompt_batch(rows)
        texts = [row["prompt_ids"] + row[answer] for answer in _TOKENS[1:] for row in rows]
        begins = torch.tensor([[len(row["prompt_ids"])] for row in [*rows, *rows]])
        batch = padded(texts, self.tokenizer.pad_token_id)
        places = torch.arange(batch["input_ids"].shape[1])
        batch["completion_mask"] = ((places >= begins) & batch["attention_mask"].bool()).long()
        counts = {"rows": torch.tensor(len(rows)), "tokens": batch["attention_mask"].sum()}
        return {**batch, "counts": counts}

    # Learning

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        """TRL's loss, a mean over the batch's pairs, as their sum: so a small batch weighs no more than its pairs."""
        from ladle.training import Term

        inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "completion_mask")}
        pairs = len(batch["input_ids"]) // 2
        return {"preference": Term(self._loop.own_loss(model, inputs).reshape(1) * pairs, per="rows")}

    # Measuring and using the model

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """By how much likelier answers are than they were (a logarithm), and how many tokens they have, each [rows]."""
        from .preferences import log_probabilities

        if "completion_mask" not in batch:
            return {"answer": self.generated(model, batch)}
        ratios = log_probabilities(model, batch) - log_probabilities(self.start_model, batch)
        tokens = batch["completion_mask"].sum(1)
        return {
            name: values
            for whole, of in ((ratios, "ratio"), (tokens, "tokens"))
            for name, values in zip((f"chosen_{of}", f"rejected_{of}"), whole.chunk(2), strict=True)
        }

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        from .preferences import measure_pairs

        chosen, rejected = (outputs[f"{answer}_ratio"].astype(float) for answer in ("chosen", "rejected"))
        losses = self._losses(chosen, rejected, outputs["chosen_tokens"], outputs["rejected_tokens"])
        rewards = {"chosen_reward": self.beta * chosen, "rejected_reward": self.beta * rejected}
        return measure_pairs(losses, self.beta * (chosen - rejected), rewards, dataset)

    def _losses(self, chosen: Any, rejected: Any, chosen_tokens: Any, rejected_tokens: Any) -> np.ndarray:
        """The loss of each pair, [rows], by how much likelier its answers have become."""
        import numpy as np

        def sigmoid(margin: Any) -> Any:
            return np.logaddexp(0, -margin)

        margin = self.beta * (chosen - rejected)
        smoothing = self.label_smoothing
        kinds: dict[str, Callable[[], Any]] = {
            "sigmoid": lambda: sigmoid(margin),
            "hinge": lambda: np.maximum(0, 1 - margin),
            "ipo": lambda: (chosen / chosen_tokens - rejected / rejected_tokens - 1 / (2 * self.beta)) ** 2,
            "robust": lambda: ((1 - smoothing) * sigmoid(margin) - smoothing * sigmoid(-margin)) / (1 - 2 * smoothing),
        }
        return kinds[self.loss_type]()

    def baseline(self, train: Dataset, test: Dataset) -> dict[str, float]:
        """What the model is worth that the stage starts from, which prefers nothing to what it said itself."""
        loss = self._losses(0.0, 0.0, 1, 1)
        return {"accuracy": 0.5, "margin": 0.0, "chosen_reward": 0.0, "rejected_reward": 0.0, "loss": float(loss)}
