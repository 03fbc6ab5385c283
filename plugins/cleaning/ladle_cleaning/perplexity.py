"""Dropping texts by how surprising a language model finds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from ladle import Cleaned, Cleaner, Columns, ModelChoice, NotInKey, OptionError, Reject, Usual
from ladle.tokens import token_doubts

from . import extras
from .arrays import as_text

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Rows, Sample

    from .surprise import Surprise


class Perplexity(Cleaner):
    """Drop texts that a language model finds too surprising, or not surprising at all.

    The perplexity of a text is that of its tokens, each told from those before it: between how many tokens, on average,
    the model could not have chosen. A text of less than two tokens has none, and goes. Needs the extra `perplexity`.
    """

    form = "arrow"

    column: str = Field(default="text", description="The text column.")
    model: ModelChoice = Field(
        description='A causal language model: { stage = "an earlier train stage" } or { pretrained = "a folder, an '
        'installed package or a hub id" }.'
    )
    max: float | None = Field(default=None, gt=1, description="The highest perplexity that stays.")
    min: float | None = Field(default=None, gt=1, description="The lowest perplexity that stays.")
    max_length: Annotated[int | None, Usual(8, 131_072)] = Field(
        default=None, gt=1, description="Tokens of a text that count; all that the model can read if not given."
    )
    batch_size: Annotated[int, NotInKey(), Usual(1, 512, why_high="memory is likely to run out")] = Field(
        default=8, gt=0, description="Texts that the model reads at once."
    )
    device: Annotated[Literal["auto", "cuda", "mps", "cpu"], NotInKey()] = Field(
        default="auto", description="Where the model works; `auto` takes the best there is."
    )

    @model_validator(mode="after")
    def _some_bound(self) -> Perplexity:
        if self.min is None and self.max is None:
            raise OptionError("nothing tells which texts stay", option="max", help="set `max`, `min` or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise OptionError(
                f"no perplexity is at least {self.min:.15g} and at most {self.max:.15g}",
                option="min",
                help="exchange `min` and `max`",
            )
        return self

    def columns_after(self, given: Columns) -> Columns:
        given.need(self.column, "text", option="column")
        extras.need("transformers", "transformers", "perplexity", option="model")
        return given

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        if self.model.location and (folder := self.model.location.folder):
            yield from token_doubts(sample, self.column, folder, self.max_length)

    def clean_data(self, data: Rows) -> Iterator[Cleaned]:
        from .surprise import Surprise

        surprise = Surprise(self.model.fetch(), self.max_length, self.batch_size, self.device)
        return (self._judged(batch, surprise) for batch in data.batches("arrow"))

    def _judged(self, batch: pa.RecordBatch, surprise: Surprise) -> Cleaned:
        texts = as_text(batch[self.column]).to_pylist()
        there = [row for row, text in enumerate(texts) if text is not None]
        found = dict(zip(there, surprise.perplexities([texts[row] for row in there]), strict=True))
        judged = {row: self._reject(found.get(row)) for row in range(len(texts))}
        return Cleaned(batch, {row: reject for row, reject in judged.items() if reject})

    def _reject(self, perplexity: float | None) -> Reject | None:
        if perplexity is None:
            return Reject(rule="missing", reason=f"`{self.column}` has less than two tokens")
        what = f"the perplexity of `{self.column}` is {perplexity:.4g}"
        if self.max is not None and perplexity > self.max:
            return Reject(rule="max", reason=f"{what}, more than max = {self.max:.15g}")
        if self.min is not None and perplexity < self.min:
            return Reject(rule="min", reason=f"{what}, less than min = {self.min:.15g}")
        return None
