"""Components that make data, and that watch a training from within and from without all techniques of a stage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from ladle import DataSource, InputPath, Technique


class JsonRows(DataSource):
    """The rows of a JSON file."""

    path: InputPath

    def read(self) -> Iterator[Any]:
        yield from self._table().to_batches()

    def peek(self) -> dict[str, Any]:
        from ladle import columns_of

        return dict(columns_of(self._table().schema))

    def _table(self) -> Any:
        import pyarrow as pa

        return pa.Table.from_pylist(json.loads(self.path.read_text()))


class Pass(NamedTuple):
    """One time that the trainer's own loss was worked out."""

    batch: int
    """The number of the batch."""
    loss: float
    """The sum over all items."""
    embedded: list[Any]
    """What the model embedded in each of its forward passes, [rows, length, width]."""
    mask: Any
    """1 where no padding is, [rows, length]."""


@dataclass
class Seen:
    """What the toys have seen of a training."""

    before: dict[str, Any] = field(default_factory=dict)
    """The weights as the trainer has loaded them."""
    after: dict[str, Any] = field(default_factory=dict)
    """Those of the model that is measured, all techniques having taken off what was theirs."""
    hooks_before: int = 0
    hooks_after: int = 0
    batches: list[list[dict[str, Any]]] = field(default_factory=list)
    """The rows of each batch, as they come from the data set."""
    given: list[list[dict[str, Any]]] = field(default_factory=list)
    """The rows of each batch, as the trainer got them."""
    made: list[dict[str, Any]] = field(default_factory=list)
    """Each batch, as the loop got it."""
    passes: list[Pass] = field(default_factory=list)
    terms: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The loss of each batch, by its number; of several passes, the last one's."""
    trained: int = 0
    """How many batches have been trained on."""
    rates: dict[str, float] = field(default_factory=dict)
    """The learning rate of each parameter that is trained."""
    sizes: dict[str, int] = field(default_factory=dict)
    """How many numbers each parameter has, trained or not, adapters among them."""
    learning: list[set[str]] = field(default_factory=list)
    """Which parameters had a gradient in each step."""
    alone: list[dict[str, Any]] = field(default_factory=list)
    """Of each step, the gradient of each task."""
    together: list[Any] = field(default_factory=list)
    """The gradient of each step, in the parameters that tasks share."""


class Toy(Technique):
    """What the toys share: where they keep what they see."""

    seen: ClassVar[Seen] = Seen()


class Inside(Toy):
    """Stands between the trainer and all other techniques."""

    def model(self, inner: Any) -> Any:
        model = inner()
        self.seen.before = _weights(model)
        self.seen.hooks_before = _hooks(model)
        return model

    def batch(self, inner: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
        self.seen.given.append(rows)
        return inner(rows)

    def loss(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        embedded: list[Any] = []
        handles = [
            module.register_forward_hook(lambda _, __, output: embedded.append(output.detach().clone()))
            for module in _embeddings(self.setting.model, batch)
        ]
        try:
            terms = inner(model, batch)
        finally:
            for handle in handles:
                handle.remove()
        loss = sum(term.values.sum().item() for term in terms.values())
        self.seen.passes.append(Pass(self.seen.trained, loss, embedded, batch.get("attention_mask")))
        return terms

    def take_off(self, model: Any) -> None:
        self.seen.after = _weights(model)
        self.seen.hooks_after = _hooks(model)


class Outside(Toy):
    """Stands around all other techniques."""

    def batch(self, inner: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
        self.seen.batches.append(rows)
        self.seen.made.append(inner(rows))
        return self.seen.made[-1]

    def loss(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        terms = inner(model, batch)
        self.seen.terms[self.seen.trained] = {name: term.values.detach().clone() for name, term in terms.items()}
        return terms

    def parameters(self, inner: Any, model: Any) -> list[dict[str, Any]]:
        groups = inner(model)
        usual = self.setting.plan.trainer.learning_rate
        rates = {parameter: group.get("lr", usual) for group in groups for parameter in group["params"]}
        bare = self.setting.model
        self.seen.rates = {name: rates[p] for name, p in bare.named_parameters() if p in rates}
        self.seen.sizes = {name: p.numel() for name, p in bare.named_parameters()}
        return groups

    def callbacks(self) -> list[Any]:
        import transformers

        setting, seen = self.setting, self.seen

        class Look(transformers.TrainerCallback):
            def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                parameters = setting.model.named_parameters()
                seen.learning.append({n for n, p in parameters if p.grad is not None and p.grad.any()})
                if hasattr(setting.model, "shared"):
                    seen.together.append(_gradient(setting.model.shared()))

            def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                seen.alone.append({})

            def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                seen.trained += 1

            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                seen.trained += 1

        return [Look()]


class OfTasks(Toy):
    """Stands right within surgery on gradients, and keeps each task's own, [shared]."""

    def step(self, inner: Any, model: Any, batch: dict[str, Any]) -> Any:
        loss = inner(model, batch)
        found = _gradient(self.setting.model.shared())
        own = self.seen.alone[-1]
        own[batch["task"]] = own[batch["task"]] + found if batch["task"] in own else found
        return loss


def _weights(model: Any) -> dict[str, Any]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def _hooks(model: Any) -> int:
    """How many hooks, and methods of their own, the modules of a model have."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    found = sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)
    return found + sum("forward" in module.__dict__ for module in model.modules() if module is not model)


def _embeddings(model: Any, batch: dict[str, Any]) -> list[Any]:
    """The modules that embed the tokens of a batch."""
    if "input_ids" not in batch:
        return []
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model
    return [encoder.get_input_embeddings()]


def _gradient(parameters: Any) -> Any:
    """The gradient of all of them as one vector; 0 where there is none."""
    import torch

    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad.clone()).flatten() for p in parameters])
