"""What the source of transformers says, read without importing it, which takes seconds."""

from __future__ import annotations

import ast
import functools
from importlib import util
from pathlib import Path


@functools.cache
def _folder() -> Path:
    spec = util.find_spec("transformers")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


@functools.cache
def training_arguments() -> frozenset[str]:
    """The names of the fields of `transformers.TrainingArguments`."""
    return frozenset(_fields(_folder() / "training_args.py")["TrainingArguments"])


@functools.cache
def architectures() -> dict[str, Path]:
    """The architectures of models by name, as in `model_type`, and where their configurations are."""
    found = {path.parent.name: path for path in sorted((_folder() / "models").glob("*/configuration_*.py"))}
    return found | {name.replace("_", "-"): path for name, path in found.items()}  # both are in use


@functools.cache
def settings_of(architecture: str) -> frozenset[str]:
    """The names of everything that the configuration of an architecture sets."""
    return frozenset(name for names in _fields(architectures()[architecture]).values() for name in names)


def _fields(source: Path) -> dict[str, list[str]]:
    """The annotated names of every class in a file."""
    classes = [node for node in ast.parse(source.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    return {
        found.name: [
            item.target.id
            for item in found.body
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        ]
        for found in classes
    }
