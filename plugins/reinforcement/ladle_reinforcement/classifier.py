"""A reward that a model gives."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ladle import ModelChoice, NotInKey, Usual

from .reward import Prompt, Reward, Rows

if TYPE_CHECKING:
    from .judges import Judge


class Classifier(Reward):
    """What a model says of answers: the probability of a class, or the score of a reward model.

    The model is one of an earlier train stage (`reward-model`, `text-classification`, …), or any classifier of texts in
    Hugging Face layout.
    """

    start: ModelChoice = Field(alias="model", description="The model that is asked.")
    label: str | None = Field(
        default=None,
        description="The class whose probability is the reward; left out for a model that says one number.",
    )
    sees: Literal["auto", "answer", "conversation"] = Field(
        default="auto",
        description="What the model reads: the answer alone, or the prompt with it. `auto` shows a model that says one "
        "number both, and one that knows classes the answer.",
    )
    batch_size: Annotated[int, NotInKey(), Usual(1, 2048)] = Field(
        default=32, gt=0, description="Answers that the model reads at once."
    )

    @functools.cached_property
    def _judge(self) -> Judge:
        from .judges import judge_in

        return judge_in(self.start.fetch(), self.label, self.batch_size)

    def score(self, prompts: list[Prompt], answers: list[str], rows: Rows) -> list[float]:
        sees = ("answer" if self.label else "conversation") if self.sees == "auto" else self.sees
        return self._judge([None if sees == "answer" else prompt for prompt in prompts], answers)
