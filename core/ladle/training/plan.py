"""Who answers the seven questions: a trainer, with its techniques around it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..components import Technique, Trainer
from ..errors import TRAINER, OptionError

if TYPE_CHECKING:
    import torch

Question = Literal["model", "dataset", "sampler", "batch", "loss", "step", "parameters"]


@dataclass(frozen=True)
class Plan:
    """A trainer and its techniques, all within one setting."""

    trainer: Trainer
    techniques: list[Technique]

    def is_asked(self, question: Question) -> bool:
        """Whether the trainer or a technique answers a question, so that it is not left to the Trainer class."""
        return self.trainer.answers(question) or any(_wraps(technique, question) for technique in self.techniques)

    def ask(self, question: Question, fallback: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """The answer of the trainer (of the Trainer class, where it has none) with the techniques' around it."""
        answer = fallback
        if fallback is None or self.trainer.answers(question):
            answer = functools.partial(_signed, TRAINER, getattr(self.trainer, question))
        assert answer is not None
        return self.around(question, answer)

    def around(self, question: Question | Literal["measure"], answer: Callable[..., Any]) -> Callable[..., Any]:
        """An answer with the techniques' around it."""
        for number, technique in enumerate(self.techniques):
            if _wraps(technique, question):
                answer = functools.partial(_signed, number, getattr(technique, question), answer)
        return answer

    def take_off(self, model: torch.nn.Module) -> None:
        """Let the techniques leave of a model what is the trainer's."""
        for number, technique in reversed([*enumerate(self.techniques)]):
            _signed(number, technique.take_off, model)


def _wraps(technique: Technique, question: Question | Literal["measure"]) -> bool:
    """Whether a technique has something to say to a question."""
    return getattr(type(technique), question) is not getattr(Technique, question)


def _signed(number: int, method: Callable[..., Any], *given: Any) -> Any:
    """What one of a stage's components answers; an OptionError remembers which of them raised it."""
    try:
        return method(*given)
    except OptionError as error:
        if error.component is None:
            error.component = number
        raise
