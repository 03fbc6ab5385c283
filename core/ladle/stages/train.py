"""Training: a data set and a start become a model, measured."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import transformers
from accelerate.utils.memory import clear_device_cache

from ..components import Technique, Trainer
from ..errors import OptionError
from ..graph import model_files
from ..interrupts import Patience
from ..lock import locked_options
from ..registry import load_target
from ..rows import columns_of
from ..store import digest, write_json
from ..trained import ABOUT
from ..training.arguments import choose_device, choose_precision, training_arguments
from ..training.checkpoints import Checkpoints, last_checkpoint, restore, was_last
from ..training.gguf import convert
from ..training.loop import FirstStep, follow
from ..training.measured import Measured
from ..training.memory import BATCH, BatchSize, OutOfMemoryError, is_out_of_memory, memory_problem, shapes
from ..training.plan import Plan
from ..training.scratch import make_scratch
from ..training.setting import Setting
from ..training.watch import Watch
from .work import Outcome, Work

if TYPE_CHECKING:
    from datasets import Dataset

CHECKPOINTS = "checkpoints"  # in the folder of a stage under way


def train(work: Work) -> Outcome:
    """Train the model, measure it on what was held out, and save both.

    With `auto_batch` a training that memory is too small for begins again with smaller batches.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    trainer = work.component
    assert isinstance(trainer, Trainer)
    size = BatchSize.remembered(work.folder) or BatchSize(trainer.batch_size, trainer.accumulate)
    while True:
        try:
            return _train(work, trainer.model_copy(update=size._asdict()))
        except OutOfMemoryError as error:
            smaller = size.smaller() if trainer.auto_batch else None
            if smaller is None:
                raise memory_problem(work.stage.title, error, size, choose_device(trainer.device)) from error
        size = smaller
        size.remember(work.folder)
        shutil.rmtree(work.folder / CHECKPOINTS, ignore_errors=True)
        work.events.emit("smaller-batches", stage=work.stage.name, **size._asdict())
        clear_device_cache(garbage_collection=True)


def _train(work: Work, trainer: Trainer) -> Outcome:
    setting = _setting(work, trainer)
    plan = setting.plan = _plan(work, trainer, setting)
    transformers.set_seed(setting.seed)
    setting.model = plan.ask("model")().to(setting.device)
    rows = plan.ask("dataset")("train")
    if len(rows) == 0:
        raise work.error("there is no row to train on", "look at the split, and at rows without a label")
    training = _fit(work, plan, rows) if trainer.epochs > 0 else {}
    training |= {
        "device": setting.device,
        "precision": setting.precision,
        "parameters": sum(p.numel() for p in setting.model.parameters()),
        "trainable_parameters": sum(p.numel() for p in setting.model.parameters() if p.requires_grad),
    }
    plan.take_off(setting.model)
    if (work.folder / BATCH).is_file():
        setting.notes["batches made smaller"] = f"{trainer.batch_size} rows, {trainer.accumulate} to a step"
    _measure(work, plan, rows, training)
    _save(work, plan.trainer, setting)
    shutil.rmtree(work.folder / CHECKPOINTS, ignore_errors=True)
    (work.folder / BATCH).unlink(missing_ok=True)
    rows = sum(setting.splits.values())
    flow = trainer.columns_after(columns_of(setting.data.schema)).as_json()
    return Outcome(rows, rows, 0, {"splits": setting.splits, "notes": setting.notes}, flow)


def _setting(work: Work, trainer: Trainer) -> Setting:
    start, start_key = _start(work, trainer)
    data_sets = work.stage.data_sets
    main = trainer.data or next(iter(data_sets))  # of a trainer made of others the first one's
    data_keys = {name: digest([stage.key for stage in stages]) for name, stages in data_sets.items()}
    setting = Setting(
        name=work.stage.name,
        data=work.rows_of(data_sets[main]),
        data_sets={name: work.rows_of(stages) for name, stages in data_sets.items()},
        start=start,
        seed=work.recipe.seed,
        device=(device := choose_device(trainer.device)),
        precision=choose_precision(trainer.precision, device),
        keys={
            "data": data_keys[main],
            "start": start_key,
            "versions": digest(work.stage.versions),
        },
        data_keys=data_keys,
        store=work.store,
        events=work.events,
    )
    if trainer.start and trainer.start.scratch:
        setting.begin_at(make_scratch(trainer.start, trainer, setting))
    elif file := _gguf(trainer):
        parts = {"file": work.store.hash_files([file])}
        setting.begin_at(setting.keep("the model of a GGUF file", parts, lambda folder: convert(file, folder)))
    return setting


def _gguf(trainer: Trainer) -> Path | None:
    location = trainer.start.location if trainer.start else None
    return location.file if location else None


def _start(work: Work, trainer: Trainer) -> tuple[Path | None, str]:
    """The folder of the model to start from, and the key of its content."""
    if trainer.start is None or trainer.start.scratch or _gguf(trainer):
        return None, ""
    folder = trainer.start.fetch()
    if trainer.start.stage:
        return folder, work.stage.models[trainer.start.stage].key
    return folder, digest(work.store.hash_files(model_files(folder)))


