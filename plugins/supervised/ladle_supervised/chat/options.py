"""What a recipe says of tuning on conversations, and what it may get wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ladle import Columns, ModelChoice, OptionError, Reads, Trainer, Usual
from ladle.tokens import token_doubts

if TYPE_CHECKING:
    from ladle import Sample

_MESSAGES = ("list", "record", "text")  # large lists of Arrow are told as records


class Conversational(Trainer):
    """The options of a trainer whose model learns from conversations."""

    start: ModelChoice = Field(alias="model", description="The causal language model to start from.")
    messages: Annotated[str | None, Reads(*_MESSAGES)] = Field(
        default=None,
        description="The column with conversations: lists of { role, content }, or such lists as JSON text. Left out, "
        "`prompt` and `target` make a conversation.",
    )
    prompt: Annotated[str, Reads("text")] = Field(default="prompt", description="The column with what a user says.")
    target: Annotated[str, Reads("text")] = Field(default="answer", description="The column with the answers to learn.")
    system: Annotated[str | None, Reads("text")] = Field(
        default=None, description="The column with a message that goes before the prompt, where a row has one."
    )
    template: str | None = Field(
        default=None,
        description="How a conversation becomes one text: `chatml`, `plain`, `instruction`, or a template in Jinja; "
        "the tokeniser's own if left out. It is saved with the model.",
    )
    special_tokens: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[], description="Markers of a template in Jinja that the tokeniser shall know as single tokens."
    )
    learn: Literal["all", "last"] = Field(
        default="all", description="Which answers of a conversation are learnt: all of them, or the last alone."
    )
    max_length: Annotated[int | None, Usual(16, 1_048_576)] = Field(
        default=None,
        gt=1,
        description="Tokens after which a conversation is cut; as long as the model allows if left out.",
    )
    choose_by: Literal["loss", "token_accuracy", "exact_match"] = Field(
        default="loss",
        description="Validation metric that chooses the best epoch, whose model is kept. Only for `exact_match` are "
        "answers generated after every epoch.",
    )
    generated_rows: Annotated[int, Usual(0, 5000, why_high="measuring is likely to take very long")] = Field(
        default=64, ge=0, description="Rows of a held-out split that answers are generated for, at most; 0 for none."
    )
    max_new_tokens: Annotated[int, Usual(4, 16_384)] = Field(
        default=256, gt=0, description="Tokens of a generated answer, at most."
    )
    temperature: Annotated[float, Usual(0.05, 2, why_high="answers are likely to make no sense")] = Field(
        default=0, ge=0, description="How freely the model draws its words when it answers; 0 takes the likeliest."
    )
    packing: bool = Field(
        default=False,
        description="Put several conversations into one sequence of `max_length` tokens, where none sees another; "
        "`batch_size` then counts sequences.",
    )
    batch_size: Annotated[int, Usual(1, 512, why_high="memory is likely to run out")] = Field(
        default=8, gt=0, description="Rows in a batch, on each device."
    )

    @field_validator("template")
    @classmethod
    def _known_template(cls, template: str | None) -> str | None:
        from .template import check_template

        if template is not None:
            check_template(template)
        return template

    @model_validator(mode="after")
    def _fits_together(self) -> Conversational:
        fields = type(self).model_fields
        if self.messages is not None:
            for name in ("prompt", "target", "system"):
                if getattr(self, name) != fields[name].default:
                    raise OptionError(
                        f"`messages` names a column with whole conversations, so that `{name}` has no part in them",
                        option=name,
                        help="leave one of the two out",
                    )
        if self.choose_by == "exact_match" and self.generated_rows == 0:
            raise OptionError(
                "the best epoch cannot be chosen by `exact_match` where no answer is generated",
                option="choose_by",
                help="set `generated_rows` to more than 0, or choose by another metric",
            )
        return self

    def columns_after(self, given: Columns) -> Columns:
        if self.messages is not None:
            given.need(self.messages, *_MESSAGES, option="messages")
            return given
        for option in ("prompt", "target", "system"):
            if (name := getattr(self, option)) is not None:
                given.need(name, "text", option=option)
        return given

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        from .template import has_template, no_template

        if self.start.location and (folder := self.start.location.folder):
            yield from token_doubts(sample, self.messages or self.target, folder, self.max_length)
            if self.template is None and not has_template(folder):
                yield no_template()

    def text_columns(self) -> list[tuple[str, str]]:
        named = [self.messages] if self.messages else [self.system, self.prompt, self.target]
        return [(self.data, column) for column in named if column]
