"""Whether a training is under way."""

from __future__ import annotations

from typing import Any

import transformers


class Underway(transformers.TrainerCallback):
    """Knows whether a training is under way: what is measured then does no more than choose the best epoch."""

    def __init__(self) -> None:
        self.is_on = False

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.is_on = True

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.is_on = False
