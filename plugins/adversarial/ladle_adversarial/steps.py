"""Knowing how far a training has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import transformers


class CountingSteps(transformers.TrainerCallback):
    """Tells how many optimiser steps have been made, before each."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self.tell = tell

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.tell(state.global_step)
