"""Who answers the seven questions: a trainer, with its techniques around it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..components import Technique, Trainer

Question = Literal["model", "dataset", "sampler", "batch", "loss", "step", "parameters"]


@dataclass(frozen=True)
class Plan:
    """A trainer and its techniques, all within one setting."""

    trainer: Trainer
    techniques: list[Technique]

    def changed_by(self, question: Question) -> list[Technique]:
        """The techniques that have something to say to a question."""
        return [t for t in self.techniques if getattr(type(t), question) is not getattr(Technique, question)]

    def is_asked(self, question: Question) -> bool:
        """Whether the trainer or a technique answers a question, so that it is not left to the Trainer class."""
        return self.trainer.answers(question) or bool(self.changed_by(question))

    def ask(self, question: Question, fallback: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """The answer of the trainer (of the Trainer class, where it has none) with the techniques' around it."""
        answer = getattr(self.trainer, question)
        if fallback is not None and not self.trainer.answers(question):
            answer = fallback
        for technique in self.changed_by(question):
            answer = functools.partial(getattr(technique, question), answer)
        return answer
