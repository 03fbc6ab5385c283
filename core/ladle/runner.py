"""Running a recipe: stage after stage, each worked out once and kept in the store."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from .components import Writer
from .disk import disk_problem, telling_of_the_disk
from .errors import TRAINER, LadleError, OptionError, Problem, StageError
from .events import EventLog, Events, Listener
from .graph import Stage, leading_to, stages_of
from .interrupts import at_once, handling
from .recipe.model import Recipe
from .recipe.spans import Path as TomlPath
from .registry import PluginError
from .runs import Run, Runs, link, link_tree
from .store import STATE, Store, files_in, read_json

# Imported when a stage has to be worked out: a finished recipe runs again without pyarrow, let alone torch.
_WORKERS = {
    "source": "collect:collect",
    "split": "split:split",
    "clean": "transform:transform",
    "extract": "transform:transform",
    "label": "transform:transform",
    "write": "write:write",
    "train": "train:train",
}


def run(recipe: Recipe, runs: Runs, *listeners: Listener, until: str | None = None) -> Run:
    """Run a recipe to its end and give the run; with `until` to the end of that stage, so that a later call goes on.

    Raises RecipeError if there is no such stage, StageError if one fails, LadleError if the disk refuses something
    else; whatever was whole before stays
    in the store. A KeyboardInterrupt is noted in the run and passed on.
    """
    with telling_of_the_disk(runs.root):
        store = runs.store
        stages = stages_of(recipe, store)
        wanted = stages if until is None else leading_to(stages, until)
        if (earlier := runs.same(recipe, stages)) and all(is_done(stage, store) for stage in stages):
            for stage in stages:
                store.note_use(stage.key)
            Events(*listeners).emit("nothing-to-do", run=earlier.name)
            return earlier
        with runs.at_work(recipe, stages) as this, handling(at_once):
            events = Events(EventLog(this.folder / "events.jsonl"), *listeners, redact=recipe.secrets.redact)
            return _Execution(recipe, this, store, stages, events).run(wanted)


def is_done(stage: Stage, store: Store) -> bool:
    """Whether a stage's outcome is there, and the file that it wrote is still as it was."""
    if not store.holds(stage.key):
        return False
    if not isinstance(stage.component, Writer):
        return True
    written = store.outcome(stage.key)["details"]["content"]
    return stage.component.path.is_file() and store.hash_files([stage.component.path]) == [written]


