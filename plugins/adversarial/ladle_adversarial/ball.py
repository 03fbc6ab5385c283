"""How far embedded tokens may be moved: norms over the tokens of a row that are no padding."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Ball(NamedTuple):
    """The moves [rows, length, width] whose L2 norm is at most `radius`: of all tokens of a row, or of each token.

    No norm depends on padding, or on other rows. A `mask` [rows, length] is 1 at tokens and 0 at padding.
    """

    radius: float
    per_token: bool = False

    def direction(self, gradient: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The gradient with norm 1; 0 where it is 0, or no number (as in 16 bits, before the loss scale is found)."""
        gradient = gradient.float() * mask.unsqueeze(-1)
        largest = gradient.abs().amax(self._axes, keepdim=True)  # or squares of small numbers would be 0
        is_some = (largest > 0) & largest.isfinite()
        scaled = torch.where(is_some, gradient / largest, 0.0)
        return scaled / self._norm(scaled).clamp(min=1.0)

    def project(self, move: torch.Tensor) -> torch.Tensor:
        """The nearest move that is allowed."""
        return move / (self._norm(move) / self.radius).clamp(min=1.0)

    def start(self, noise: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """A move within the ball from uniform `noise` in [-1, 1): divided by the square root of its dimensions."""
        width = noise.shape[-1]
        dimensions = torch.full_like(mask, width) if self.per_token else mask.sum(1, keepdim=True) * width
        return noise * (self.radius * mask / dimensions.clamp(min=1).sqrt()).unsqueeze(-1)

    @property
    def _axes(self) -> tuple[int, ...]:
        return (2,) if self.per_token else (1, 2)

    def _norm(self, values: torch.Tensor) -> torch.Tensor:
        return torch.linalg.vector_norm(values, dim=self._axes, keepdim=True)


def noise(tokens: torch.Tensor, mask: torch.Tensor, width: int, seed: int) -> torch.Tensor:
    """Uniform numbers in [-1, 1), [rows, length, width], that follow from `seed` and a row's own tokens.

    So a row has the same in whatever batch it is, however padded, on any device. `tokens`, `mask`: [rows, length].
    """
    mask = mask.long()
    places = mask.cumsum(1)  # the numbers of the tokens, wherever padding is
    rows = (_mixed((tokens + 1) * mask * 0x9E3779B1 + places) * mask).sum(1)
    keys = _mixed(rows + seed)[:, None, None] + (places * width)[:, :, None]
    bits = _mixed(keys + torch.arange(width, device=tokens.device))
    return (bits & 0xFFFFFF).float() / (1 << 23) - 1


def _mixed(numbers: torch.Tensor) -> torch.Tensor:
    """Whole numbers of 32 bits, each of which depends on all of those of `numbers` (MurmurHash3's end, Appleby)."""
    numbers = numbers & 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        numbers = ((numbers ^ (numbers >> shift)) * factor) & 0xFFFFFFFF
    return numbers
