"""What is left of a multi-task training beside the models of its tasks: a body to go on from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ladle.training import tokenizer_from

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_POOLING = Path("1_Pooling", "config.json")  # how a sentence encoder pools, by its own account


def save_body(body: PreTrainedModel, start: Path, folder: Path, like: Path) -> None:
    """Write the body as a model without a head, with the tokeniser that is in the folder `like`."""
    body.save_pretrained(folder)
    tokenizer_from(like).save_pretrained(folder)
    if (start / _POOLING).is_file():
        (folder / _POOLING).parent.mkdir()
        shutil.copy(start / _POOLING, folder / _POOLING)
