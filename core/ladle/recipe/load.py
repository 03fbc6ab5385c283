"""Reading a recipe: TOML text, its outer tables, and a component for every `use`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli
from pydantic import ValidationError

from ..errors import Problem, RecipeError, Span, nearest
from ..registry import PluginError, Registry, UnknownUseError, installed
from .check import check
from .model import STEPS, DataSet, Recipe, Split, TrainStage, Used
from .problems import Problems, check_keys
from .spans import Path as TomlPath

_TOP = ["name", "seed", "data", "train"]


def load(path: Path, registry: Registry | None = None) -> tuple[Recipe, list[Problem]]:
    """Read and check a recipe; with it come the warnings.

    Raises RecipeError with all of its errors if it has any.
    """
    text = _read(path)
    problems = Problems(str(path), text)
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        line = (text.splitlines() or [""])[min(error.lineno, max(1, len(text.splitlines()))) - 1]
        span = Span(str(path), error.lineno, error.colno, 1, line)
        raise RecipeError(
            Problem("syntax", f"this is not valid TOML: {error.msg}", "see https://toml.io for the syntax", span)
        ) from None
    problems.index()
    recipe = _Reader(problems, path, text, registry or installed()).recipe(document)
    check(recipe, problems)
    errors = [problem for problem in problems.found if problem.severity == "error"]
    if errors:
        raise RecipeError(sorted(problems.found, key=lambda p: (p.span.line, p.span.column) if p.span else (0, 0)))
    return recipe, problems.found


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        near = nearest(path.name, [p.name for p in path.parent.glob("*.toml")]) if path.parent.is_dir() else None
        help = f"did you mean {path.with_name(near)}?" if near else ""
        raise RecipeError(Problem("no-recipe", f"no such recipe: {path}", help)) from None
    except UnicodeDecodeError as error:
        raise RecipeError(
            Problem("encoding", f"{path} is not UTF-8 (byte {error.start})", "save it as UTF-8")
        ) from None
    except OSError as error:
        raise RecipeError(Problem("no-recipe", f"cannot read {path}: {error.strerror}")) from None


class _Reader:
    """Turns the parsed document into a Recipe, noting problems as it goes."""

    def __init__(self, problems: Problems, path: Path, text: str, registry: Registry) -> None:
        self.problems = problems
        self.path = path
        self.text = text
        self.registry = registry

    def recipe(self, document: dict[str, Any]) -> Recipe:
        check_keys(self.problems, document, _TOP, ())
        recipe = Recipe(
            self.path,
            self.text,
            name=self._value(document, "name", str, self.path.stem),
            seed=self._value(document, "seed", int, 0),
        )
        for name, table in self._table(document.get("data", {}), ("data",)).items():
            recipe.data[name] = self._data_set(name, self._table(table, ("data", name)))
        for index, table in enumerate(self._tables(document.get("train", []), ("train",), "[[train]]")):
            if stage := self._train_stage(table, ("train", index), [s.name for s in recipe.train]):
                recipe.train.append(stage)
        if not recipe.data and not self.problems.found:
            self.problems.add("empty", "the recipe has no data set", "begin with a [data.NAME.source] table")
        return recipe

    def _value(self, document: dict[str, Any], key: str, type_: type, default: Any) -> Any:
        value = document.get(key, default)
        if isinstance(value, type_) and not isinstance(value, bool):
            return value
        wanted = {str: "a text in quotes", int: "a whole number"}[type_]
        self.problems.add("type", f"expected {wanted}", "", (key,), "value")
        return default

    def _table(self, value: Any, at: TomlPath) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        header = ".".join(map(str, at))
        self.problems.add("type", "expected a table", f"write it as [{header}.…]", at)
        return {}

    def _tables(self, value: Any, at: TomlPath, header: str) -> list[dict[str, Any]]:
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return value
        self.problems.add("type", "expected a list of tables", f"write the header as {header}", at)
        return []

    def _data_set(self, name: str, table: dict[str, Any]) -> DataSet:
        at: TomlPath = ("data", name)
        check_keys(self.problems, table, [*STEPS, "split"], at)
        steps: dict[str, list[Used]] = {step: [] for step in STEPS}
        for step in STEPS:
            value = table.get(step, [])
            if step == "source" and isinstance(value, dict):
                found = [self._use("source", value, (*at, step))]
            else:
                tables = self._tables(value, (*at, step), f"[[data.{name}.{step}]]")
                found = [self._use(step, item, (*at, step, index)) for index, item in enumerate(tables)]
            steps[step] = [used for used in found if used]
        if "source" not in table:
            self.problems.add(
                "missing-key", f"the data set `{name}` has no source", f"add [data.{name}.source] with a `use`", at
            )
        return DataSet(name, steps, self._split(table.get("split"), (*at, "split")))

    def _split(self, table: Any, at: TomlPath) -> Split | None:
        if table is None:
            return None
        try:
            return Split.model_validate(self._table(table, at))
        except ValidationError as error:
            self.problems.add_validation_error(error, Split, at)
            return None

    def _train_stage(self, table: dict[str, Any], at: TomlPath, taken: list[str]) -> TrainStage | None:
        options = dict(table)
        techniques = self._tables(options.pop("technique", []), (*at, "technique"), "[[train.technique]]")
        default = str(table.get("use", "train")).rpartition(":")[2]
        default = default if default not in taken else f"{default}-{len(taken) + 1}"
        name = options.pop("name", default)
        if not isinstance(name, str) or not name or set(name) & set('/\\:<>"|?*'):
            self.problems.add("type", 'expected a name without / \\ : < > " | ? *', "", (*at, "name"), "value")
            name = default
        if name in taken:
            self.problems.add("value", f"two train stages are called `{name}`", "", (*at, "name"), "value")
        trainer = self._use("trainer", options, at)
        used = [self._use("technique", item, (*at, "technique", i)) for i, item in enumerate(techniques)]
        return TrainStage(name, trainer, [u for u in used if u]) if trainer else None

    def _use(self, kind: str, table: dict[str, Any], at: TomlPath) -> Used | None:
        """The component that a table uses, or None with a problem noted."""
        options = dict(table)
        use = options.pop("use", None)
        if not isinstance(use, str):
            names = ", ".join(sorted(offer.use for offer in self.registry.of_kind(kind)))
            self.problems.add("missing-key", f"the key `use` is missing: which {kind}?", f"there are: {names}", at)
            return None
        try:
            offer = self.registry.find(kind, use)
            component_class = offer.load()
        except UnknownUseError as error:
            self.problems.add("unknown-use", str(error), error.help, (*at, "use"), "value")
            return None
        except PluginError as error:
            self.problems.add("plugin", str(error), "see `ladle plugins`", (*at, "use"), "value")
            return None
        try:
            component = component_class.model_validate(options, context={"folder": self.path.parent})
        except ValidationError as error:
            self.problems.add_validation_error(error, component_class, at)
            return None
        return Used(use, offer, component, at)
