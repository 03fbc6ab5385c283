"""How texts are continued, as a recipe says it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ladle import Usual


class Continuation(BaseModel):
    """How a text is continued."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    max_new_tokens: Annotated[int, Usual(1, 16_384)] = Field(
        default=64, gt=0, description="Tokens after which a continuation stops, if it has not ended before."
    )
    temperature: Annotated[float, Usual(0.1, 2, why_high="words are likely to come in no order")] = Field(
        default=0.8, ge=0, description="How bold the choice of tokens is: 0 always takes the likeliest."
    )
    top_k: int | None = Field(default=None, gt=0, description="Choose among so many of the likeliest tokens only.")
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="Choose among the likeliest tokens that have this probability together."
    )
    seed: int = Field(default=0, ge=0, description="Another number gives other continuations.")


class Samples(Continuation):
    """Texts that are continued while a model learns."""

    prompts: list[str] = Field(min_length=1, description="The texts, continued at the end of each epoch.")
