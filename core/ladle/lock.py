"""The lock of a run: what exactly ran, as JSON values."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from . import __version__
from .components import Component
from .graph import Stage
from .options import Uses, marked
from .recipe.environment import Secrets, escaped, replaced
from .recipe.spans import Path as TomlPath

if TYPE_CHECKING:
    from .recipe.model import Recipe, Used

_LIBRARIES = ("torch", "transformers", "datasets", "accelerate", "pyarrow", "tokenizers", "safetensors", "numpy")


def lock_of(recipe: Recipe, stages: list[Stage]) -> dict[str, Any]:
    """What a run of these stages would run, here and now."""
    used = {"ladle": __version__} | {u.offer.plugin.name: u.offer.plugin.version for u in recipe.uses()}
    return {
        "recipe": recipe.name,
        "path": str(recipe.path),
        "settings": list(recipe.settings),
        "started": time.time(),
        "seed": recipe.seed,
        "stages": [locked_stage(stage, recipe.secrets) for stage in stages],
        "plugins": dict(sorted(used.items())),
        "libraries": {name: version for name in _LIBRARIES if (version := _version(name))},
        "python": platform.python_version(),
        "machine": {"system": platform.platform(), "processors": os.cpu_count()},
    }


def locked_stage(stage: Stage, secrets: Secrets) -> dict[str, Any]:
    """A stage as the lock keeps it: what it was told, what it was made from, what it did to columns.

    Values from the environment are in it as the recipe has them: `${NAME}`.
    """
    entry: dict[str, Any] = {
        "name": stage.name,
        "kind": stage.kind,
        "use": stage.use,
        "key": stage.key,
        "inputs": [inner.name for inner in stage.inputs],
        "parts": stage.parts,
        "files": secrets.redact(_files(stage)),
        "options": locked_options(stage.component, stage.used, secrets),
    }
    if stage.beside:
        entry["beside"] = [inner.name for inner in stage.beside]
    if stage.used:
        entry |= {"package": stage.used.offer.plugin.name} | stage.used.after.as_json()
    if stage.kind == "train":
        entry["techniques"] = [
            {"use": used.use, "options": locked_options(used.component, used, secrets)} for used in stage.techniques
        ]
    return entry


def _files(stage: Stage) -> list[str]:
    return list(map(str, stage.component.files())) if isinstance(stage.component, Component) else []


def locked_options(component: BaseModel, used: Used | None, secrets: Secrets) -> Any:
    """The options of a component in a recipe's words, `${NAME}` for values from the environment among them."""

    def as_written(path: TomlPath, value: Any) -> Any:
        assert used
        text = used.written[path]
        value_of_text = secrets.expand(text)
        # a path stands in the lock as it was found from the recipe's folder
        return value.replace(value_of_text, text) if value_of_text and value_of_text in str(value) else text

    options = escaped(_dumped(component, used))
    return secrets.redact(replaced(options, used.written if used else (), as_written))


def _dumped(component: BaseModel, used: Used | None) -> dict[str, Any]:
    """All options, with the tables of components within them: each has its `use`, with its package's name."""
    held = {name for name, field in type(component).model_fields.items() if marked(field.metadata, Uses)}
    options: dict[str, Any] = component.model_dump(mode="json", by_alias=True, exclude=held)
    for key, choice in component.model_choices() if isinstance(component, Component) else ():
        at = choice.location
        if choice.pretrained and at and not at.is_carried and (path := at.folder or at.file):
            options[key]["pretrained"] = str(path.absolute())  # the lock is read from other folders than the recipe's
    if used:
        options = {key: value for key, value in options.items() if key not in used.given}
        for inner in used.inner:
            _put(options, inner.at[len(used.at) :], {"use": inner.name, **_dumped(inner.component, inner)})
    return options


def _put(options: Any, place: TomlPath, value: Any) -> None:
    """Set a value at a place in tables and lists, which come into being where they are not there."""
    key, *rest = place
    if not rest:
        options.append(value) if isinstance(options, list) else options.update({key: value})
        return
    if key not in options:
        options[key] = [] if isinstance(rest[0], int) else {}
    _put(options[key], tuple(rest), value)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
