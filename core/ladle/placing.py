"""Components that use the models of train stages, once these are trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import ModelChoice, Uses, marked

if TYPE_CHECKING:
    from .components import Component


def with_models(component: Any, folders: Mapping[str, Path]) -> Any:
    """A component, and what its options hold, with the models of train stages in their folders, by stage names."""
    found: dict[str, Any] = {}
    for name, field in type(component).model_fields.items():
        value = getattr(component, name)
        if isinstance(value, ModelChoice) and value.stage:
            found[name] = value.at(folders[value.stage])
        elif marked(field.metadata, Uses):
            found[name] = _each(value, lambda inner: with_models(inner, folders))
    return component.model_copy(update=found)


def _each(value: Any, change: Callable[[Component], Component]) -> Any:
    if isinstance(value, dict):
        return {name: change(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [change(inner) for inner in value]
    return value if value is None else change(value)
