"""From a checked recipe to stages: what is to be done, from what, and under which key the outcome is kept."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata, util
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from .components import Component
from .errors import OptionError, Problem, RecipeError, StageError, did_you_mean
from .options import Input, NotInKey, Uses, marked
from .recipe.environment import replaced
from .recipe.model import DataSet, Recipe, Split, Used
from .recipe.spans import Path as TomlPath
from .registry import Offer, module_of
from .store import FORMAT, Store, digest


@dataclass
class Stage:
    """One component at work."""

    name: str
    kind: str
    use: str
    component: Component | Split
    rows: list[Stage]
    """The stages whose rows it reads."""
    used: Used | None = None
    techniques: list[Used] = field(default_factory=list)
    models: dict[str, Stage] = field(default_factory=dict)
    """The train stages whose models it uses, by name."""
    data_sets: dict[str, list[Stage]] = field(default_factory=dict)
    """The stages whose rows are the data sets that its options name."""
    parts: dict[str, Any] = field(default_factory=dict)
    """Everything that can change the outcome, as JSON values."""

    @property
    def beside(self) -> list[Stage]:
        """The stages whose rows it reads without passing them on."""
        own = {stage.name for stage in self.rows}
        return [stage for stages in self.data_sets.values() for stage in stages if stage.name not in own]

    @property
    def inputs(self) -> list[Stage]:
        """The stages whose outcomes it reads."""
        return [*self.rows, *self.beside, *self.models.values()]

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
    found = _Found(recipe)
    for name in recipe.data:
        found.data_set(name)
    for train_stage in recipe.train:
        found.train_stage(train_stage.name)
    for stage in found.stages:
        stage.parts = _parts(stage, recipe, store)
    return found.stages


def leading_to(stages: Sequence[Stage], name: str) -> list[Stage]:
    """A stage and all that it is made from, directly or not, in their order. Raises RecipeError if there is none."""
    names = [stage.name for stage in stages]
    if name not in names:
        raise RecipeError(
            Problem("no-stage", f"there is no stage `{name}`", did_you_mean(name, names, "the stages are"))
        )
    wanted = {name}
    for stage in reversed(stages):
        if stage.name in wanted:
            wanted |= {inner.name for inner in stage.inputs}
    return [stage for stage in stages if stage.name in wanted]


class _Found:
    """The stages of a recipe that have been found so far, each after its inputs."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.stages: list[Stage] = []
        self.ends: dict[str, list[Stage]] = {}  # the stages whose rows, read one after another, are a data set
        self.trained: dict[str, Stage] = {}

    def data_set(self, name: str) -> list[Stage]:
        """The stages whose rows are a data set."""
        if name not in self.ends:
            self.ends[name] = self._end_of(self.recipe.data[name])
        return self.ends[name]

    def _end_of(self, data_set: DataSet) -> list[Stage]:
        name = data_set.name
        current: list[Stage] = []
        for number, used in enumerate(data_set.sources, 1):
            data_sets = {start: self.data_set(start) for _, start in used.component.data_names()}
            rows = [end for ends in data_sets.values() for end in ends]
            title = f"{name}.source" if len(data_set.sources) == 1 else f"{name}.source.{number}"
            stage = Stage(title, "source", used.use, used.component, rows, used, data_sets=data_sets)
            current.append(self._add(stage))
        if data_set.split:
            current = [self._add(Stage(f"{name}.split", "split", "split", data_set.split, current))]
        for step in ("clean", "extract", "label", "write"):
            for number, used in enumerate(data_set.steps[step], 1):
                models = self._models([used])
                beside = {other: self.data_set(other) for _, other in used.component.data_names()}
                title = f"{name}.{step}.{number}"
                stage = Stage(title, step, used.use, used.component, current, used, models=models, data_sets=beside)
                current = current if step == "write" else [stage]
                self._add(stage)
        return current

    def train_stage(self, name: str) -> Stage:
        if name not in self.trained:
            stage = next(stage for stage in self.recipe.train if stage.name == name)
            named = (name for used in stage.uses for _, name in used.component.data_names())
            data_sets = {name: self.data_set(name) for name in (*stage.data, *named)}
            rows = [end for ends in data_sets.values() for end in ends]
            models = self._models(stage.uses)
            outer = stage.trainer
            self.trained[name] = Stage(
                name, "train", outer.use, outer.component, rows, outer, stage.techniques, models, data_sets
            )
            self._add(self.trained[name])
        return self.trained[name]

    def _models(self, uses: Iterable[Used]) -> dict[str, Stage]:
        choices = [choice for used in uses for _, choice in used.component.model_choices()]
        return {choice.stage: self.train_stage(choice.stage) for choice in choices if choice.stage}

    def _add(self, stage: Stage) -> Stage:
        self.stages.append(stage)
        return stage


def _parts(stage: Stage, recipe: Recipe, store: Store) -> dict[str, Any]:
    try:
        component = component_key(stage.used, stage.component, store)
    except OptionError as error:  # of a component that cannot tell the version of its data
        problems = recipe.problems.afresh()
        problems.add_option_error(error, stage.used.at if stage.used else ())
        raise StageError(problems.found) from error
    parts: dict[str, Any] = {
        "format": FORMAT,
        "stage": stage.kind,
        "component": component,
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
            if location := choice.location:
                files = model_files(location.folder) if location.folder else [location.file] if location.file else []
                key["model"] = store.hash_files(files) if files else [start["pretrained"], start["revision"]]
            if choice.scratch:
                key["model"] = start
        if (version := component.version_of_data()) is not None:
            key["data"] = digest(version)  # of the data themselves, nothing is to stand in a lock
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
