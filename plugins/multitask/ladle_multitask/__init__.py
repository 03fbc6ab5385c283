"""Multi-task learning for ladle: several trainers on one body."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_trainers() -> dict[str, str]:
    return {"multi-task": "ladle_multitask.multitask:MultiTask"}


@hookimpl
def ladle_techniques() -> dict[str, str]:
    return {"pcgrad": "ladle_multitask.pcgrad:PCGrad"}
