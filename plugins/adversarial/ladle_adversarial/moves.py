"""Moving the embedded tokens of a model while it computes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ladle import OptionError

from .ball import Ball, noise


class Moves:
    """What is added to the embedded tokens of a batch: [rows, length, width] for each forward pass of a loss.

    They begin at 0, or with a `seed` at random within the ball.
    """

    def __init__(self, embedding: torch.nn.Module, mask: torch.Tensor | None, ball: Ball, seed: int | None) -> None:
        self.embedding = embedding
        self.mask = mask
        self.ball = ball
        self.seed = seed
        self.tensors: list[torch.Tensor] = []
        self._masks: list[torch.Tensor] = []

    @contextmanager
    def added(self, learning: bool) -> Iterator[None]:
        """Within it forward passes see moved embeddings; with `learning`, the moves get gradients.

        A pass without gradients (for the targets of another loss, for example) is not moved. Raises OptionError if
        the embeddings that the model should have were not asked.
        """
        passes = itertools.count()

        def move(_module: torch.nn.Module, given: tuple[torch.Tensor, ...], embedded: torch.Tensor) -> Any:
            if not torch.is_grad_enabled():
                return None
            number = next(passes)
            if number == len(self.tensors):
                self._begin(given[0], embedded)
            return embedded + self.tensors[number].requires_grad_(learning).to(embedded.dtype)

        handle = self.embedding.register_forward_hook(move)
        try:
            yield
        finally:
            handle.remove()
        if not self.tensors:
            raise OptionError(
                "the model did not embed the tokens of a batch where it says that it does (`get_input_embeddings`)",
                option="use",
                help="leave the technique out, or use another model",
            )

    def _begin(self, tokens: torch.Tensor, embedded: torch.Tensor) -> None:
        is_masked = self.mask is not None and self.mask.shape == tokens.shape
        mask = self.mask.to(tokens.device).float() if is_masked else torch.ones(tokens.shape, device=tokens.device)
        first = torch.zeros_like(embedded, dtype=torch.float32)
        if self.seed is not None:
            first = self.ball.start(noise(tokens, mask, embedded.shape[-1], self.seed), mask)
        self.tensors.append(first.detach())
        self._masks.append(mask)

    def climb(self, gradients: Sequence[torch.Tensor | None], length: float) -> None:
        """A step of this length up the gradients, and back into the ball."""
        known = zip(self.tensors, gradients, self._masks, strict=True)
        self.tensors = [
            move.detach()
            if gradient is None
            else self.ball.project(move.detach() + length * self.ball.direction(gradient, mask))
            for move, gradient, mask in known
        ]


class SameDropout:
    """Passes that all draw the same random numbers, and so leave out the same units."""

    def __init__(self, model: torch.nn.Module) -> None:
        device = next(model.parameters()).device
        self._makers: list[Any] = [torch] if device.type == "cpu" else [torch, torch.get_device_module(device)]
        self._states = [maker.get_rng_state() for maker in self._makers]

    def again(self) -> None:
        """Draw once more what was drawn since this was made."""
        for maker, state in zip(self._makers, self._states, strict=True):
            maker.set_rng_state(state)


def embedding_of(model: Any) -> torch.nn.Module:
    """The module that embeds `input_ids`: of an encoder with a decoder, the encoder's own."""
    encoder = model.get_encoder() if hasattr(model, "get_encoder") else model
    find: Callable[[], torch.nn.Module] = getattr(encoder, "get_input_embeddings", model.get_input_embeddings)
    return find()
