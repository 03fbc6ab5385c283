"""Low-rank adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ladle import Technique, Usual

if TYPE_CHECKING:
    import torch

    from ladle import Trainer


class Lora(Technique):
    """Train small adapters beside the matrices of a pre-trained model, which stay as they are (LoRA, Hu et al. 2021).

    An adapted matrix W acts as W + (alpha / rank) B A, where A has `rank` rows and B, which begins at 0, as many
    columns. Trained are A, B and the model's head (a pooler is part of it; the output table of a language model is not,
    unless the start had none). After the training each W takes its adapter in, so what is measured and saved is a model
    like any other, in float32 the same up to rounding. A checkpoint of a training under way holds the whole model with
    its adapters. Adapters learn best at rates about ten times those of whole models.
    """

    claims = frozenset({"adapters"})

    rank: Annotated[int, Usual(1, 256)] = Field(default=8, gt=0, description="Rank of each adapter.")
    alpha: Annotated[float | None, Usual(1, 512)] = Field(
        default=None, gt=0, description="Weight of an adapter is alpha / rank; alpha is 2 * rank if left out."
    )
    dropout: Annotated[float, Usual(0, 0.5)] = Field(
        default=0.0, ge=0, lt=1, description="Share of an adapter's inputs that are left out in each step."
    )
    targets: Literal["auto", "linear"] | Annotated[list[str], Field(min_length=1)] = Field(
        default="auto",
        description="The matrices to adapt: those usual for the architecture by peft's account (queries and values, "
        "mostly), or all where it has none; `linear`: all of the model's body; or a list of ends of their names.",
    )
    whole: list[str] = Field(
        default=[],
        description="Ends of names of modules that are trained wholly, beside the head: `embed_tokens`, for example, "
        "where tokens are new to the model.",
    )
    rslora: bool = Field(
        default=False, description="Weigh adapters by alpha / sqrt(rank), for high ranks (Kalajdzievski 2023)."
    )
    dora: bool = Field(
        default=False,
        description="Train the lengths of a matrix's columns apart from their directions (Liu et al. 2024).",
    )

    def check_with(self, trainer: Trainer) -> None:
        from .starts import check_backward

        check_backward(trainer)

    def model(self, inner: Any) -> torch.nn.Module:
        from .adapters import adapt

        model = inner()
        adapt(model, self, self.setting.start)
        return model

    def parameters(self, inner: Any, model: torch.nn.Module) -> list[dict[str, Any]]:
        from .adapters import check_trained

        check_trained(model)
        return inner(model)

    def take_off(self, model: torch.nn.Module) -> None:
        from .adapters import merge, shares_of

        trained, whole = shares_of(model)
        self.setting.notes["weights trained"] = f"{trained:,}, {trained / whole:.2%} of the model's {whole:,}"
        merge(model)
