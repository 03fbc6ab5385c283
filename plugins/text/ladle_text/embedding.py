"""A vector for each text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from ladle import FeatureExtractor, Makes, ModelChoice, NotInKey, OptionError, Reads, Usual
from ladle.tokens import token_doubts

from .sbert import max_length_of
from .vectors import vector_column

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Rows, Sample

    from .encoder import Encoder


class SentenceEmbedding(FeatureExtractor):
    """Give each text a vector, such that texts of like meaning have vectors in like directions.

    Any encoder in Hugging Face layout will do; best are those made for it with sentence-transformers, whose settings
    are followed. A null text has no vector (null).
    """

    form = "arrow"

    column: Annotated[str, Reads("text")] = Field(default="text", description="The text column to embed.")
    into: Annotated[str, Makes("vector")] = Field(default="embedding", description="The vector column to make.")
    model: ModelChoice = Field(
        description='The encoder: { pretrained = "a folder, an installed package or a hub id" }.'
    )
    pooling: Literal["auto", "mean", "cls"] = Field(
        default="auto",
        description="How the vectors of a text's tokens become one: their `mean`, or that of the first (`cls`); `auto` "
        "does what the model was made for if it says so, else `mean`.",
    )
    normalise: bool = Field(
        default=True, description="Whether vectors are brought to length 1, so that a dot product is a cosine."
    )
    max_length: Annotated[int | None, Usual(8, 131_072)] = Field(
        default=None, gt=0, description="Tokens of a text that count; all that the model can read if not given."
    )
    prompt: str = Field(
        default="", description='Text put before each one, for models that were trained with it (E5: "query: ").'
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="Number format of the model at work; `auto` is bfloat16 on CUDA where it can."
    )
    batch_size: Annotated[int, NotInKey(), Usual(1, 4096, why_high="memory is likely to run out")] = Field(
        default=64, gt=0, description="Texts that the model reads at once."
    )
    device: Annotated[Literal["auto", "cuda", "mps", "cpu"], NotInKey()] = Field(
        default="auto", description="Where the model works; `auto` takes the best there is."
    )

    @field_validator("model")
    @classmethod
    def _pretrained(cls, model: ModelChoice) -> ModelChoice:
        if model.pretrained is None:
            raise OptionError(
                "the model of a train stage cannot embed yet",
                help='write model = { pretrained = "…" }',
                code="model-choice",
            )
        return model

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        if self.model.location and (folder := self.model.location.folder):
            yield from token_doubts(sample, self.column, folder, self.max_length, max_length_of(folder))

    def extract_data(self, data: Rows) -> Iterator[pa.RecordBatch]:
        encoder = self._encoder()
        for batch in data.batches(self.form):
            yield self._with_vectors(batch, encoder)

    def _encoder(self) -> Encoder:
        from .encoder import Encoder

        return Encoder(
            self.model.fetch(),
            pooling=self.pooling,
            normalise=self.normalise,
            max_length=self.max_length,
            precision=self.precision,
            batch_size=self.batch_size,
            device=self.device,
        )

    def _with_vectors(self, batch: pa.RecordBatch, encoder: Encoder) -> pa.RecordBatch:
        import pyarrow as pa

        from ladle import with_column

        texts = batch[self.column].cast(pa.string())
        there = texts.is_valid().to_numpy(zero_copy_only=False)
        vectors = encoder.encode([self.prompt + text for text in texts.drop_null().to_pylist()])
        return with_column(batch, self.into, vector_column(vectors, there))
