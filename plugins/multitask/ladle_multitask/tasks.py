"""What can be a task of a multi-task training, and what is to be said of a task where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ladle import OptionError, Trainer
from ladle.columns import Columns

if TYPE_CHECKING:
    from .multitask import MultiTask

OF_STAGE = (
    "epochs",
    "accumulate",
    "auto_batch",
    "learning_rate",
    "schedule",
    "warmup",
    "weight_decay",
    "clip",
    "early_stopping",
    "choose_by",
    "on_divergence",
    "device",
    "precision",
    "arguments",
)
"""Options of every trainer that concern the whole training."""
_ANSWERED = ("model", "dataset", "batch", "loss", "save")
_NAME = re.compile(r"[\w-]+")


@contextmanager
def about(name: str) -> Iterator[None]:
    """An OptionError that a task's trainer raises is shown in the task's table."""
    try:
        yield
    except OptionError as error:
        if error.path[:1] != ("tasks",):
            error.option = ("tasks", name, *error.path)
        raise


def reads_of(task: Trainer) -> set[str]:
    """The columns that a task is told its answer from: all that it reads but its target."""
    return task.columns_after(Columns({}, known=False)).read - {getattr(task, "target", None)}


def check_tasks(stage: MultiTask) -> None:
    """Raises OptionError if there is one task only, or one that cannot be trained together with others."""
    if stage.tasks is None:  # so that nothing else is looked for in what stands for a table with mistakes
        raise OptionError("the tasks have mistakes", option="tasks")
    if len(stage.tasks) < 2:
        raise OptionError(
            f"there {'is only one task' if stage.tasks else 'is no task'}: nothing is shared",
            option="tasks",
            help="add a [train.tasks.NAME] table, or use the trainer of the task itself",
        )
    for name, task in stage.tasks.items():
        if not _NAME.fullmatch(name):
            raise OptionError(
                f"`{name}` cannot be the name of a task", option=("tasks", name), help="use letters, digits, - and _"
            )
        with about(name):
            _check_kind(task)
            _check_options(task, stage)
    for name in stage.weights:
        if name not in stage.tasks:
            help = f"the tasks are: {', '.join(stage.tasks)}"
            raise OptionError(f"no task `{name}`", option=("weights", name), help=help)


def _check_kind(task: Trainer) -> None:
    """Raises OptionError if a trainer needs a loop of its own, or has no body that others could share."""
    help = "train it in a stage of its own"
    if hasattr(task, "tasks"):
        raise OptionError("a task cannot be made of tasks", option="use", help="name its tasks beside the others")
    if task.trainer_class != Trainer.trainer_class:
        raise OptionError(
            f"this trainer runs on {task.trainer_class}, which cannot be shared with other tasks",
            option="use",
            help=help,
        )
    if missing := [question for question in _ANSWERED if not task.answers(question)]:
        raise OptionError(f"this trainer leaves {' and '.join(missing)} to the loop", option="use", help=help)
    if not task.measures:
        raise OptionError("this trainer leaves it to the loop to measure the model", option="use", help=help)
    if task.answers("step"):
        raise OptionError("this trainer makes steps of its own", option="use", help=help)
    if "embeddings" not in task.offers:
        raise OptionError("the model of this trainer has no body that reads tokens", option="use", help=help)


def _check_options(task: Trainer, stage: MultiTask) -> None:
    """Raises OptionError if a task says something that concerns the whole training."""
    if task.start is not None and task.start != stage.start:
        raise OptionError(
            "the tasks share one model: this one cannot start from another",
            option="model",
            help="name the model in the [[train]] table alone",
        )
    for option in OF_STAGE:
        if getattr(task, option) not in (getattr(stage, option), _default(task, option)):
            raise OptionError(
                f"`{option}` concerns the whole training, and this task has it otherwise",
                option=option,
                help="say it in the [[train]] table, and leave it out here",
            )
    if stage.auto_batch and task.batch_size != stage.batch_size:
        raise OptionError(
            "with `auto_batch` the batches of all tasks are of one size",
            option="batch_size",
            help="leave it out here, or leave out `auto_batch`",
        )


def _default(task: Trainer, option: str) -> Any:
    return type(task).model_fields[option].default
