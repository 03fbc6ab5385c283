"""Learning from rewards for answers that the model draws itself."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ladle import OptionError, Uses, Usual

from .conversing import PREDICT
from .policy import Policy, predict_schema

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    import transformers
    from datasets import Dataset
    from torch.utils.data import Sampler

    from ladle.training import Measured, Terms

    from .samples import Diary
    from .scoring import Scorer

_SHOWN = 30  # answers of a held-out split


class Grpo(Policy):
    """Let a language model answer prompts, and make the answers likelier that earn more than others to the same prompt.

    Group relative policy optimisation (GRPO, Shao et al. 2024), by TRL. Rewards, of which there may be several, say how
    good an answer is; other columns of the rows, such as the right answers, reach them. What is held out is measured by
    the likeliest answer to each prompt.
    """

    trainer_class = "ladle_reinforcement.loops:PolicyLoop"
    arguments_class = "trl:GRPOConfig"

    said_by_options = {
        "num_generations": "group",
        "num_generations_eval": "group",
        "max_completion_length": "max_new_tokens",
        "temperature": "temperature",
        "beta": "beta",
        "loss_type": "loss_type",
        "epsilon": "epsilon",
        "epsilon_high": "epsilon_high",
        "num_iterations": "iterations",
        "scale_rewards": "scale",
        "reward_weights": "reward",
    }
    fixed = frozenset({"steps_per_generation", "generation_batch_size", "shuffle_dataset", "log_completions"})

    reward: Annotated[list[Any], Uses("reward", "list")] = Field(
        min_length=1, description="What answers earn: their rewards are weighted and summed."
    )
    group: Annotated[int, Usual(2, 64)] = Field(
        default=8, ge=2, description="How many answers are drawn to a prompt, and compared with each other."
    )
    batch_size: Annotated[int, Usual(1, 512, why_high="memory is likely to run out")] = Field(
        default=8, gt=0, description="Prompts in a batch, on each device; each is answered `group` times."
    )
    epochs: Annotated[float, Usual(0.05, 90)] = Field(
        default=1, ge=0, description="Passes over the train split; 0 measures the model as it is."
    )
    learning_rate: Annotated[
        float, Usual(2e-7, 9e-4, "a model hardly learns at such a rate", "training is likely to diverge")
    ] = Field(default=1e-5, gt=0, description="Highest learning rate of the schedule.")
    temperature: Annotated[float, Usual(0.1, 2, why_high="answers are likely to make no sense")] = Field(
        default=1.0, gt=0, description="How freely answers are drawn in training."
    )
    beta: Annotated[float, Usual(0.0005, 0.5)] = Field(
        default=0.0,
        ge=0,
        description="How strongly the model is held to the one that it starts from (weight of the KL divergence); with "
        "0 that one takes no memory.",
    )
    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo"] = Field(
        default="dapo",
        description="How the loss is averaged, as TRL calls it: `dapo` over all tokens of a step (Yu et al. 2025), "
        "`grpo` over those of an answer and then over answers (Shao et al. 2024), `dr_grpo` without a bias to long "
        "answers (Liu et al. 2025), `bnpo` over the tokens of each batch, so that it depends on how a step is cut into "
        "batches. `cispo` (MiniMax 2025) and `sapo` (Gao et al. 2025) limit in other ways how far one step goes.",
    )
    epsilon: Annotated[float, Usual(0.02, 0.9)] = Field(
        default=0.2, gt=0, description="How far, as a share, one step changes the probability of a token at most."
    )
    epsilon_high: Annotated[float | None, Usual(0.02, 10)] = Field(
        default=None, gt=0, description="The same, for what gets likelier; as `epsilon` if left out."
    )
    iterations: Annotated[int, Usual(1, 16)] = Field(
        default=1,
        gt=0,
        description="Steps that are taken with the same answers. A training that goes on from a checkpoint between "
        "them draws new ones.",
    )
    scale: Literal["group", "batch", "none"] = Field(
        default="group",
        description="By which deviation rewards are divided: by that of a prompt's answers, of all answers of a batch, "
        "or by none.",
    )
    max_prompt_length: Annotated[int | None, Usual(8, 131_072)] = Field(
        default=None,
        gt=0,
        description="Tokens of a prompt, at most: rows with longer ones are left out. As many as the model can read "
        "with an answer if left out.",
    )
    measured_rows: Annotated[int, Usual(20, 20_000, why_high="measuring is likely to take very long")] = Field(
        default=256, gt=0, description="Rows of a held-out split that are measured, at most."
    )
    choose_by: str = Field(
        default="reward", description="Validation metric that chooses the best epoch, whose model is kept."
    )

    def text_columns(self) -> list[tuple[str, str]]:
        told = (getattr(reward, "column", None) for reward in self.reward)
        return [(self.data, column) for column in dict.fromkeys([self.prompt, *filter(None, told)])]

    def own_arguments(self) -> dict[str, Any]:
        answers = self.batch_size * self.group
        return super().own_arguments() | {
            "per_device_train_batch_size": answers,
            "per_device_eval_batch_size": answers,
            "num_generations": self.group,
            "max_completion_length": self.max_new_tokens,
            "temperature": self.temperature,
            "beta": self.beta,
            "loss_type": self.loss_type,
            "epsilon": self.epsilon,
            "epsilon_high": self.epsilon_high,
            "num_iterations": self.iterations,
            "scale_rewards": self.scale,
            "reward_weights": self.scorer.weights,
        }

    def trainer_options(self) -> dict[str, Any]:
        rewards = {"reward_funcs": list(self.scorer.each), "reference": lambda: self.start_model}
        return super().trainer_options() | rewards

    @functools.cached_property
    def scorer(self) -> Scorer:
        from .scoring import Scorer

        return Scorer(self.reward)

    def check_size(self, model: Any) -> None:
        from ladle.training import token_limit

        super().check_size(model)
        most = token_limit(model, self.tokenizer, None)
        if self.max_new_tokens >= most:
            raise OptionError(
                f"the model reads at most {most} tokens, and shall write {self.max_new_tokens}",
                option="max_new_tokens",
                help=f"write at most {most - 1}: the prompt needs some too",
            )

    # Rows

    def dataset(self, split: str) -> Dataset:
        """To train on, rows of `prompt` and of what rewards are told, `row`; to measure or predict, `input_ids` too."""
        parts = {"prompt": self.prompt, "limit": self._limit}
        if split == PREDICT:
            return self.prepared(split, parts, predict_schema(), lambda row: self.to_answer(row[self.prompt]))
        rows = self.prepared(split, parts, self._schema(), self._to_learn)
        return rows.remove_columns(["input_ids", "length"]) if split == "train" else self._some_of(rows, split)

    @property
    def _limit(self) -> int:
        """Tokens of a prompt at most."""
        room = self.positions - self.max_new_tokens
        return min(room, self.max_prompt_length or room)

    def _schema(self) -> pa.Schema:
        import pyarrow as pa

        message = pa.struct([("role", pa.string()), ("content", pa.string())])
        data = self.setting.data
        told = [pa.field(name, _plain(data.schema.field(name).type)) for name in data.columns]
        prompt = pa.list_(message) if self.renderer.is_chat else pa.string()
        return pa.schema([*predict_schema(), ("prompt", prompt), ("row", pa.struct(told))])

    def _to_learn(self, row: dict[str, Any]) -> dict[str, Any]:
        from .conversations import UnusableError

        prompt, tokens = self.asked(row[self.prompt])
        if len(tokens) > self._limit:
            raise UnusableError(f"with prompts of more than {self._limit} tokens")
        told = {name: value for name, value in row.items() if name != "_id"}
        return {"prompt": prompt, "row": told, "input_ids": tokens, "length": len(tokens)}

    def _some_of(self, rows: Dataset, split: str) -> Dataset:
        import numpy as np

        if len(rows) <= self.measured_rows:
            return rows
        self.setting.notes[f"{split} rows that are not measured"] = len(rows) - self.measured_rows
        chosen = np.random.default_rng(self.setting.seed).permutation(len(rows))[: self.measured_rows]
        return rows.select(np.sort(chosen))

    def sampler(self, dataset: Dataset) -> Sampler[list[int]]:
        from accelerate import PartialState

        from .prompts import Prompts

        return Prompts(
            len(dataset),
            prompts=self.batch_size * self.accumulate,
            group=self.group,
            repeats=self.accumulate * self.iterations,
            processes=PartialState().num_processes,
            seed=self.setting.seed,
        )

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """To train, the rows that TRL answers, those of a whole step; otherwise prompts, [rows, longest]."""
        import torch

        if "input_ids" in rows[0]:
            return self.prompt_batch(rows)
        counts = {"rows": torch.tensor(self.batch_size), "steps": torch.tensor(1 / self.accumulate)}
        return {"rows": rows, "counts": counts}

    # Learning

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        """TRL's loss of a batch is its share of the whole step's already."""
        from ladle.training import Term

        return {"policy": Term(self._loop.own_loss(model, batch).reshape(1), per="steps")}

    @functools.cached_property
    def _diary(self) -> Diary:
        from .samples import Diary

        return Diary(self.setting, self.scorer, self.group)

    def callbacks(self) -> list[transformers.TrainerCallback]:
        return [self._diary]

    # Measuring and using the model

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        return {"answer": self.generated(model, batch)}

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        """Means of rewards over prompts, the share of right answers where a reward can tell, and how long they are."""
        from .measures import mean_of, measured, share_of
        from .samples import sample

        prompts, answers = dataset["prompt"][:], self.texts(outputs["answer"])
        scores = self.scorer(prompts, answers, dataset["row"][:])
        sums = self.scorer.sums(scores)
        found = {"reward": mean_of(sums)}
        found |= {f"reward/{name}": mean_of(scores[:, at]) for at, name in enumerate(self.scorer.names)}
        if told := self.scorer.tell_right:
            found["right_answers"] = share_of((scores[:, told] == 1).all(1))
        found["answer_tokens"] = mean_of((outputs["answer"] >= 0).sum(1).astype(float))
        result = measured(found, len(dataset))
        shown = zip(prompts[:_SHOWN], answers, scores, sums, strict=False)
        result.tables = {
            "answers": [sample(self.scorer, *each) for each in shown],
            "answers while it learnt": self._diary.table(),
        }
        return result

    def baseline(self, train: Dataset, test: Dataset) -> dict[str, float]:
        """What the model is worth that the stage starts from."""
        metrics = self.evaluate(self.start_model, test).metrics
        return {name: value for name, value in metrics.items() if name != "rows"}


def _plain(type_: Any) -> Any:
    """The type that the values of a column have by themselves."""
    import pyarrow as pa

    return type_.value_type if pa.types.is_dictionary(type_) else type_
