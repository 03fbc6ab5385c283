"""What a recipe says of texts that are made of texts, and what it may get wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from ladle import ModelChoice, OptionError, Reads, Usual
from ladle.tokens import token_doubts

from ..supervised import Supervised

if TYPE_CHECKING:
    from ladle import Sample


class TextToText(Supervised):
    """The options of a trainer whose model reads a text and writes one."""

    unusable = "that is empty"

    start: ModelChoice = Field(
        alias="model",
        description="The encoder with a decoder to start from.",
        examples=[{"pretrained": "google-t5/t5-small"}],
    )
    column: Annotated[str, Reads("text")] = Field(default="source", description="The column with the texts to read.")
    target: Annotated[str, Reads("text")] = Field(
        default="target", description="The column with the texts to write; a row without one is left out."
    )
    prefix: str = Field(
        default="",
        description='What every text to read begins with, such as "translate English to Japanese: " for a T5.',
    )
    source_language: str | None = Field(
        default=None, description="The language that is read, as a tokeniser of many languages names it (`en_XX`)."
    )
    target_language: str | None = Field(
        default=None, description="The language that is written, as a tokeniser of many languages names it (`ja_XX`)."
    )
    max_length: Annotated[int | None, Usual(8, 131_072)] = Field(
        default=None,
        gt=2,
        description="Tokens after which a text to read is cut; as long as the model allows if left out.",
    )
    max_target_length: Annotated[int | None, Usual(4, 131_072)] = Field(
        default=None,
        gt=2,
        description="Tokens after which a text to write is cut; as long as the model allows if left out.",
    )
    label_smoothing: Annotated[float, Usual(0, 0.3, why_high="the model learns to be unsure")] = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of each token's probability that training spreads over all tokens alike.",
    )
    learning_rate: Annotated[
        float, Usual(1e-6, 3e-3, "a model hardly learns at such a rate", "training is likely to diverge")
    ] = Field(default=5e-5, gt=0, description="Highest learning rate of the schedule; a T5 takes more, such as 3e-4.")
    choose_by: Literal["loss", "bleu", "chrf"] = Field(
        default="loss",
        description="Validation metric that chooses the best epoch, whose model is kept. Only for `bleu` and `chrf` "
        "are texts generated after every epoch.",
    )
    generated_rows: Annotated[int, Usual(0, 20_000, why_high="measuring is likely to take very long")] = Field(
        default=500, ge=0, description="Rows of a held-out split that texts are generated for, at most; 0 for none."
    )
    beams: Annotated[int | None, Usual(1, 16)] = Field(
        default=None, gt=0, description="Beams in generating, 1 for none; as the model's own settings say if left out."
    )
    length_penalty: Annotated[float | None, Usual(-5, 5)] = Field(
        default=None, description="With beams: above 0 prefers longer texts, below 0 shorter ones."
    )
    max_new_tokens: Annotated[int | None, Usual(2, 4096)] = Field(
        default=None,
        gt=0,
        description="Tokens of a generated text, at most; as many as the longest target of the train split has if left "
        "out.",
    )
    bleu_tokenizer: Literal["auto", "13a", "intl", "char", "zh", "ja-mecab", "ko-mecab", "none"] = Field(
        default="auto",
        description="How BLEU finds words, by sacrebleu's names. `auto` takes characters (`char`) where the targets "
        'are in a script without spaces, else `13a`; `ja-mecab` needs `pip install "sacrebleu[ja]"`.',
    )

    @model_validator(mode="after")
    def _fits_together(self) -> TextToText:
        if self.column == self.target:
            raise OptionError(
                f"`{self.target}` is both what is read and what is to be written",
                option="target",
                help="name the column with the texts to write",
            )
        if self.length_penalty is not None and (self.beams or 1) == 1:
            raise OptionError(
                "`length_penalty` counts for beams only", option="length_penalty", help="set `beams`, or leave it out"
            )
        if self.choose_by != "loss" and self.generated_rows == 0:
            raise OptionError(
                f"the best epoch cannot be chosen by `{self.choose_by}` where no text is generated",
                option="choose_by",
                help='set `generated_rows` to more than 0, or choose_by = "loss"',
            )
        return self

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        if self.prefix.isascii() and self.prefix and not self.prefix[-1].isspace():
            yield OptionError(
                "`prefix` ends without a space: the first word of each text sticks to it",
                option="prefix",
                help=f'write prefix = "{self.prefix} "',
            )
        if not self.start.location or not (folder := self.start.location.folder):
            return
        yield from token_doubts(sample, self.column, folder, self.max_length)
        for doubt in token_doubts(sample, self.target, folder, self.max_target_length):
            if doubt.option == "max_length":  # others are of the model, and have been told
                doubt.option = "max_target_length"
                doubt.help = doubt.help.replace("`max_length`", "`max_target_length`")
                yield doubt

    def text_columns(self) -> list[tuple[str, str]]:
        return [(self.data, self.column), (self.data, self.target)]
