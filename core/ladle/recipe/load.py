"""Reading a recipe: TOML text, its outer tables, and a component for every `use`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import tomli
from pydantic import ValidationError

from ..columns import Columns
from ..components import Component, DataSource
from ..errors import Problem, RecipeError, nearest
from ..registry import CALLED, Offer, Plugin, PluginError, Registry, UnknownUseError, installed
from .check import check
from .model import STEPS, DataSet, Recipe, Split, TrainStage, Used
from .problems import Problems, check_keys
from .spans import Path as TomlPath

_TOP = ["name", "seed", "data", "train"]
_NAME = re.compile(r'(?!\.)[^/\\:<>"|?*\x00-\x1f]+')  # what can be the name of a folder everywhere
_SEEDS = range(1 << 32)  # what numpy takes


def load(path: Path, registry: Registry | None = None) -> tuple[Recipe, list[Problem]]:
    """Read and check a recipe; with it come the warnings.

    Raises RecipeError with all of its errors if it has any.
    """
    text = _read(path)
    problems = Problems(str(path), text)
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        problems.add_syntax_error(error.msg, error.lineno, error.colno)
        raise RecipeError(problems.found) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets in brackets in …
        problems.add_syntax_error(str(error), 1, 1)
        raise RecipeError(problems.found) from None
    problems.index()
    recipe = _Reader(problems, path, text, registry or installed()).recipe(document)
    check(recipe, problems)
    errors = [problem for problem in problems.found if problem.severity == "error"]
    if errors:
        raise RecipeError(sorted(problems.found, key=lambda p: (p.span.line, p.span.column) if p.span else (0, 0)))
    return recipe, problems.found


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        near = nearest(path.stem, [p.stem for p in path.parent.glob("*.toml")]) if path.parent.is_dir() else None
        help = f"did you mean {path.with_name(f'{near}.toml')}?" if near else ""
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
            name=self._name(document.get("name", self.path.stem), self.path.stem, ("name",)),
            seed=self._seed(document.get("seed", 0)),
        )
        for name, table in self._table(document.get("data", {}), ("data",)).items():
            self._name(name, name, ("data", name), "key")
            recipe.data[name] = self._data_set(name, self._table(table, ("data", name)))
        for index, table in enumerate(self._tables(document.get("train", []), ("train",), "[[train]]")):
            self._train_stage(table, ("train", index), recipe)
        if not recipe.data and not self.problems.found:
            self.problems.add("empty", "the recipe has no data set", "begin with a [data.NAME.source] table")
        return recipe

    def _name(self, value: Any, default: str, at: TomlPath, on: Literal["key", "value"] = "value") -> str:
        """A name that can be a folder's, or `default` with a problem noted."""
        if not isinstance(value, str):
            self.problems.add("type", "expected a name in quotes", "", at, on)
        elif not _NAME.fullmatch(value):
            help = 'a name is not empty, begins with no full stop and holds none of / \\ : < > " | ? *'
            self.problems.add("value", f'"{value}" cannot be a name', help, at, on)
        else:
            return value
        return default

    def _seed(self, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            self.problems.add("type", "expected a whole number", "", ("seed",), "value")
        elif value not in _SEEDS:
            message = f"{value} is out of range: expected at least 0 and less than {_SEEDS.stop}"
            self.problems.add("value", message, "", ("seed",), "value")
        else:
            return value
        return 0

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
            steps[step] = found
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
            return Split.model_construct(test=0.1, validation=0.1)  # so that no mistake follows from it

    def _train_stage(self, table: dict[str, Any], at: TomlPath, recipe: Recipe) -> None:
        options = dict(table)
        techniques = self._tables(options.pop("technique", []), (*at, "technique"), "[[train.technique]]")
        taken = [stage.name for stage in recipe.train]
        default = str(table.get("use", "train")).rpartition(":")[2]
        default = default if default not in taken else f"{default}-{len(taken) + 1}"
        name = self._name(options.pop("name", default), default, (*at, "name"))
        if name in taken:
            self.problems.add("value", f"two train stages are called `{name}`", "", (*at, "name"), "value")
        trainer = self._use("trainer", options, at)
        used = [self._use("technique", item, (*at, "technique", i)) for i, item in enumerate(techniques)]
        if isinstance(trainer.component, Faulty):
            recipe.faulty.add(name)
        else:
            techniques_used = [u for u in used if not isinstance(u.component, Faulty)]
            recipe.train.append(TrainStage(name, trainer, techniques_used))

    def _use(self, kind: str, table: dict[str, Any], at: TomlPath) -> Used:
        """The component that a table uses; one that stands for it, with a problem noted, if it has a mistake."""
        try:
            offer, component = self._component(kind, table, at)
        except _FaultError:
            offer, component = Offer("", kind, Plugin("", ""), Faulty), Faulty()
        return Used(str(table.get("use")), offer, component, at)

    def _component(self, kind: str, table: dict[str, Any], at: TomlPath) -> tuple[Offer, Component]:
        options = dict(table)
        use = options.pop("use", None)
        if not isinstance(use, str):
            names = ", ".join(sorted(offer.use for offer in self.registry.of_kind(kind)))
            help = f"the {CALLED[kind]}s installed are: {names}" if names else f"no {CALLED[kind]} is installed"
            if use is None:
                self.problems.add("missing-key", f"the key `use` is missing: which {CALLED[kind]}?", help, at)
            else:
                self.problems.add(
                    "type", f"expected the name of a {CALLED[kind]} in quotes", help, (*at, "use"), "value"
                )
            raise _FaultError
        try:
            offer = self.registry.find(kind, use)
            component_class = offer.load()
        except UnknownUseError as error:
            self.problems.add("unknown-use", str(error), error.help, (*at, "use"), "value")
            raise _FaultError from None
        except PluginError as error:
            self.problems.add("plugin", str(error), "see `ladle plugins`", (*at, "use"), "value")
            raise _FaultError from None
        try:
            component = component_class.model_validate(options, context={"folder": self.path.parent})
        except ValidationError as error:
            self.problems.add_validation_error(error, component_class, at)
            raise _FaultError from None
        except Exception as error:  # a validator of a plugin
            self.problems.add_plugin_error(error, use, at)
            raise _FaultError from None
        return offer, component


class _FaultError(Exception):
    """A table has a mistake, which is noted."""


class Faulty(DataSource):
    """Stands where a table has a mistake: after it any column may be there, so that no mistake follows from it."""

    def columns_after(self, given: Columns) -> Columns:
        return Columns(given, known=False)
