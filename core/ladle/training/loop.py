"""The training loop: any `transformers.Trainer` class, made to follow a plan's answers.

What this adds to the class below it: the loss is averaged once over the whole optimiser step, so that
accumulation, padding, several processes and stacked techniques cannot change the objective; techniques are
seen in training only; a batch is put together with random numbers of its own, so that a training that goes on
from a checkpoint draws the same; after the first step every trainable parameter must have a gradient; and a loss
that is no number, or grows beyond bounds, ends the training.
"""

from __future__ import annotations

import collections
import functools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from torch.utils.data import BatchSampler, DataLoader

from ..errors import Problem, StageError, did_you_mean
from ..rows import ID
from .divergence import LossGuard, keep_batch
from .parameters import check_gradients, check_groups, decay_groups
from .plan import Plan
from .randomness import drawn_from
from .samplers import shuffled
from .terms import Term, Terms, average

if TYPE_CHECKING:
    from datasets import Dataset
    from torch.utils.data import Sampler

_TIMINGS = ("_runtime", "_per_second", "_preparation_time", "total_flos")

_Below: Any = object  # stands for the Trainer class that `follow` puts below


class PlanTrainer(_Below):
    """Goes before a `transformers.Trainer` class in a subclass of both: see `follow`."""

    loss_is_scaled_for_ga = True  # the average spans the accumulated batches

    data_collator: Any
    optimizer: Any
    control: Any

    def __init__(self, *args: Any, plan: Plan, aside: Path, **options: Any) -> None:
        self.plan = plan
        self.aside = aside
        """Where a batch is kept that the training failed on."""
        self.batch: dict[str, Any] = {}
        """The batch in work."""
        self.seen: dict[str, torch.Tensor] = {}
        """How much has been trained on in this process, by count."""
        self.evaluating = 0.0
        """Seconds spent on evaluation in this process."""
        self._counts: dict[str, torch.Tensor] = {}
        self._told: dict[str, torch.Tensor] = {}
        self._shares: dict[str, torch.Tensor] = {}  # of each term in the loss, since the last log
        self._in_step = False
        self._guard = LossGuard() if plan.trainer.on_divergence == "stop" else None
        self._waiting: collections.deque[list[str]] = collections.deque()  # ids of the rows of batches to come
        super().__init__(*args, **options)
        self.remove_callback(transformers.PrinterCallback)  # what it prints, events tell
        # names that no class below has for its own
        self._plan_batch = plan.ask("batch", self.data_collator)
        self._plan_loss = plan.ask("loss", self._own_loss)
        self._plan_step = plan.ask("step", self._own_step)

    # Rows into batches

    def get_train_dataloader(self) -> DataLoader[Any]:
        with self._collating(self._collate):
            if not self.plan.is_asked("sampler"):
                return super().get_train_dataloader()
            sampler = self.plan.ask("sampler", self._own_sampler)(self.train_dataset)
            if hasattr(sampler, "set_epoch"):
                self.add_callback(_Epochs(sampler))
            loader = DataLoader(
                self.train_dataset,
                batch_sampler=sampler,
                collate_fn=self._collate,
                num_workers=self.args.dataloader_num_workers,
                pin_memory=self.args.dataloader_pin_memory,
                persistent_workers=self.args.dataloader_persistent_workers,
            )
            return self.accelerator.prepare(loader)

    def _own_sampler(self, dataset: Dataset) -> Sampler[list[int]]:
        """Rows in the order of the class below, if it has one of its own; else shuffled."""
        trainer = self.plan.trainer
        if super()._get_train_sampler.__func__ is transformers.Trainer._get_train_sampler:
            return shuffled(dataset, trainer.batch_size, trainer.setting.seed)
        return BatchSampler(super()._get_train_sampler(dataset), self._train_batch_size, self.args.dataloader_drop_last)

    def _collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        if isinstance(rows[0], dict) and ID in rows[0] and not self.args.dataloader_num_workers:
            self._waiting.append([row[ID] for row in rows])
        with drawn_from(self.args.seed, int(self.state.epoch or 0), rows[0]):
            return self._plan_batch(rows)

    @contextmanager
    def _collating(self, collate: Callable[..., Any]) -> Iterator[None]:
        """Techniques' batches are for training: evaluation goes on with the class's own."""
        own, self.data_collator = self.data_collator, collate
        try:
            yield
        finally:
            self.data_collator = own

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> dict[str, torch.Tensor]:
        """The counts of all batches of a step, over all processes."""
        counts = {"batches": torch.tensor(float(len(batch_samples)))}
        for batch in batch_samples:
            for name, count in _counts_of(batch).items():
                counts[name] = counts.get(name, 0) + torch.as_tensor(count).float()
        totals = torch.stack([count.to(device) for count in counts.values()])
        if self.accelerator.num_processes > 1:
            totals = self.accelerator.reduce(totals, "sum")
        step = dict(zip(counts, totals.unbind(), strict=True))
        for name, total in step.items():
            self.seen[name] = self.seen.get(name, 0) + total
        return step

    # Loss and step

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: dict[str, torch.Tensor] | None = None
    ) -> torch.Tensor:
        self._counts = num_items_in_batch or {}
        self.batch = inputs
        ids = self._waiting.popleft() if self._waiting else []
        self._in_step = True
        try:
            loss = self._plan_step(model, inputs)
        finally:
            self._in_step = False
        if self._guard and (fault := self._guard.fault(loss.item(), self.accelerator.sync_gradients)):
            raise self._diverged(fault, ids)
        if not self._shares:
            self._shares_from = self.state.global_step
        for name, share in self._told.items():
            self._shares[name] = self._shares.get(name, 0) + share
        return loss

    def _diverged(self, fault: str, ids: list[str]) -> StageError:
        keep_batch(self.aside, self.batch, ids, self.plan.trainer.setting.data_sets.values())
        rate = self._get_learning_rate()
        message = (
            f"{self.plan.trainer.setting.name}: {fault} (step {self.state.global_step + 1}, learning rate {rate:.3g})"
        )
        help = (
            f"lower `learning_rate` ({self.args.learning_rate:g}), or look for values out of range in the batch, which "
            f'is kept in {self.aside}; on_divergence = "go-on" trains on regardless'
        )
        return StageError(Problem("divergence", message, help))

    def _own_step(self, model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        return super().training_step(model, batch, self._counts)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        if not self._in_step:  # evaluation by a class that measures itself
            return super().compute_loss(model, _without_counts(inputs), return_outputs)
        shares = average(self._plan_loss(model, inputs), self._counts)
        self._told = {name: share.detach() for name, share in shares.items()}  # of several passes, the last one's
        return sum(shares.values()) * self.accelerator.num_processes  # gradients are averaged over processes

    def _own_loss(self, model: torch.nn.Module, batch: dict[str, Any]) -> Terms:
        loss = super().compute_loss(model, _without_counts(batch))
        if super().loss_is_scaled_for_ga:  # it is the batch's share of the step's: of such, the average is not the sum
            loss = loss * self.current_gradient_accumulation_steps
        return {"loss": Term(loss.reshape(1), per="batches")}

    # Optimiser

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            module = self.model if model is None else model
            own = functools.partial(decay_groups, weight_decay=self.args.weight_decay)
            groups = self.plan.ask("parameters", own)(module)
            check_groups(module, groups)
            optimizer_class, options = self.get_optimizer_cls_and_kwargs(self.args, module)
            self.optimizer = optimizer_class(groups, **options)
        return self.optimizer

    # What is told

    def own_metrics(self, rows: Dataset) -> dict[str, float]:
        """What the class below measures by itself on the rows that this loop was given to evaluate."""
        metrics = _without_timings(super().evaluate(metric_key_prefix="eval"))
        return {name.removeprefix("eval_"): value for name, value in metrics.items()} | {"rows": len(rows)}

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        logs = _without_timings(logs)
        if "loss" in logs and self._shares:
            steps = self.state.global_step - self._shares_from
            logs |= {f"loss/{name}": share.item() / steps for name, share in self._shares.items()}
            self._shares = {}
            logs |= self.plan.trainer.setting.told()
        super().log(logs, start_time)

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> Any:
        if not self.plan.trainer.measures:
            return super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
        started = time.monotonic()
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        measured = self.plan.trainer.evaluate(self.model, dataset)
        self.evaluating += time.monotonic() - started
        chosen = self.plan.trainer.choose_by
        if chosen not in measured.metrics:
            help = did_you_mean(chosen, list(measured.metrics), "there are")
            raise StageError(Problem("metric", f"`choose_by`: no metric `{chosen}`", help))
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in measured.metrics.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def follow(base: type[transformers.Trainer]) -> type[transformers.Trainer]:
    """The Trainer class `base`, made to follow a plan, which its constructor takes as `plan`."""
    return type(f"Ladle{base.__name__}", (PlanTrainer, base), {})


class FirstStep(transformers.TrainerCallback):
    """Stops a training in which a trainable parameter has no gradient after the first step."""

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step == 0:
            check_gradients(model)


class _Epochs(transformers.TrainerCallback):
    """Tells a sampler the epoch, also where a Trainer cannot: within an epoch that several processes go on with."""

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.sampler.set_epoch(int(state.epoch or 0))


def _without_timings(logs: dict[str, float]) -> dict[str, float]:
    """What the class below tells, without speeds, which count evaluation as training (Watch tells better ones)."""
    return {name: value for name, value in logs.items() if not name.endswith(_TIMINGS)}


def _counts_of(batch: Any) -> dict[str, Any]:
    """The counts of a batch; the Trainer class below may have batches of another kind, which have none."""
    return batch.get("counts", {}) if isinstance(batch, Mapping) else {}


def _without_counts(batch: Any) -> Any:
    return {name: value for name, value in batch.items() if name != "counts"} if isinstance(batch, Mapping) else batch
