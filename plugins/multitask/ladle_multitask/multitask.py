"""One model that learns several tasks at once."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from ladle import ModelChoice, OptionError, Trainer, Uses, Usual
from ladle.columns import Columns
from ladle.options import DataReference

from .tasks import OF_STAGE, about, check_tasks, reads_of

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    import transformers
    from datasets import Dataset
    from torch.utils.data import Sampler

    from ladle import Technique
    from ladle.training import Measured, Terms

    from .model import MultiTaskModel

_PREDICT = "predict"  # the split of rows to predict
_TEMPERATURE = 2.0
_UNCERTAINTY_RATE = 0.01
_TOLD = ("rows", "tokens")  # counts by which the speed of a training is told


class MultiTask(Trainer):
    """Train one body with a head for each of several tasks, each of which is a trainer with data of its own.

    A batch has rows of one task. The loss of a step is the sum over the tasks in it of their weight times the mean
    of their loss over their items in the step, however these are cut into batches. A head stays as it is in steps
    without a row of its task. An epoch has as many batches as all tasks have together.
    """

    claims = frozenset({"order"})

    data: Annotated[str | None, DataReference()] = Field(
        default=None, description="The data set of the tasks that name none."
    )
    start: ModelChoice = Field(alias="model", description="Where the body that the tasks share starts.")
    tasks: Annotated[dict[str, Any], Uses("trainer", "names", given=("data", "model", "batch_size"))] = Field(
        description="The tasks by their names: each a trainer with its options. What concerns the whole training, such "
        "as `epochs` or `learning_rate`, is said outside of them."
    )
    mixing: Literal["proportional", "equal", "temperature", "annealed"] = Field(
        default="proportional",
        description="How many batches of an epoch are of each task: as many as it has (`proportional`: each row once); "
        "`equal` numbers; in proportion to those that it has to the power of 1 / `temperature` (Raffel et al. 2020), "
        "or to that of a number which falls from 1 in the first epoch to 0.2 in the last (`annealed`, Stickland and "
        "Murray 2019).",
    )
    temperature: Annotated[float | None, Usual(1.01, 20)] = Field(
        default=None, ge=1, description="Of `temperature`: 1 mixes in proportion, large ones equally; 2 if left out."
    )
    balancing: Literal["fixed", "uncertainty"] = Field(
        default="fixed",
        description="How much each task counts in the loss: as `weights` say, or as is learnt from how well the model "
        "can do it (`uncertainty`, Kendall, Gal and Cipolla 2018).",
    )
    weights: dict[str, Annotated[float, Usual(0.001, 1000), Field(gt=0)]] = Field(
        default={}, description="Of `fixed`: what a task's loss is multiplied by; 1 for a task that is not named."
    )
    uncertainty_learning_rate: Annotated[float | None, Usual(1e-4, 0.1)] = Field(
        default=None, gt=0, description="Of `uncertainty`: the rate at which weights are learnt; 0.01 if left out."
    )

    _counts: dict[str, Any] = PrivateAttr(default_factory=dict)  # all that batches of any task count, 0 of each

    @model_validator(mode="after")
    def _fits_together(self) -> MultiTask:
        check_tasks(self)
        for option, belongs, to in (
            ("temperature", self.mixing, "temperature"),
            ("weights", self.balancing, "fixed"),
            ("uncertainty_learning_rate", self.balancing, "uncertainty"),
        ):
            if getattr(self, option) and belongs != to:
                key = "mixing" if option == "temperature" else "balancing"
                raise OptionError(
                    f'`{option}` has no meaning where {key} = "{belongs}"',
                    option=option,
                    help=f'leave it out, or write {key} = "{to}"',
                )
        return self

    @property
    def offers(self) -> frozenset[str]:
        """What all tasks offer, but for what is of one task's rows alone; and that each batch tells its `task`."""
        common = [task.offers for task in self.tasks.values()]
        return frozenset.intersection(*common) - {"labels", "texts"} | {"tasks"}

    def check_with(self, technique: Technique) -> None:
        for task in self.tasks.values():
            task.check_with(technique)

    def text_columns(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys(found for task in self.tasks.values() for found in task.text_columns()))

    def columns_after(self, given: Columns) -> Columns:
        """What is read of rows to be predicted: of `given`, what any task is told its answer from."""
        for task in self.tasks.values():
            for name in reads_of(task):
                if name in given or not given.known:
                    given.need(name)
        return given

    # The tasks at work

    @functools.cached_property
    def at_work(self) -> dict[str, Trainer]:
        """The tasks' trainers, each in a part of this training."""
        return {name: self._put_to_work(name, task) for name, task in self.tasks.items()}

    def _put_to_work(self, name: str, task: Trainer) -> Trainer:
        from ladle import columns_of
        from ladle.training.plan import Plan

        part = self.setting.part(name, task.data)
        own = self.setting.start / "tasks" / name  # what `save` wrote there
        part.start = own if own.is_dir() else part.start
        options = {option: getattr(self, option) for option in OF_STAGE}
        of_task, _, metric = self.choose_by.partition("/")
        options["choose_by"] = metric if of_task == name else "loss"
        if self.auto_batch:  # batches may have been made smaller
            options["batch_size"] = self.batch_size
        trainer: Trainer = task.model_copy(update=options).within(part)
        if hasattr(self.setting, "plan"):  # else rows are predicted
            part.plan = Plan(trainer, self.setting.plan.techniques)
            with about(name):
                task.columns_after(columns_of(part.data.schema))
        if hasattr(self.setting, "model"):
            part.model = self.setting.model.of(name)
        return trainer

    def model(self) -> torch.nn.Module:
        from .model import joined

        model = joined(self._models(), self.balancing == "uncertainty")
        for name, trainer in self.at_work.items():
            trainer.setting.model = model.of(name)
        if self.setting.data_sets:
            self.setting.splits = self._splits()
        return model

    def _models(self) -> Iterator[tuple[str, torch.nn.Module]]:
        for name, trainer in self.at_work.items():
            with about(name):
                yield name, trainer.model()
            self.setting.state[name] = trainer.setting.state

    def _splits(self) -> dict[str, int]:
        """How many rows each split of all data sets of the tasks has."""
        parts = {trainer.data: trainer.setting for trainer in self.at_work.values()}
        names = dict.fromkeys(split for part in parts.values() for split in part.splits)
        return {split: sum(part.splits.get(split, 0) for part in parts.values()) for split in names}

    # Rows

    def dataset(self, split: str) -> Dataset:
        """The rows of all tasks: with a column `task`, the columns that are the same for all, and each one's own.

        The latter are called `NAME@TASK`, and are null in the rows of other tasks.
        """
        from .rows import joined

        found = {}
        for name, trainer in self.at_work.items():
            if split == _PREDICT:
                if not self._readable(name):
                    continue
                kept = [column for column in trainer.setting.data.columns if column != getattr(trainer, "target", None)]
                trainer.setting.data = trainer.setting.data.select(kept)
            elif not trainer.setting.splits.get(split):
                continue
            with about(name):
                found[name] = trainer.dataset(split)
        if split == "train":
            self._note_counts(found)
        return joined(found)

    def _readable(self, name: str) -> set[str]:
        """The ids of rows to predict in which there is anything that a task reads."""
        from .rows import with_any

        columns, data = reads_of(self.tasks[name]), self.setting.data
        return with_any(data, columns) if columns <= set(data.columns) else set()

    def _note_counts(self, rows: dict[str, Dataset]) -> None:
        """Remember what the batches of each task count: processes add up counts of all, whichever task is theirs."""
        import torch

        from ladle.training import drawn_from

        self._counts = {}
        for name, own in rows.items():
            with drawn_from(self.setting.seed, "counts", name), about(name):
                counts = self.at_work[name].batch(own.__getitems__([0]))["counts"]
            self._counts |= {f"{name}/{count}": torch.tensor(0.0) for count in (*counts, "batches")}

    def sampler(self, dataset: Dataset) -> Sampler[list[int]]:
        from ladle.training import shuffled

        from .mixing import Mixture, Passes, shares
        from .rows import own_rows, places_of

        passes = {}
        for name, trainer in self.at_work.items():
            places = places_of(dataset, name)
            own = own_rows(dataset, name)
            answered = trainer.answers("sampler")
            order = trainer.sampler(own) if answered else shuffled(own, trainer.batch_size, self.setting.seed)
            passes[name] = Passes(order, places)
        exponents = self._exponents()
        sizes = [len(task) for task in passes.values()]
        for name, task, share in zip(passes, passes.values(), shares(sizes, exponents[0]), strict=True):
            self.setting.notes[f"{name}: rows"] = f"{len(task.places):,} in {len(task):,} batches"
            self.setting.notes[f"{name}: share of the first epoch's batches"] = f"{share:.1%}"
        return Mixture(list(passes.values()), exponents, self.setting.seed)

    def _exponents(self) -> list[float]:
        """To which power the size of a task is taken in each epoch."""
        epochs = max(1, math.ceil(self.epochs))
        if self.mixing == "annealed":
            return [1 - 0.8 * epoch / max(1, epochs - 1) for epoch in range(epochs)]
        powers = {"proportional": 1.0, "equal": 0.0, "temperature": 1 / (self.temperature or _TEMPERATURE)}
        return [powers[self.mixing]] * epochs

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The batch of the task whose rows these are, with its name as `task`; counts are called `TASK/COUNT`.

        Of rows of several tasks there are the tokens alone, for what looks at the body only.
        """
        import torch

        from .rows import of_tasks, own_row, padded_together

        tasks = of_tasks(rows)
        if len(tasks) > 1:
            batches = [self.at_work[name].batch(own)["input_ids"] for name, own in tasks.items()]
            return padded_together(rows, batches)
        name = rows[0]["task"]
        with about(name):
            batch = self.at_work[name].batch([own_row(row, name) for row in rows])
        own = batch["counts"]
        counts = self._counts | {f"{name}/{count}": value for count, value in own.items()}
        counts |= {f"{name}/batches": torch.tensor(1.0), **{count: own.get(count, torch.tensor(0)) for count in _TOLD}}
        return batch | {"task": name, "counts": counts}

    # Loss and optimiser

    def loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        from ladle.training import Term

        from .model import OneTask
        from .resting import with_zero_gradients

        name = batch.get("task")
        if name is None:
            raise OptionError(
                "a technique has put rows of several tasks into one batch",
                help="leave out the technique that decides which rows stand in a batch",
            )
        whole: MultiTaskModel = self.setting.model
        own = {key: value for key, value in batch.items() if key != "task"}
        prefix = f"{name}/"
        own["counts"] = {c.removeprefix(prefix): v for c, v in batch["counts"].items() if c.startswith(prefix)}
        with about(name):
            terms = self.at_work[name].loss(OneTask(model, whole.of(name), name), own)
        for other in self.tasks:
            self.setting.tell(f"{other}/share of batches", other == name)
        self._resting.seen.add(name)
        weight, cost = self._weight(name), {}
        if self.balancing == "uncertainty":
            log_variance = whole.log_variance(name)
            weight = (-log_variance).exp()
            cost = {f"{prefix}uncertainty": Term(log_variance.reshape(1) / 2, f"{prefix}batches")}
            self.setting.tell(f"{prefix}weight", weight.item())
        idle = whole.idle(name)  # again, for losses that are not of what the forward pass gave
        return cost | {
            prefix + term: Term(with_zero_gradients(value.values, idle) * weight, prefix + value.per)
            for term, value in terms.items()
        }

    def _weight(self, name: str) -> float:
        return self.weights.get(name, 1.0)

    @functools.cached_property
    def _resting(self) -> Any:
        from .resting import Resting

        return Resting(self.setting)

    def callbacks(self) -> list[transformers.TrainerCallback]:
        return [self._resting, *(own for trainer in self.at_work.values() for own in trainer.callbacks())]

    def parameters(self, model: torch.nn.Module) -> list[dict[str, Any]]:
        """The groups of each task's trainer, those of what tasks share as the first of them has it."""
        from ladle.training import decay_groups

        from .grouping import united

        whole: MultiTaskModel = self.setting.model
        groups = []
        for name, trainer in self.at_work.items():
            own = whole.of(name)
            answered = trainer.answers("parameters")
            groups += trainer.parameters(own) if answered else decay_groups(own, self.weight_decay)
        if self.balancing == "uncertainty":
            rate = self.uncertainty_learning_rate or _UNCERTAINTY_RATE
            learnt = [whole.log_variance(name) for name in self.tasks]
            groups.append({"params": learnt, "lr": rate, "weight_decay": 0.0})
        return united(groups)

    # Measuring and using the model

    def evaluate(self, model: torch.nn.Module, dataset: Dataset) -> Measured:
        """What each task's trainer measures, its name before each metric's; `loss` is the weighted sum of theirs."""
        from .measured import joined
        from .rows import own_rows

        found = {}
        for name, trainer in self.at_work.items():
            if len(rows := own_rows(dataset, name)):
                with about(name):
                    found[name] = trainer.evaluate(self.setting.model.of(name), rows)
        return joined(found, {name: self._weight(name) for name in found}, len(dataset))

    def baseline(self, train: Dataset, test: Dataset) -> dict[str, float]:
        from .rows import own_rows

        found = {}
        for name, trainer in self.at_work.items():
            if trainer.answers("baseline") and len(rows := own_rows(test, name)):
                metrics = trainer.baseline(own_rows(train, name), rows)
                found |= {f"{name}/{metric}": value for metric, value in metrics.items()}
        return found

    @property
    def predicts(self) -> bool:
        return all(task.predicts for task in self.tasks.values())

    def predict(self, model: torch.nn.Module, dataset: Dataset) -> list[dict[str, Any]]:
        """For each row what the tasks say of it that have something to read there, by their names."""
        from .rows import own_rows

        said: dict[str, dict[str, Any]] = {id_: {} for id_ in dataset["_id"]}
        for name, trainer in self.at_work.items():
            if not len(rows := own_rows(dataset, name)):
                continue
            readable = self._readable(name)
            with about(name):
                answers = trainer.predict(self.setting.model.of(name), rows)
            for id_, answer in zip(rows["_id"], answers, strict=True):
                if id_ in readable:
                    said[id_][name] = answer
        return [said[id_] for id_ in dataset["_id"]]

    def save(self, model: torch.nn.Module, folder: Path) -> None:
        """The body, with its tokeniser; and in `tasks/NAME` the whole model of each task, as its trainer writes it."""
        from .saving import save_body

        whole: MultiTaskModel = self.setting.model
        for name, trainer in self.at_work.items():
            part = folder / "tasks" / name
            part.mkdir(parents=True)
            with whole.as_alone(name) as own:
                trainer.save(own, part)
            self.setting.state[name] = trainer.setting.state
            self.setting.notes |= {f"{name}: {note}": told for note, told in trainer.setting.notes.items()}
        save_body(whole.body, self.setting.start, folder, like=folder / "tasks" / next(iter(self.tasks)))
