"""Losses of several passes over one batch, with embeddings that move in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ladle.training import Term, Terms

from .ball import Ball
from .moves import Moves, SameDropout, embedding_of

Loss = Callable[[torch.nn.Module, dict[str, Any]], Terms]


class Attacked:
    """One batch under attack: every pass over it sees the same dropout, and moves that have climbed so far."""

    def __init__(
        self, bare: torch.nn.Module, batch: dict[str, Any], ball: Ball, length: float, seed: int | None
    ) -> None:
        self.moves = Moves(embedding_of(bare), batch.get("attention_mask"), ball, seed)
        self.length = length
        self.dropout = SameDropout(bare)

    @contextmanager
    def passing(self, learning: bool) -> Iterator[None]:
        """A pass over moved embeddings; with `learning`, the moves get gradients."""
        self.dropout.again()
        with self.moves.added(learning):
            yield

    def climb_by_backward(self) -> None:
        """Climb by the gradients that a backward pass has left."""
        self.moves.climb([move.grad for move in self.moves.tensors], self.length)

    def climb(self, loss: torch.Tensor, keep_graph: bool = False) -> None:
        """Climb by the gradients of a loss, and of nothing else: no parameter gets one."""
        gradients = torch.autograd.grad(loss, self.moves.tensors, retain_graph=keep_graph, allow_unused=True)
        self.moves.climb(gradients, self.length)


def fast_gradient(attacked: Attacked, weight: float, inner: Loss, model: torch.nn.Module, batch: Any) -> Terms:
    """The loss as it is, and after one step of the embeddings against it (Miyato, Dai & Goodfellow 2017)."""
    with attacked.passing(learning=True):
        clean = inner(model, batch)
    attacked.climb(_sum(clean), keep_graph=True)
    with attacked.passing(learning=False):
        moved = inner(model, batch)
    return {**clean, **{under_attack(name): Term(weight * term.values, term.per) for name, term in moved.items()}}


def projected_gradient(attacked: Attacked, steps: int, inner: Loss, model: torch.nn.Module, batch: Any) -> Terms:
    """The loss after several steps of the embeddings against it, each back into the ball (Madry et al. 2018)."""
    for _ in range(steps):
        with attacked.passing(learning=True):
            loss = _sum(inner(model, batch))
        attacked.climb(loss)
    with attacked.passing(learning=False):
        return {under_attack(name): term for name, term in inner(model, batch).items()}


class RepeatedStep:
    """Several forward and backward passes that together are one step: only one graph lives at a time.

    Pass i counts `weights[i]`, and its terms bear the name that `naming[i]` gives them. What each pass adds to
    gradients is divided by the number of passes, and the terms of a pass are multiplied by it: so the terms of a
    technique around this one, which every pass computes again, count once.
    """

    def __init__(
        self, attacked: Attacked, weights: Sequence[float], naming: Sequence[Callable[[str], str]], parameters: Any
    ) -> None:
        self.attacked = attacked
        self.weights = weights
        self.naming = naming
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self._now = 0
        self._told: dict[str, Term] = {}
        self._telling: dict[str, Term] = {}

    def run(self, one: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Make all passes, each by a call of `one`; the loss is that of all of them."""
        count = len(self.weights)
        self._multiply_gradients(count)  # of earlier batches of the step, so that they are as they were at the end
        for self._now in range(count):
            loss = one()
            self._told = self._telling
            if self._now < count - 1:
                self.attacked.climb_by_backward()
        self._multiply_gradients(1 / count)
        return loss

    def loss(self, inner: Loss, model: torch.nn.Module, batch: Any) -> Terms:
        """The terms of the pass under way, to learn from, with those of earlier ones, to be told."""
        count, weight, name = len(self.weights), self.weights[self._now], self.naming[self._now]
        with self.attacked.passing(learning=self._now < count - 1):
            terms = {name(inner_name): term for inner_name, term in inner(model, batch).items()}
        found = dict(self._told)
        for told, term in terms.items():
            values = weight * term.values
            worth = values.detach() + (self._told[told].values if told in self._told else 0)
            found[told] = Term(worth + count * (values - values.detach()), term.per)
        self._telling = {told: Term(term.values.detach(), term.per) for told, term in found.items()}
        return found

    def _multiply_gradients(self, factor: float) -> None:
        for parameter in self._parameters:
            if parameter.grad is not None:
                parameter.grad.mul_(factor)


def under_attack(name: str) -> str:
    """What a term is called that was computed on moved embeddings."""
    return f"{name} under attack"


def _sum(terms: Terms) -> torch.Tensor:
    return torch.stack([term.values.sum() for term in terms.values()]).sum()
