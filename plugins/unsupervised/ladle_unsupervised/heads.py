"""Running a language model's head only where its answer is wanted, and on no more places at once than memory holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from ladle.training import forward

AT_ONCE = 2**27  # logits that are held in memory at the same time
_NOISE = 2e-5  # of the largest logit

Work = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""What is made of logits [places, vocabulary] and the tokens wanted there [places]: one row for each place."""


class VocabularyHead:
    """The way from a model's last states to logits of its vocabulary, taken from chosen places only.

    What lies below it, the body, is the first module that the model calls. The model's own forward method stays in
    charge: the states that the body gives are narrowed on their way to it, so whatever it does with them is done right.
    Whether that gives the same logits is tried on a few tokens; if it does not, all logits are computed and narrowed.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self.vocabulary: int = model.get_input_embeddings().num_embeddings
        self._body: torch.nn.Module | None
        device = next(model.parameters()).device
        tokens = torch.arange(12, device=device).remainder(self.vocabulary).view(2, 6)
        places = torch.tensor([[0, 1, 1, 0, 0, 1], [0, 0, 0, 1, 0, 0]], device=device).bool()
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad(), torch.autocast(device.type, enabled=False):
                self._body, self._kind, logits = _first_called(model, {"input_ids": tokens})
                if not self._narrows(model, tokens, places, logits[places]):
                    self._body = None
        finally:
            model.train(was_training)

    @property
    def is_narrow(self) -> bool:
        """Whether the head runs on chosen places only."""
        return self._body is not None

    def at(self, model: torch.nn.Module, batch: dict[str, Any], places: torch.Tensor) -> torch.Tensor:
        """Logits [chosen, vocabulary] where `places` [sequences, length] is true, in their order there."""
        if self._body is None:
            return forward(model, batch).logits[places]
        with _changed(self._body, lambda states: states[places].unsqueeze(0)):
            return forward(model, batch).logits[0]

    def each(
        self, model: torch.nn.Module, batch: dict[str, Any], places: torch.Tensor, wanted: torch.Tensor, work: Work
    ) -> torch.Tensor:
        """What `work` makes of the logits at `places` and the tokens `wanted` [chosen] there.

        Where there would be too many logits the head runs on one part of the places after the other, and again when
        gradients are computed: all logits are never there together.
        """
        size = max(1, AT_ONCE // self.vocabulary)
        if self._body is None or len(wanted) <= size:
            return work(self.at(model, batch, places), wanted)
        states = self._states(model, batch, places)

        def part(states: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
            return work(self._logits(model, states, tokens), tokens)

        parts = zip(states.split(size), wanted.split(size), strict=True)
        return torch.cat([checkpoint(part, *given, use_reentrant=False) for given in parts])

    def _states(self, model: torch.nn.Module, batch: dict[str, Any], places: torch.Tensor) -> torch.Tensor:
        """The body's last states at `places`, [chosen, width]; the head runs on a single one."""
        found: list[torch.Tensor] = []

        def keep(states: torch.Tensor) -> torch.Tensor:
            found.append(states[places])
            return states[:1, :1]

        with _changed(self._body, keep):
            forward(model, batch)
        return found[0]

    def _logits(self, model: torch.nn.Module, states: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """The logits [chosen, vocabulary] of states [chosen, width]; the body does no work."""
        with _idle(self._body, self._kind, states.unsqueeze(0)):
            return forward(getattr(model, "module", model), {"input_ids": tokens.unsqueeze(0)}).logits[0]

    def _narrows(self, model: torch.nn.Module, tokens: torch.Tensor, places: torch.Tensor, right: torch.Tensor) -> bool:
        """Whether the logits of `tokens` at `places` come out `right` in both ways of computing them."""
        batch = {"input_ids": tokens}
        try:
            states = self._states(model, batch, places)
            ways = self.at(model, batch, places), self._logits(model, states, tokens[places])
            return all(bool((found - right).abs().max() <= _NOISE * right.abs().max()) for found in ways)
        except Exception:  # a model of another build raises whatever it likes
            return False


def _first_called(model: torch.nn.Module, batch: dict[str, Any]) -> tuple[torch.nn.Module, type, torch.Tensor]:
    """The first module that a model calls, what kind of output it gives, and the model's logits."""
    called: list[torch.nn.Module] = []
    outputs: dict[torch.nn.Module, Any] = {}
    hooks = []
    for module in model.modules():
        if module is not model:
            hooks.append(module.register_forward_pre_hook(lambda module, _: called.append(module)))
            hooks.append(module.register_forward_hook(lambda module, _, output: outputs.update({module: output})))
    try:
        logits = forward(model, batch).logits
    finally:
        for hook in hooks:
            hook.remove()
    return called[0], type(outputs[called[0]]), logits


@contextmanager
def _changed(body: torch.nn.Module, change: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """Let a body give other states [sequences, length, width] than it does."""

    def hook(_module: torch.nn.Module, _inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (change(output[0]), *output[1:])
        name = next(iter(output))
        output[name] = change(output[name])
        return output

    handle = body.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _idle(body: torch.nn.Module, kind: type, states: torch.Tensor) -> Iterator[None]:
    """Let a body do no work and give `states`, in an output of its own kind."""
    output = kind((states,)) if issubclass(kind, tuple) else kind(states)
    try:
        body.forward = lambda *_, **__: output
        yield
    finally:
        body.__dict__.pop("forward", None)
