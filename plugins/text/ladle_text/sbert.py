"""What sentence-transformers keeps beside a model: how its vectors are meant to be made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ladle import OptionError

_LEGACY_POOLING = "pooling_mode_"
_KNOWN_MODULES = {"Transformer", "Pooling", "Normalize"}


def pooling_of(folder: Path) -> str:
    """How the model in `folder` was made to pool its tokens: `mean` or `cls`; `mean` if it does not say.

    Raises OptionError if it was made for anything else, or for more than pooling.
    """
    further = [module for module in _modules(folder) if module not in _KNOWN_MODULES]
    if further:
        raise _not_possible(f"the model was made to go through {' and '.join(further)} too")
    config = _json(folder / "1_Pooling" / "config.json") or {}
    modes = config.get("pooling_mode") or _legacy_modes(config) or "mean"
    modes = [modes] if isinstance(modes, str) else modes
    if modes not in (["mean"], ["cls"]):
        raise _not_possible(f"the model was made to pool its tokens by {' and '.join(modes)}")
    return modes[0]


def max_length_of(folder: Path) -> int | None:
    """How many tokens of a text the model in `folder` was made to read; None if it does not say."""
    return (_json(folder / "sentence_bert_config.json") or {}).get("max_seq_length")


def _modules(folder: Path) -> list[str]:
    return [module["type"].rpartition(".")[2] for module in _json(folder / "modules.json") or []]


def _legacy_modes(config: dict[str, Any]) -> list[str]:
    on = [
        key.removeprefix(_LEGACY_POOLING) for key, value in config.items() if key.startswith(_LEGACY_POOLING) and value
    ]
    return [{"mean_tokens": "mean", "cls_token": "cls"}.get(mode, mode) for mode in on]


def _not_possible(what: str) -> OptionError:
    return OptionError(
        f"{what}, which is not possible here",
        option="pooling",
        help='name another model, or decide yourself: pooling = "mean" or pooling = "cls"',
    )


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
