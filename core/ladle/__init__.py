"""Train language models from TOML recipes, every step of it a plugin.

This module is the whole public interface; its names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .columns import Changes, Columns, Makes, Reads
    from .components import Cleaner, Component, DataSource, FeatureExtractor, Labeler, Technique, Trainer, Writer
    from .errors import OptionError
    from .hookspecs import hookimpl, hookspec
    from .options import DataName, InputPath, ModelChoice, NotInKey, OutputPath, Uses, Usual
    from .rejects import Cleaned, Reject
    from .rows import Rows, columns_of, origins, with_column
    from .sample import Sample
    from .trained import TrainedModel

__version__ = "0.1.0"

_HOMES = {
    "columns": ["Changes", "Columns", "Makes", "Reads"],
    "components": [
        "Cleaner",
        "Component",
        "DataSource",
        "FeatureExtractor",
        "Labeler",
        "Technique",
        "Trainer",
        "Writer",
    ],
    "errors": ["OptionError"],
    "hookspecs": ["hookimpl", "hookspec"],
    "options": ["DataName", "InputPath", "ModelChoice", "NotInKey", "OutputPath", "Uses", "Usual"],
    "rejects": ["Cleaned", "Reject"],
    "rows": ["Rows", "columns_of", "origins", "with_column"],
    "sample": ["Sample"],
    "trained": ["TrainedModel"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [*sorted(_HOME), "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ladle' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOME[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return __all__
