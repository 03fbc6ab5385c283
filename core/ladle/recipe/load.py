"""Reading a recipe: TOML text, its outer tables, and a component for every `use`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import tomli
from pydantic import ValidationError, create_model

from ..columns import Columns
from ..components import Component, DataSource
from ..errors import Problem, RecipeError, nearest
from ..options import Uses, marked
from ..registry import About, Offer, Plugin, PluginError, Registry, UnknownUseError, called, installed
from .check import check
from .environment import VariableError
from .model import STEPS, DataSet, Recipe, Split, TrainStage, Used
from .problems import Problems, check_keys
from .settings import apply
from .spans import Path as TomlPath

TOP_KEYS = ["name", "seed", "data", "train"]
NAME = re.compile(r'(?!\.)[^/\\:<>"|?*\x00-\x1f]+')  # what can be the name of a folder everywhere
SEEDS = range(1 << 32)  # what numpy takes


def load(
    path: Path,
    registry: Registry | None = None,
    settings: Sequence[str] = (),
    offline: bool = False,
    text: str | None = None,
) -> tuple[Recipe, list[Problem]]:
    """Read and check a recipe; with it come the warnings.

    `settings` are values in the place of the recipe's own ("train.0.epochs=1"). `offline` leaves sources alone: what
    only they could tell is not checked. `text` is the recipe if it is not the file's.

    Raises RecipeError with all of its errors if it has any.
    """
    text = _read(path) if text is None else text
    problems = Problems(str(path), text, settings)
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        problems.add_syntax_error(error.msg, error.lineno, error.colno)
        raise RecipeError(problems.found) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets in brackets in …
        problems.add_syntax_error(str(error), 1, 1)
        raise RecipeError(problems.found) from None
    problems.index()
    apply(settings, document, problems)
    recipe = Recipe(path, text, problems, settings=tuple(settings), is_offline=offline)
    _Reader(problems, recipe, registry or installed()).read(document)
    check(recipe, problems)
    found = sorted(problems.found, key=_place)
    if any(problem.severity == "error" for problem in found):
        raise RecipeError(found)
    return recipe, found


def _place(problem: Problem) -> tuple[str, int, int]:
    span = problem.span
    return (span.file, span.line, span.column) if span else ("", 0, 0)


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

    def __init__(self, problems: Problems, recipe: Recipe, registry: Registry) -> None:
        self.problems = problems
        self.recipe = recipe
        self.registry = registry
        self.written: dict[TomlPath, str] = {}
        """The texts that came from the environment, as the recipe has them."""

    def read(self, document: dict[str, Any]) -> None:
        check_keys(self.problems, document, TOP_KEYS, ())
        document = {key: self._expanded(value, (key,)) for key, value in document.items() if key in TOP_KEYS}
        stem = self.recipe.path.stem
        self.recipe.name = self._name(document.get("name", stem), stem, ("name",))
        self.recipe.seed = self._seed(document.get("seed", 0))
        for name, table in self._table(document.get("data", {}), ("data",)).items():
            self._name(name, name, ("data", name), "key")
            self.recipe.data[name] = self._data_set(name, self._table(table, ("data", name)))
        for index, table in enumerate(self._tables(document.get("train", []), ("train",), "[[train]]")):
            self._train_stage(table, ("train", index))
        if not self.recipe.data and not self.problems.found:
            self.problems.add("empty", "the recipe has no data set", "begin with a [data.NAME.source] table")

    def _expanded(self, value: Any, at: TomlPath) -> Any:
        """A value with the variables in its texts expanded."""
        if isinstance(value, dict):
            return {key: self._expanded(inner, (*at, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._expanded(inner, (*at, index)) for index, inner in enumerate(value)]
        return self._expanded_text(value, at) if isinstance(value, str) else value

    def _expanded_text(self, text: str, at: TomlPath) -> str:
        try:
            expanded = self.problems.secrets.expand(text)
        except VariableError as error:
            self.problems.add("environment", str(error), error.help, at, "value")
            self.problems.settle(at)
            return text
        if expanded != text and _is_told(at):
            message = "this stands in the lock and in what is told of a run: it cannot come from the environment"
            self.problems.add("environment", message, "write it here, or give it with --set", at, "value")
            self.problems.settle(at)
            return text
        if expanded != text:
            self.written[at] = text
        return expanded

    def _name(self, value: Any, default: str, at: TomlPath, on: Literal["key", "value"] = "value") -> str:
        """A name that can be a folder's, or `default` with a problem noted."""
        if not isinstance(value, str):
            self.problems.add("type", "expected a name in quotes", "", at, on)
        elif not NAME.fullmatch(value):
            help = 'a name is not empty, begins with no full stop and holds none of / \\ : < > " | ? *'
            self.problems.add("value", f'"{value}" cannot be a name', help, at, on)
        else:
            return value
        return default

    def _seed(self, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            self.problems.add("type", "expected a whole number", "", ("seed",), "value")
        elif value not in SEEDS:
            message = f"{value} is out of range: expected at least 0 and less than {SEEDS.stop}"
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

    def _train_stage(self, table: dict[str, Any], at: TomlPath) -> None:
        recipe = self.recipe
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

    def _use(self, kind: str, table: dict[str, Any], at: TomlPath, outer: dict[str, Any] | None = None) -> Used:
        """The component that a table uses; one that stands for it, with a problem noted, if it has a mistake.

        It has options of an `outer` table too, where it has some of their names and says nothing else.
        """
        inner: list[Used] = []
        given: set[str] = set()
        try:
            offer = self._offer(kind, table, at)
            component_class = self._class(offer, at)
            options = {key: value for key, value in table.items() if key != "use"}
            known = {field.alias or name for name, field in component_class.model_fields.items()}
            given = {key for key in outer or () if key in known and key not in options}
            options |= {key: value for key, value in (outer or {}).items() if key in given}
            options, inner, broken = self._inner(component_class, options, at)
            component = self._component(offer.use, component_class, options, broken, at)
        except _FaultError:
            offer, component = Offer("", kind, Plugin(About("", "")), Faulty), Faulty()
        written = {path[len(at) :]: text for path, text in self.written.items() if path[: len(at)] == at}
        return Used(str(table.get("use")), offer, component, at, written, inner, frozenset(given))

    def _inner(
        self, component_class: type[Component], options: dict[str, Any], at: TomlPath
    ) -> tuple[dict[str, Any], list[Used], set[str]]:
        """Options with components in the place of tables that use some; these; and the options with mistakes in it."""
        found: list[Used] = []
        broken: set[str] = set()
        for name, field in component_class.model_fields.items():
            key = field.alias or name
            for mark in marked(field.metadata, Uses):
                value = options.get(key, mark.default)
                if value is None:
                    continue
                outer = {given: options[given] for given in mark.given if given in options}
                try:
                    used = self._all_of(mark, value, (*at, key), outer)
                except _FaultError:
                    broken.add(key)
                    self.problems.settle((*at, key))
                    continue
                options = options | {key: _as(mark.form, used)}
                found += used.values()
        rest = {key: value for key, value in options.items() if key not in broken}
        return rest, found, broken

    def _all_of(self, mark: Uses, value: Any, at: TomlPath, outer: dict[str, Any]) -> dict[TomlPath, Used]:
        tables = self._tables_of(mark, value, at)
        used = {place: self._use(mark.kind, table, (*at, *place), outer) for place, table in tables.items()}
        if any(isinstance(one.component, Faulty) for one in used.values()):
            raise _FaultError
        return used

    def _tables_of(self, mark: Uses, value: Any, at: TomlPath) -> dict[TomlPath, dict[str, Any]]:
        """The tables that use a component, by their places in the value; a name alone is a table with just `use`."""
        places: dict[TomlPath, Any] | None
        if mark.form == "list":
            places = {(place,): item for place, item in enumerate(value)} if isinstance(value, list) else None
        elif mark.form == "names":
            places = {(name,): item for name, item in value.items()} if isinstance(value, dict) else None
        else:
            places = {(): value}
        tables = {place: {"use": item} if isinstance(item, str) else item for place, item in (places or {}).items()}
        if places is not None and all(isinstance(item, dict) for item in tables.values()):
            return tables
        shape = {
            "one": '"NAME" or { use = "NAME", … }',
            "list": '[{ use = "NAME", … }]',
            "names": '{ ANY = { use = "NAME", … } }',
        }[mark.form]
        called_kind = called(mark.kind)
        named = ", ".join(sorted(offer.use for offer in self.registry.of_kind(mark.kind))) or "none"
        help = f"NAME is a {called_kind}; installed are: {named}"
        self.problems.add("type", f"expected {at[-1]} = {shape}", help, at, "value")
        raise _FaultError

    def _offer(self, kind: str, table: dict[str, Any], at: TomlPath) -> Offer:
        options = dict(table)
        use = options.pop("use", None)
        if use is None and (near := nearest("use", [key for key in options if (*at, key) in self.problems.places])):
            help = f"did you mean `use`? It names the {called(kind)}"
            self.problems.add("unknown-key", f"unknown key `{near}`", help, (*at, near))
            raise _FaultError
        if not isinstance(use, str):
            names = ", ".join(sorted(offer.use for offer in self.registry.of_kind(kind)))
            help = f"the {called(kind)}s installed are: {names}" if names else f"no {called(kind)} is installed"
            if use is None:
                self.problems.add("missing-key", f"the key `use` is missing: which {called(kind)}?", help, at)
            else:
                self.problems.add(
                    "type", f"expected the name of a {called(kind)} in quotes", help, (*at, "use"), "value"
                )
            raise _FaultError
        try:
            return self.registry.find(kind, use)
        except UnknownUseError as error:
            self.problems.add("unknown-use", str(error), error.help, (*at, "use"), "value")
            raise _FaultError from None

    def _class(self, offer: Offer, at: TomlPath) -> type[Component]:
        try:
            return offer.load()
        except PluginError as error:
            self.problems.add("plugin", str(error), "see `ladle plugins`", (*at, "use"), "value")
            raise _FaultError from None

    def _component(
        self, use: str, component_class: type[Component], options: dict[str, Any], broken: set[str], at: TomlPath
    ) -> Component:
        try:
            component = component_class.model_validate(options, context=self._context(at))
        except ValidationError as error:
            self.problems.add_validation_error(error, component_class, at)
            wrong = {str(detail["loc"][0]) for detail in error.errors(include_url=False) if detail["loc"]}
            return self._mended(component_class, options, wrong | broken, at)
        except Exception as error:  # a validator of a plugin
            self.problems.add_plugin_error(error, use, at)
            raise _FaultError from None
        return self._mended(component_class, options, broken, at) if broken else component

    def _context(self, at: TomlPath) -> dict[str, Any]:
        """What the validators of options may look at beside the options; `at` is the place of their table."""
        path = self.recipe.path
        return {"folder": path.parent, "recipe": path, "at": at, "secrets": self.problems.secrets}

    def _mended(
        self, component_class: type[Component], options: dict[str, Any], wrong: set[str], at: TomlPath
    ) -> Component:
        """A trainer or technique without the options that are wrong: what else its stage names can still be checked.

        Options that it needs and has not are None.
        """
        rest = {name: value for name, value in options.items() if name not in wrong}
        needed = {name: field for name, field in component_class.model_fields.items() if field.is_required()}
        lacking = [name for name, field in needed.items() if (field.alias or name) not in rest]
        if component_class.kind not in ("trainer", "technique") or "data" in lacking or not wrong:
            raise _FaultError
        nothing: Any = (Any, None)
        try:
            if lacking:
                component_class = create_model("Mended", __base__=component_class, **dict.fromkeys(lacking, nothing))
            component = component_class.model_validate(rest, context=self._context(at))
        except Exception:
            raise _FaultError from None
        if component_class.kind == "trainer" and getattr(component, "data", None) is None:
            raise _FaultError  # it was to have its data from tables within it that have mistakes
        for place in (at, *((*at, name) for name in wrong)):  # what defaults there lead to is no mistake of the recipe
            self.problems.settle(place)
        return component


def _as(form: str, used: dict[TomlPath, Used]) -> Any:
    """Components in the form that an option has."""
    if form == "one":
        return used[()].component if used else None
    if form == "list":
        return [one.component for one in used.values()]
    return {place[0]: one.component for place, one in used.items()}


def _is_told(at: TomlPath) -> bool:
    """Whether a text is a name that ladle itself goes by: of a component, a train stage, or what a split looks at."""
    match at:
        case ("name",) | ("train", _, "name") | ("data", _, "split", *_):
            return True
    return at[-1] == "use"


class _FaultError(Exception):
    """A table has a mistake, which is noted."""


class Faulty(DataSource):
    """Stands where a table has a mistake: after it any column may be there, so that no mistake follows from it."""

    def columns_after(self, given: Columns) -> Columns:
        return Columns(given, known=False)
