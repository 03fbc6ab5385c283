"""A learning rate for each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ladle import Technique, Usual

if TYPE_CHECKING:
    import torch

    from ladle import Trainer


class LayerRates(Technique):
    """Let lower layers learn more slowly than higher ones.

    Discriminative fine-tuning (Howard and Ruder 2018): the highest layer has the trainer's learning rate, each one
    below that of the layer above it divided by `decay`, the embeddings the lowest. What is above all layers, such as
    a head, keeps its own rate; the schedule moves all of them alike.
    """

    needs = frozenset({"layers"})
    claims = frozenset({"rates of layers"})

    decay: Annotated[
        float, Usual(1.01, 4, "all layers learn nearly alike", "the lower layers of a deep model hardly learn")
    ] = Field(
        default=1.25,
        ge=1,
        description="By how much the rate falls from one layer to the next. Howard and Ruder have 2.6, for a model of "
        "three layers; deep encoders are usually tuned with 1.1 to 1.25 (Clark et al. 2020).",
    )

    def check_with(self, trainer: Trainer) -> None:
        from .starts import check_layers

        check_layers(trainer)

    def parameters(self, inner: Any, model: torch.nn.Module) -> list[dict[str, Any]]:
        from .layers import layers_of, walk

        top = len(layers := layers_of(model))
        depths = walk(model, layers).depths
        usual = self.setting.plan.trainer.learning_rate
        found = []
        for group in inner(model):
            parts: dict[int | None, list[torch.nn.Parameter]] = {}
            for parameter in group["params"]:
                parts.setdefault(depths.get(parameter), []).append(parameter)
            rate = group.get("lr", usual)
            for depth, parameters in parts.items():
                own = rate if depth is None else rate / self.decay ** (top - depth)
                found.append(group | {"params": parameters, "lr": own})
        found.sort(key=lambda group: -group["lr"])  # the rate that is logged is that of the first
        self.setting.notes["learning rates"] = f"{found[0]['lr']:.3g} down to {found[-1]['lr']:.3g}"
        return found
