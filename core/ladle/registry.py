"""Finding installed plugins, and the components that they offer.

Entry points are loaded one by one, each guarded: a plugin that cannot be imported, or raises in a hook, is
listed with its error and breaks nothing else.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from . import hookspecs
from .errors import did_you_mean, nearest

if TYPE_CHECKING:
    import types

    from .components import Component

HOOKS = {
    "source": "ladle_data_sources",
    "clean": "ladle_cleaners",
    "extract": "ladle_feature_extractors",
    "label": "ladle_labelers",
    "write": "ladle_writers",
    "trainer": "ladle_trainers",
    "technique": "ladle_techniques",
}

CALLED = {
    "source": "data source",
    "clean": "cleaner",
    "extract": "feature extractor",
    "label": "labeler",
    "write": "writer",
    "trainer": "trainer",
    "technique": "technique",
}  # kinds as a person reads them


def called(kind: str) -> str:
    """A kind as a person reads it; those that plugins add are called as they are."""
    return CALLED.get(kind, kind)


_TABLES = {"trainer": "[[train]]", "technique": "[[train.technique]]", "source": "[data.NAME.source]"}


class About(NamedTuple):
    """What a plugin is called, where no package tells it."""

    name: str
    version: str


class Plugin:
    """An installed package that offers components, or the error that keeps it from doing so.

    `about` has its `name` and `version`, which are looked up when asked for: a package's metadata is long.
    """

    def __init__(self, about: About | metadata.Distribution) -> None:
        self._about = about
        self.error: str | None = None

    @functools.cached_property
    def name(self) -> str:
        return self._about.name

    @functools.cached_property
    def version(self) -> str:
        return self._about.version


class Offer(NamedTuple):
    """One component under the name that recipes use; its class is imported when asked for."""

    use: str
    kind: str
    plugin: Plugin
    target: Any

    def load(self) -> type[Component]:
        """The component's class. Raises PluginError if it cannot be imported, or is something else."""
        try:
            loaded = load_target(self.target)
        except Exception as error:
            raise PluginError(f"{self._title} cannot be imported: {_describe(error)}") from error
        from .components import Component

        if not (isinstance(loaded, type) and issubclass(loaded, Component) and loaded.kind == self.kind):
            raise PluginError(f"{self._title} is offered as a {called(self.kind)}, and is none: {loaded!r}")
        return loaded

    def is_meant_by(self, use: str) -> bool:
        """Whether a recipe's `use = "name"` or `use = "package:name"` can mean this one."""
        package, _, name = use.rpartition(":")
        return name == self.use and (not package or package == self.plugin.name)

    @property
    def _title(self) -> str:
        return f"`{self.use}` of {self.plugin.name}"


class PluginError(Exception):
    """A plugin does not do what it promises."""


class UnknownUseError(LookupError):
    """No component, or more than one, has the name that a recipe uses."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.help = help


class Registry:
    """What all plugins of this environment offer."""

    def __init__(self, plugins: Iterable[Plugin] = (), offers: Iterable[Offer] = ()) -> None:
        self.plugins = list(plugins)
        self.offers = list(offers)
        self.commands: dict[str, Any] = {}

    @property
    def kinds(self) -> list[str]:
        """The core's kinds of components, and those of plugins."""
        return list(dict.fromkeys([*HOOKS, *(offer.kind for offer in self.offers)]))

    def of_kind(self, kind: str) -> list[Offer]:
        return [offer for offer in self.offers if offer.kind == kind]

    def find(self, kind: str, use: str) -> Offer:
        """The offer that `use = "name"` or `use = "package:name"` means. Raises UnknownUseError."""
        package, _, name = use.rpartition(":")
        found = [offer for offer in self.of_kind(kind) if offer.is_meant_by(use)]
        if len(found) == 1:
            return found[0]
        if found:
            spellings = " or ".join(f'use = "{o.plugin.name}:{name}"' for o in found)
            raise UnknownUseError(f"{len(found)} plugins offer a {called(kind)} `{name}`", f"write {spellings}")
        plugins = [plugin.name for plugin in self.plugins]
        is_here = package in ("", *plugins)
        help = self._remedy(kind, use) if is_here else _remedy_of_package(package, name, plugins)
        if broken := [plugin.name for plugin in self.plugins if plugin.error]:
            help += f" (broken plugins, which may offer it: {', '.join(broken)}; see `ladle plugins`)"
        raise UnknownUseError(f"unknown {called(kind)} `{use}`", help)

    def _remedy(self, kind: str, use: str) -> str:
        """What to do about a name that no plugin, or not the package before its colon, offers."""
        name = use.rpartition(":")[2]
        here = {offer.use: offer.plugin.name for offer in self.of_kind(kind)}
        known = catalogue().get(kind, {})
        if name in here:
            return f'{here[name]} offers it: write use = "{here[name]}:{name}"'
        if elsewhere := sorted({offer.kind for offer in self.offers if offer.is_meant_by(use)}):
            return f"`{name}` is {' and '.join(map(_home, elsewhere))}"
        if name in known:
            return f"the package {known[name]} offers it: pip install {known[name]}"
        if elsewhere := [other for other, uses in catalogue().items() if name in uses]:
            return f"`{name}` is {' and '.join(map(_home, elsewhere))}; {catalogue()[elsewhere[0]][name]} offers it"
        if near := nearest(name, {**known, **here}):
            return f"did you mean `{near}`?{'' if near in here else f' The package {known[near]} offers it'}"
        return did_you_mean(name, list(here), f"the {called(kind)}s installed are")