class _Execution:
    def __init__(self, recipe: Recipe, this: Run, store: Store, stages: list[Stage], events: Events) -> None:
        self.recipe = recipe
        self.this = this
        self.store = store
        self.stages = stages
        self.events = events
        self.done: list[dict[str, Any]] = []
        self.started = time.monotonic()

    def run(self, wanted: Sequence[Stage]) -> Run:
        begun = (self.this.folder / "events.jsonl").exists()
        self.events.emit(
            "run-resumed" if begun else "run-started",
            run=self.this.name,
            recipe=self.recipe.name,
            stages=len(self.stages),
            done=sum(is_done(stage, self.store) for stage in self.stages),
        )
        try:
            with warnings.catch_warnings():
                warnings.showwarning = self._warned  # libraries' warnings are for the log, not for the terminal
                for stage in wanted:
                    self._stage(stage)
        except BaseException as error:
            with suppress(OSError):  # what stopped the run is told, not that it could not be noted
                self._finish("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
            raise
        self._finish("done" if len(wanted) == len(self.stages) else "stopped")
        return self.this

    def _warned(self, message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        self.events.emit("warning", category=category.__name__, message=str(message))

    def _finish(self, status: str) -> None:
        outcome = self._outcome(status)
        self.this.save_outcome(outcome)
        if status == "done":
            from .report import write_report

            write_report(self.this, self.store)
        self.events.emit("run-ended", run=self.this.name, status=status, seconds=outcome["seconds"])

    def _stage(self, stage: Stage) -> None:
        started = time.monotonic()
        self.events.emit("stage-started", stage=stage.name, kind=stage.kind, use=stage.use)
        reused = is_done(stage, self.store)
        try:
            if not reused:
                reused = not self._work(stage, started)
        except BaseException:
            self.done.append(_entry(stage, "failed", time.monotonic() - started, {}))
            raise
        self.store.note_use(stage.key)
        outcome = self.store.outcome(stage.key)
        seconds = 0.0 if reused else outcome["seconds"]
        entry = _entry(stage, "reused" if reused else "done", seconds, outcome)
        self.done.append(entry)
        self.this.learn_columns(stage.name, outcome["flow"])
        folder = self.store.folder(stage.key)
        if stage.kind == "train":
            link_tree(folder / "model", self.this.model(stage.name))
        elif (folder / STATE).is_file():
            self.this.learnt(stage.name).mkdir(parents=True, exist_ok=True)
            link(folder / STATE, self.this.learnt(stage.name) / STATE)
        self.events.emit("stage-ended", stage=stage.name, **{k: v for k, v in entry.items() if k != "name"})

    def _work(self, stage: Stage, started: float) -> bool:
        """Work a stage out; False if another run has, while this one waited."""
        from .stages.work import Work, check_balance

        module, _, name = _WORKERS[stage.kind].partition(":")
        work_out: Callable[[Work], Any] = getattr(import_module(f".stages.{module}", __package__), name)
        keep = stage.kind == "train"
        with self.store.making(
            stage.key,
            keep,
            is_stale=lambda: not is_done(stage, self.store),
            on_wait=lambda: self.events.emit("waiting", stage=stage.name, kind=stage.kind, use=stage.use),
        ) as folder:
            if folder is None:
                return False
            work = Work(stage, self.recipe, self.store, folder, self.this.aside(stage.name), self.events)
            try:
                outcome = work_out(work)
                check_balance(work, outcome)
                outcome.details = self.recipe.secrets.redact(outcome.details)
                outcome.save(folder, stage, round(time.monotonic() - started, 3))
            except (LadleError, KeyboardInterrupt):
                raise
            except Exception as error:
                raise self._failure(stage, error, folder) from error
        return True

    def _failure(self, stage: Stage, error: Exception, folder: Path) -> StageError:
        """A component's error as the reader of the recipe meets it."""
        if isinstance(error, OptionError):  # what only the rows or the model could show
            problems = self.recipe.problems.afresh()
            problems.add_option_error(error, _place(stage, error))
            return StageError(problems.found)
        if isinstance(error, PluginError):
            return StageError(
                Problem(
                    "plugin",
                    self.recipe.secrets.redact(f"{stage.title}: {error}"),
                    "this is a fault of the plugin; tell its author",
                )
            )
        place = stage.component.path if isinstance(stage.component, Writer) else folder
        written = 0 if stage.kind == "train" else sum(stat.st_size for _, stat in files_in(folder))
        if problem := disk_problem(error, place, stage.title, written):
            return StageError(problem._replace(message=self.recipe.secrets.redact(problem.message)))
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        message = self.recipe.secrets.redact(f"{stage.title} failed: {what}")
        return StageError(Problem("stage", message, "run again with --debug for the traceback"))

    def _outcome(self, status: str) -> dict[str, Any]:
        metrics = {}
        for stage in self.stages:
            if stage.kind == "train" and self.store.holds(stage.key):
                metrics[stage.name] = read_json(self.store.folder(stage.key) / "metrics.json")
        return {
            "run": self.this.name,
            "recipe": self.recipe.name,
            "status": status,
            "seconds": round(time.monotonic() - self.started, 3),
            "stages": self.done,
            "metrics": metrics,
            "report": str(self.this.report) if status == "done" else None,
        }


def _place(stage: Stage, error: OptionError) -> TomlPath:
    """The table of the recipe that an error is about."""
    if stage.used is None:
        return ("data", stage.name.removesuffix(".split"), "split")
    number = error.component
    return (stage.used if number is None or number == TRAINER else stage.techniques[number]).at


def _entry(stage: Stage, status: str, seconds: float, outcome: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": stage.name,
        "kind": stage.kind,
        "use": stage.use,
        "status": status,
        "seconds": round(seconds, 3),
        "rows_in": outcome.get("rows_in"),
        "rows_out": outcome.get("rows_out"),
        "rejects": outcome.get("rejects"),
    }
