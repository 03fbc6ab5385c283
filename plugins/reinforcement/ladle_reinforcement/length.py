"""A reward for answers of a wanted length."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ladle import OptionError

from .reward import Prompt, Reward, Rows


class Length(Reward):
    """1 for answers whose length is in a range; beyond it, the reward falls in a straight line to 0."""

    least: int = Field(default=0, ge=0, description="The shortest length that is wanted.")
    most: int = Field(ge=0, description="The longest length that is wanted.")
    fall: int = Field(
        default=0, ge=0, description="How far beyond the range the reward reaches 0; at once if this is 0."
    )
    unit: Literal["characters", "words"] = Field(
        default="characters", description="What is counted; words are what stands between white space."
    )

    @model_validator(mode="after")
    def _is_a_range(self) -> Length:
        if self.least > self.most:
            raise OptionError(
                f"no length is at least {self.least} and at most {self.most}",
                option="least",
                help="lower `least`, or raise `most`",
            )
        return self

    def score(self, prompts: list[Prompt], answers: list[str], rows: Rows) -> list[float]:
        return [self._score(len(answer.split()) if self.unit == "words" else len(answer)) for answer in answers]

    def _score(self, length: int) -> float:
        beyond = max(self.least - length, length - self.most, 0)
        return max(0.0, 1 - beyond / self.fall) if self.fall else float(beyond == 0)