@functools.cache
def installed() -> Registry:
    """The plugins of this environment, found through the metadata of installed packages."""
    registry = Registry()
    manager = pluggy.PluginManager("ladle")
    manager.add_hookspecs(hookspecs)
    modules: dict[types.ModuleType, Plugin] = {}
    hooks = dict(HOOKS)
    for about, load in _found():
        plugin = Plugin(about)
        registry.plugins.append(plugin)
        with _guarded(plugin):
            module = load()
            if module not in modules:
                manager.register(module, module.__name__)
                modules[module] = plugin
                hooks |= _added_kinds(manager, module)
    for module, plugin in modules.items():  # once the hooks of all kinds are known
        with _guarded(plugin):
            _collect(registry, manager, hooks, plugin, module)
    return registry


@contextmanager
def _guarded(plugin: Plugin) -> Iterator[None]:
    """Whatever a plugin raises is noted, and breaks nothing else."""
    try:
        yield
    except (Exception, SystemExit) as error:
        plugin.error = _describe(error)


def _added_kinds(manager: pluggy.PluginManager, module: types.ModuleType) -> dict[str, str]:
    """The kinds that a plugin adds, with their hooks."""
    specs = {kind: load_target(place) for kind, place in _answers(manager, module, "ladle_kinds")}
    for holder in {spec.__module__ for spec in specs.values()}:
        manager.add_hookspecs(sys.modules[holder])
    return {kind: spec.__name__ for kind, spec in specs.items()}


@functools.cache
def catalogue() -> dict[str, dict[str, str]]:
    """The packages that offer what ladle's own plugins offer, by kind and name: for who lacks one of them."""
    found: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("catalogue.json").read_text("utf-8"))
    return found


def _home(kind: str) -> str:
    if kind not in CALLED:
        return f"a {kind}, for an option that holds one"
    return f"a {CALLED[kind]}, for {_TABLES.get(kind, f'[[data.NAME.{kind}]]')}"


def _remedy_of_package(package: str, name: str, installed: Iterable[str]) -> str:
    """What to do about a package that is not there: nobody should install one of a name that is only near."""
    packages = {*installed, *(known for uses in catalogue().values() for known in uses.values())}
    own = {known.removeprefix("ladle-"): known for known in packages}  # what all of them begin with makes none near
    near = nearest(package.removeprefix("ladle-"), own)
    if near is None or own[near] == package:
        return f"the package is not installed: pip install {package}"
    return f"did you mean `{own[near]}:{name}`?"


def _found() -> Iterator[tuple[About | metadata.Distribution, Any]]:
    from . import __version__

    yield About("ladle", __version__), lambda: import_module("ladle.builtin")
    for point in sorted(metadata.entry_points(group="ladle"), key=lambda point: (point.name, point.value)):
        yield point.dist or About(point.name, "?"), point.load


def _collect(
    registry: Registry,
    manager: pluggy.PluginManager,
    hooks: dict[str, str],
    plugin: Plugin,
    module: types.ModuleType,
) -> None:
    for caller in manager.get_hookcallers(module) or ():
        optional = all(found.optionalhook for found in caller.get_hookimpls() if found.plugin is module)
        if not caller.has_spec() and not optional:
            known = [*hooks.values(), "ladle_commands", "ladle_kinds"]
            raise PluginError(f"unknown hook `{caller.name}`: {did_you_mean(caller.name, known, 'the hooks are')}")
    for kind, hook in hooks.items():
        registry.offers += [Offer(use, kind, plugin, target) for use, target in _answers(manager, module, hook)]
    registry.commands.update(_answers(manager, module, "ladle_commands"))


def _answers(manager: pluggy.PluginManager, module: types.ModuleType, hook: str) -> Iterator[tuple[str, Any]]:
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.plugin is module:
            yield from implementation.function().items()


def load_target(target: Any) -> Any:
    """What a hook's answer stands for: itself, or what its text points to."""
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def _describe(error: BaseException) -> str:
    """An error with the place where it was raised; the import system's own places help nobody."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f.filename not in (__file__, importlib.__file__) and not f.filename.startswith("<")]
    place = f" ({ours[-1].filename}:{ours[-1].lineno})" if ours else ""
    return f"{type(error).__name__}: {error}{place}"


def module_of(target: Any) -> str:
    """The name of the top package in which a hook's answer lives."""
    return (target if isinstance(target, str) else target.__module__).partition(":")[0].partition(".")[0]
