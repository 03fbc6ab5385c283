"""A reward: what plugins offer under `ladle_rewards`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from pydantic import Field

from ladle import Component

Prompt = str | list[dict[str, str]]
"""What a model answers: a text that it goes on from, or a conversation, each message with its `role` and `content`."""

Rows = list[dict[str, Any]]


class Reward(Component):
    """Says how good answers are."""

    kind = "reward"

    tells_right: ClassVar[bool] = False
    """Whether a reward of 1 says that an answer is the right one."""

    weight: float = Field(
        default=1.0,
        description="By what it is multiplied in the sum of all rewards: less than 0 for what is not wanted, 0 for "
        "what is only to be watched.",
    )
    name: str | None = Field(
        default=None,
        min_length=1,
        description="What its curves and metrics are called; what it is itself called if left out.",
    )

    def score(self, prompts: list[Prompt], answers: list[str], rows: Rows) -> Sequence[float | None]:
        """How good each answer is, [answers]: the higher the better; None where it cannot be said.

        `rows` are the rows of the data set that the prompts come from, with all their columns. One prompt comes as
        often as it is answered.
        """
        raise NotImplementedError

    def called(self) -> str:
        """The name of its curves."""
        return self.name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", type(self).__name__).lower()


def reward_of(function: Callable[[list[Prompt], list[str], Rows], Sequence[float | None]]) -> type[Reward]:
    """A reward without options of its own, from a function that scores as `Reward.score` does.

    Its documentation, and the name of its curves, are the function's.
    """
    return type(
        function.__name__.title().replace("_", ""),
        (Reward,),
        {
            "__module__": function.__module__,
            "__doc__": function.__doc__,
            "score": lambda self, prompts, answers, rows: function(prompts, answers, rows),
        },
    )


def asked(prompt: Prompt) -> str:
    """A prompt as a person reads it: the text, or the last message of the conversation."""
    return prompt if isinstance(prompt, str) else prompt[-1]["content"]