def _plan(work: Work, trainer: Trainer, setting: Setting) -> Plan:
    given = columns_of(setting.data.schema)
    trainer.columns_after(given)  # checked again, on what the rows really have
    techniques = []
    for used in work.stage.techniques:
        assert isinstance(used.component, Technique)
        used.component.columns_after(given)
        techniques.append(work.placed(used.component).within(setting))
    return Plan(trainer.within(setting), techniques)


def _fit(work: Work, plan: Plan, rows: Dataset) -> dict[str, Any]:
    """Train; what is returned tells how it went. A checkpoint of an earlier attempt is gone on from."""
    trainer, setting = plan.trainer, plan.trainer.setting
    held_out = trainer.dataset("validation") if setting.splits.get("validation") else None
    if trainer.early_stopping and not held_out:
        raise OptionError(
            "early stopping needs rows to validate on, and the validation split has none",
            option="early_stopping",
            help="look at the split, and at rows without a label",
        )
    patience = Patience(lambda: work.events.emit("interrupting", stage=work.stage.name))
    callbacks = [FirstStep(), Checkpoints(setting, patience), watch := Watch(setting)]
    callbacks += [c for part in (trainer, *plan.techniques) for c in part.callbacks()]
    if trainer.early_stopping:
        callbacks.append(transformers.EarlyStoppingCallback(trainer.early_stopping))
    loop = watch.loop = _loop(work, plan, rows, held_out or None, callbacks)
    folder = work.folder.absolute() / CHECKPOINTS
    checkpoint = last_checkpoint(folder)
    started = time.monotonic()
    try:
        if checkpoint and was_last(checkpoint):
            restore(loop, checkpoint)
        else:
            with patience.waiting():
                loop.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except Exception as error:
        last_checkpoint(folder)  # a full disk may have left a half-written one
        if is_out_of_memory(error):
            doing = f"in step {loop.state.global_step + 1} of {loop.state.max_steps}, with {shapes(loop.batch)}"
            raise OutOfMemoryError(doing) from error
        raise
    seconds = time.monotonic() - started
    setting.model = loop.accelerator.unwrap_model(loop.model, keep_fp32_wrapper=False)
    write_json(work.folder / "history.json", loop.state.log_history)
    return {"seconds": round(seconds, 3), "steps": loop.state.global_step} | watch.throughput()


def _loop(work: Work, plan: Plan, rows: Dataset, held_out: Dataset | None, callbacks: list[Any]) -> Any:
    """The Trainer class that the trainer names, at work on these rows."""
    trainer = plan.trainer
    return follow(load_target(trainer.trainer_class))(
        model=trainer.setting.model,
        args=training_arguments(trainer, work.folder.absolute() / CHECKPOINTS, len(rows), held_out is not None),
        train_dataset=rows,
        eval_dataset=held_out,
        callbacks=callbacks,
        plan=plan,
        aside=work.aside,
        **({"data_collator": trainer.batch} if trainer.answers("batch") else {}),
        **trainer.trainer_options(),
    )


def _measure(work: Work, plan: Plan, rows: Dataset, training: dict[str, Any]) -> None:
    """Write the metrics of every split that was held out, and the tables and mistakes that a report shows."""
    trainer = plan.trainer

    def measure(split: str) -> Measured:
        held_out = trainer.dataset(split)
        if trainer.measures:
            return trainer.evaluate(trainer.setting.model, held_out)
        return Measured(_loop(work, plan, rows, held_out, []).own_metrics(held_out))

    found: dict[str, Measured] = {}
    for split in ("validation", "test"):
        if trainer.setting.splits.get(split) and len(trainer.dataset(split)):
            found[split] = plan.around("measure", measure)(split)
    metrics: dict[str, Any] = {split: measured.metrics for split, measured in found.items()}
    if "test" in found and trainer.answers("baseline"):
        metrics["baseline"] = trainer.baseline(trainer.dataset("train"), trainer.dataset("test"))
    intervals = {split: measured.intervals for split, measured in found.items()}
    write_json(work.folder / "metrics.json", metrics | {"intervals": intervals, "training": training})
    details = {split: {"tables": measured.tables, "mistakes": measured.mistakes} for split, measured in found.items()}
    write_json(work.folder / "details.json", details)


def _save(work: Work, trainer: Trainer, setting: Setting) -> None:
    folder = work.folder / "model"
    folder.mkdir(exist_ok=True)
    trainer.save(setting.model, folder)
    outer = work.stage.used
    assert outer
    told = locked_options(outer.component, outer, work.recipe.secrets)
    write_json(folder / ABOUT, {"use": outer.name, "options": told, "state": setting.state})
    for used in outer.inner:
        part = folder.joinpath(*map(str, used.at[len(outer.at) :]))
        if isinstance(used.component, Trainer) and part.is_dir():  # one of several, which has left its own model
            given = {name: told[name] for name in used.given if name in told}
            options = given | locked_options(used.component, used, work.recipe.secrets)
            write_json(part / ABOUT, {"use": used.name, "options": options, "state": setting.state[part.name]})
