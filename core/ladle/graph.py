"""From a checked recipe to stages: what is to be done, from what, and under which key the outcome is kept."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata, util
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from .components import Component, Trainer
from .options import Input, NotInKey, Uses, marked
from .recipe.check import in_order
from .recipe.environment import replaced
from .recipe.model import DataSet, Recipe, Split, TrainStage, Used
from .recipe.spans import Path as TomlPath
from .registry import Offer, module_of
from .store import FORMAT, Store, digest


@dataclass
class Stage:
    """One component at work: its inputs are the stages whose outcomes it reads."""

    name: str
    kind: str
    use: str
    component: Component | Split
    inputs: list[Stage]
    used: Used | None = None
    techniques: list[Used] = field(default_factory=list)
    data_sets: dict[str, list[Stage]] = field(default_factory=dict)
    """Of a train stage: the stages whose rows are the data sets that its trainer and techniques name."""
    parts: dict[str, Any] = field(default_factory=dict)
    """Everything that can change the outcome, as JSON values."""

    @property
    def key(self) -> str:
        """Under which the store keeps the outcome."""
        return digest(self.parts)

    @property
    def versions(self) -> list[str]:
        """The versions of the plugins at work in a train stage."""
        return [version for part in (self.parts["component"], *self.parts["techniques"]) for version in _versions(part)]

    @property
    def title(self) -> str:
        """The stage as a person reads it: its name and what it uses."""
        return f"{self.name} ({self.use})" if self.use != self.name else self.name


def _versions(part: dict[str, Any]) -> Iterator[str]:
    yield part["version"]
    for *_, inner in part.get("inner", ()):
        yield from _versions(inner)


def stages_of(recipe: Recipe, store: Store) -> list[Stage]:
    """All stages of a recipe, each after its inputs, with their keys."""
    ends: dict[str, list[Stage]] = {}  # the stages whose rows, read one after another, are a data set
    stages: list[Stage] = []
    for data_set in in_order(recipe.data):
        stages += _data_stages(data_set, ends)
    trained: dict[str, Stage] = {}
    for train_stage in recipe.train:
        trained[train_stage.name] = _train_stage(train_stage, recipe, ends, trained)
    stages += trained.values()
    for stage in stages:
        stage.parts = _parts(stage, recipe, store)
    return stages


def _data_stages(data_set: DataSet, ends: dict[str, list[Stage]]) -> list[Stage]:
    name = data_set.name
    collected = []
    for number, used in enumerate(data_set.sources, 1):
        inputs = [end for _, start in used.component.data_names() for end in ends[start]]
        title = f"{name}.source" if len(data_set.sources) == 1 else f"{name}.source.{number}"
        collected.append(Stage(title, "source", used.use, used.component, inputs, used))
    stages = [*collected]
    current = collected
    if data_set.split:
        current = [Stage(f"{name}.split", "split", "split", data_set.split, current)]
        stages += current
    for step in ("clean", "extract", "label", "write"):
        for number, used in enumerate(data_set.steps[step], 1):
            stage = Stage(f"{name}.{step}.{number}", step, used.use, used.component, current, used)
            stages.append(stage)
            current = current if step == "write" else [stage]
    ends[name] = current
    return stages


def _train_stage(stage: TrainStage, recipe: Recipe, ends: dict[str, list[Stage]], trained: dict[str, Stage]) -> Stage:
    trainer = stage.trainer.component
    assert isinstance(trainer, Trainer)
    components = [used.component for used in stage.uses]
    data_sets = {name: ends[name] for name in (*stage.data, *(n for c in components for _, n in c.data_names()))}
    inputs = [end for stages in data_sets.values() for end in stages]
    inputs += [trained[choice.stage] for c in components for _, choice in c.model_choices() if choice.stage]
    return Stage(stage.name, "train", stage.trainer.use, trainer, inputs, stage.trainer, stage.techniques, data_sets)


def _parts(stage: Stage, recipe: Recipe, store: Store) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "format": FORMAT,
        "stage": stage.kind,
        "component": component_key(stage.used, stage.component, store),
        "inputs": [inner.key for inner in stage.inputs],
    }
    if stage.kind == "train":
        parts["seed"] = recipe.seed
        parts["techniques"] = [component_key(used, used.component, store) for used in stage.techniques]
    if stage.kind == "source" and stage.used:
        parts["number"] = stage.name.rpartition(".")[2]  # row ids tell the sources of a data set apart
    return parts


def component_key(used: Used | None, component: BaseModel, store: Store) -> dict[str, Any]:
    """Everything about a component that can change its outcome."""
    options = component.model_dump(mode="json", by_alias=True, exclude=_not_in_key(component))
    if used:
        options = replaced(options, used.written, _digest_of_secret)
    key: dict[str, Any] = {"options": options}
    if isinstance(component, Component):
        key["files"] = store.hash_files(component.files())
        for option, choice in component.model_choices():
            start = options.pop(option)
            if choice.location:
                folder = choice.location.folder
                hub = [start["pretrained"], start["revision"]]
                key["model"] = store.hash_files(model_files(folder)) if folder else hub
            if choice.scratch:
                key["model"] = start
    if used:
        key["use"] = used.name
        key["version"] = _version(used.offer)
        if used.inner:
            key["inner"] = [
                [*inner.at[len(used.at) :], component_key(inner, inner.component, store)] for inner in used.inner
            ]
    return key


def _digest_of_secret(path: TomlPath, value: Any) -> str:
    """A value from the environment as it takes part in a key: nobody can work it out from what is kept."""
    return hashlib.scrypt(str(value).encode(), salt=b"ladle", n=2**14, r=8, p=1, dklen=20).hex()


def _not_in_key(component: BaseModel) -> set[str]:
    fields = type(component).model_fields.items()
    return {name for name, field in fields if marked(field.metadata, NotInKey, Input, Uses)}


def model_files(folder: Path) -> list[Path]:
    """The files of a model folder that decide what it does."""
    return sorted(p for p in folder.iterdir() if p.suffix in (".json", ".safetensors", ".txt", ".model", ".jinja"))


def _version(offer: Offer) -> str:
    return _package_version(offer.plugin.name, offer.plugin.version, module_of(offer.target))


@functools.cache
def _package_version(package: str, version: str, module: str) -> str:
    """A package's version; of one installed for editing, which changes under one version, also its source."""
    if package == "ladle":
        return version
    about = metadata.distribution(package).read_text("direct_url.json")
    if not about or not json.loads(about).get("dir_info", {}).get("editable"):
        return version
    spec = util.find_spec(module)
    folders = spec.submodule_search_locations if spec and spec.submodule_search_locations else []
    sources = sorted(path for folder in folders for path in Path(folder).rglob("*.py"))
    if spec and spec.origin and not sources:
        sources = [Path(spec.origin)]
    return f"{version}+{digest([path.read_text(encoding='utf-8') for path in sources])}"
