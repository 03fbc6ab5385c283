"""The methods on a case that can be worked out by hand: one token a row, and classes from its embedding alone."""

from __future__ import annotations

import weakref
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ladle.training import Term
from ladle.training.terms import average
from ladle_adversarial.adversarial import Adversarial
from ladle_adversarial.ball import noise

SEED, EPSILON = 11, 0.7
TOKENS, LABELS = torch.tensor([[3], [1], [4]]), torch.tensor([0, 2, 1])


class Linear(torch.nn.Module):
    """Logits [rows, 3] are a matrix times the mean of a row's embeddings [rows, 4], some of which are left out."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.config = SimpleNamespace()
        self.embedding = torch.nn.Embedding(6, 4)
        self.head = torch.nn.Linear(4, 3, bias=False)
        self.dropout = torch.nn.Dropout(dropout)
        self.seen: list[torch.Tensor] = []
        self.masks: list[torch.Tensor] = []
        self.said: list[weakref.ref[torch.Tensor]] = []
        self.alive: list[int] = []  # of the outputs before, at each pass

    def get_input_embeddings(self) -> torch.nn.Module:
        return self.embedding

    def forward(self, input_ids: torch.Tensor) -> Any:
        self.alive.append(sum(said() is not None for said in self.said))
        embedded = self.embedding(input_ids).mean(1)
        mask = self.dropout(torch.ones_like(embedded))
        self.seen.append(embedded.detach())
        self.masks.append(mask)
        logits = self.head(embedded * mask)
        self.said.append(weakref.ref(logits))
        return SimpleNamespace(logits=logits)


def cross_entropy(model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, Term]:
    logits = model(batch["input_ids"]).logits
    return {"cross-entropy": Term(torch.nn.functional.cross_entropy(logits, batch["labels"], reduction="none"))}


def step(model: Linear, loss: Any = None, repeats: bool = True, **options: Any) -> tuple[torch.Tensor, dict[str, Any]]:
    """The loss of one step as the training loop makes it, with the terms that it tells; gradients are on the model."""
    setting = SimpleNamespace(
        model=model,
        seed=SEED,
        plan=SimpleNamespace(trainer=SimpleNamespace(offers={"items"} if repeats else set())),
    )
    technique = Adversarial.model_validate({"epsilon": EPSILON} | options).within(setting)
    batch = {"input_ids": TOKENS, "labels": LABELS}
    told: dict[str, Any] = {}

    def inner(model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        terms = technique.loss(cross_entropy, model, batch)
        shares = average({**terms, **(loss(model, batch) if loss else {})}, {"rows": torch.tensor(3.0)})
        told.clear()
        told.update({name: share.item() for name, share in shares.items()})
        total = sum(shares.values())
        total.backward()
        return total.detach()

    return technique.step(inner, model, batch), told


class ByHand:
    """Closed forms: gradients of the cross-entropy of softmax(W e) in e and in W."""

    def __init__(self, model: Linear) -> None:
        self.weights = model.head.weight.detach().clone()
        self.embedded = model.embedding.weight.detach()[TOKENS[:, 0]]
        self.wanted = torch.nn.functional.one_hot(LABELS, 3).float()

    def wrong(self, move: torch.Tensor) -> torch.Tensor:
        return ((self.embedded + move) @ self.weights.T).softmax(-1) - self.wanted

    def loss(self, move: torch.Tensor) -> float:
        return -((self.embedded + move) @ self.weights.T).log_softmax(-1)[range(3), LABELS].mean().item()

    def uphill(self, move: torch.Tensor) -> torch.Tensor:
        gradient = self.wrong(move) @ self.weights
        return gradient / gradient.norm(dim=1, keepdim=True)

    def of_weights(self, move: torch.Tensor) -> torch.Tensor:
        return self.wrong(move).T @ (self.embedded + move) / 3

    def start(self) -> torch.Tensor:
        numbers = noise(TOKENS, torch.ones(3, 1), 4, seed=SEED * 1_000_003)[:, 0]
        return numbers * EPSILON / 2  # the square root of 4 dimensions

    def climb(self, move: torch.Tensor, length: float) -> torch.Tensor:
        return within(move + length * self.uphill(move))


def within(move: torch.Tensor) -> torch.Tensor:
    return move * (EPSILON / move.norm(dim=1, keepdim=True)).clamp(max=1)


@pytest.mark.parametrize("repeats", [True, False], ids=["by steps", "by losses"])
def test_fgm_adds_the_loss_after_one_step_of_norm_epsilon(repeats):
    model = Linear()
    hand = ByHand(model)
    loss, told = step(model, method="fgm", weight=0.5, repeats=repeats)
    still, moved = torch.zeros(3, 4), EPSILON * hand.uphill(torch.zeros(3, 4))
    assert told == pytest.approx(
        {"cross-entropy": hand.loss(still), "cross-entropy under attack": 0.5 * hand.loss(moved)}
    )
    assert loss.item() == pytest.approx(sum(told.values()))
    torch.testing.assert_close(model.head.weight.grad, hand.of_weights(still) + 0.5 * hand.of_weights(moved))
    torch.testing.assert_close(model.seen[1] - model.seen[0], moved)


def test_pgd_trains_on_the_loss_after_projected_steps():
    model = Linear()
    hand = ByHand(model)
    loss, told = step(model, method="pgd", steps=4, step_size=0.4)
    move = hand.start()
    for _ in range(4):
        move = hand.climb(move, 0.4)
    assert told == pytest.approx({"cross-entropy under attack": hand.loss(move)})
    assert loss.item() == pytest.approx(hand.loss(move))
    torch.testing.assert_close(model.head.weight.grad, hand.of_weights(move))
    assert len(model.seen) == 5


def test_free_lb_averages_the_gradients_of_all_its_steps():
    model = Linear()
    hand = ByHand(model)
    loss, told = step(model, method="free-lb", steps=3, step_size=0.4)
    moves = [hand.start()]
    for _ in range(2):
        moves.append(hand.climb(moves[-1], 0.4))
    mean = sum(hand.loss(move) for move in moves) / 3
    assert told == pytest.approx({"cross-entropy under attack": mean})
    assert loss.item() == pytest.approx(mean)
    torch.testing.assert_close(model.head.weight.grad, sum(hand.of_weights(move) for move in moves) / 3)
    assert len(model.seen) == 3


def test_smoothness_adds_the_symmetric_divergence_at_the_worst_move():
    model = Linear()
    hand = ByHand(model)
    loss, told = step(model, method="smoothness", steps=2, step_size=0.4, weight=2.0)

    def divergence(move: torch.Tensor, weights: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
        moved = ((hand.embedded + move) @ weights.T).log_softmax(-1)
        kl = torch.nn.functional.kl_div
        return (
            kl(moved, clean, reduction="none", log_target=True) + kl(clean, moved, reduction="none", log_target=True)
        ).sum(-1)

    move, fixed = hand.start(), (hand.embedded @ hand.weights.T).log_softmax(-1)
    for _ in range(2):
        move.requires_grad_()
        [gradient] = torch.autograd.grad(divergence(move, hand.weights, fixed).sum(), move)
        move = within(move.detach() + 0.4 * gradient / gradient.norm(dim=1, keepdim=True))
    weights = hand.weights.clone().requires_grad_()
    expected = 2 * divergence(move, weights, (hand.embedded @ weights.T).log_softmax(-1)).mean()
    still = hand.loss(torch.zeros(3, 4))
    assert told == pytest.approx({"cross-entropy": still, "smoothness": expected.item()})
    assert loss.item() == pytest.approx(still + expected.item())
    [gradient] = torch.autograd.grad(expected, weights)
    torch.testing.assert_close(model.head.weight.grad, hand.of_weights(torch.zeros(3, 4)) + gradient)


@pytest.mark.parametrize("method", ["fgm", "pgd", "free-lb", "smoothness"])
def test_all_passes_over_a_batch_leave_out_the_same_units(method):
    model = Linear(dropout=0.5)
    torch.manual_seed(2)
    step(model, method=method)
    passes, masks = len(model.masks), [mask.clone() for mask in model.masks]
    assert passes >= 2
    assert all(torch.equal(mask, masks[0]) for mask in masks)
    step(model, method=method)
    assert not torch.equal(model.masks[passes], masks[0])  # the next batch leaves out others


@pytest.mark.parametrize("method", ["fgm", "pgd", "free-lb"])
def test_one_graph_lives_at_a_time(method):
    model = Linear()
    step(model, method=method)
    assert model.alive == [0] * len(model.said)


@pytest.mark.parametrize("method", ["fgm", "pgd", "free-lb", "smoothness"])
def test_the_terms_of_a_technique_around_it_count_once(method):
    """Neither they nor gradients of earlier batches are multiplied by the number of passes."""

    def ridge(model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, Term]:
        return {"ridge": Term(model.head.weight.square().sum(1))}

    alone, both = Linear(), Linear()
    loss, _ = step(alone, method=method)
    both.head.weight.grad = torch.ones(3, 4)
    added, told = step(both, loss=ridge, method=method)
    share = both.head.weight.square().sum() / 3
    assert told["ridge"] == pytest.approx(share.item())
    assert added.item() == pytest.approx(loss.item() + share.item())
    torch.testing.assert_close(both.head.weight.grad, 1 + alone.head.weight.grad + 2 * both.head.weight.detach() / 3)
