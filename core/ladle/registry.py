"""Finding installed plugins, and the components that they offer.

Entry points are loaded one by one, each guarded: a plugin that cannot be imported, or raises in a hook, is
listed with its error and breaks nothing else.
"""

from __future__ import annotations

import functools
import importlib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

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
_TABLES = {"trainer": "[[train]]", "technique": "[[train.technique]]", "source": "[data.NAME.source]"}


@dataclass
class Plugin:
    """An installed package that offers components, or the error that keeps it from doing so."""

    name: str
    version: str
    error: str | None = None


@dataclass(frozen=True)
class Offer:
    """One component under the name that recipes use; its class is imported when asked for."""

    use: str
    kind: str
    plugin: Plugin
    target: Any

    def load(self) -> type[Component]:
        """The component's class. Raises PluginError if it cannot be imported, or is something else."""
        title = f"`{self.use}` of {self.plugin.name}"
        try:
            loaded = load_target(self.target)
        except Exception as error:
            raise PluginError(f"{title} cannot be imported: {_describe(error)}") from error
        from .components import Component

        if not (isinstance(loaded, type) and issubclass(loaded, Component) and loaded.kind == self.kind):
            raise PluginError(f"{title} is offered as a {CALLED[self.kind]}, and is none: {loaded!r}")
        return loaded


class PluginError(Exception):
    """A plugin does not do what it promises."""


class UnknownUseError(LookupError):
    """No component, or more than one, has the name that a recipe uses."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.help = help


@dataclass
class Registry:
    """What all plugins of this environment offer."""

    plugins: list[Plugin] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    commands: dict[str, Any] = field(default_factory=dict)

    def of_kind(self, kind: str) -> list[Offer]:
        return [offer for offer in self.offers if offer.kind == kind]

    def find(self, kind: str, use: str) -> Offer:
        """The offer that `use = "name"` or `use = "package:name"` means. Raises UnknownUseError."""
        package, _, name = use.rpartition(":")
        offers = self.of_kind(kind)
        found = [o for o in offers if o.use == name and package in ("", o.plugin.name)]
        if len(found) == 1:
            return found[0]
        if found:
            spellings = " or ".join(f'use = "{o.plugin.name}:{name}"' for o in found)
            raise UnknownUseError(f"{len(found)} plugins offer a {CALLED[kind]} `{name}`", f"write {spellings}")
        elsewhere = sorted({o.kind for o in self.offers if o.use == name and package in ("", o.plugin.name)})
        broken = [p.name for p in self.plugins if p.error]
        if package and package not in {plugin.name for plugin in self.plugins}:
            help = f"the package is not installed: pip install {package}"
        elif elsewhere:
            homes = [f"a {CALLED[k]}, for {_TABLES.get(k, f'[[data.NAME.{k}]]')}" for k in elsewhere]
            help = f"`{name}` is {' and '.join(homes)}"
        elif near := nearest(name, {o.use for o in offers}):
            help = f"did you mean `{near}`?"
        else:
            help = did_you_mean(name, [o.use for o in offers], f"the {CALLED[kind]}s installed are")
        if broken:
            help += f" (broken plugins, which may offer it: {', '.join(broken)}; see `ladle plugins`)"
        raise UnknownUseError(f"unknown {CALLED[kind]} `{use}`", help)


@functools.cache
def installed() -> Registry:
    """The plugins of this environment, found through the metadata of installed packages."""
    registry = Registry()
    manager = pluggy.PluginManager("ladle")
    manager.add_hookspecs(hookspecs)
    for name, version, load in _found():
        plugin = Plugin(name, version)
        registry.plugins.append(plugin)
        try:
            module = load()
            if not manager.is_registered(module):
                manager.register(module, module.__name__)
                _collect(registry, manager, plugin, module)
        except (Exception, SystemExit) as error:
            plugin.error = _describe(error)
    return registry


def _found() -> Iterator[tuple[str, str, Any]]:
    from . import __version__

    yield "ladle", __version__, lambda: import_module("ladle.builtin")
    points = [(p.dist.name if p.dist else p.name, p) for p in metadata.entry_points(group="ladle")]
    for name, point in sorted(points, key=lambda pair: (pair[0], pair[1].name)):
        yield name, point.dist.version if point.dist else "?", point.load


def _collect(registry: Registry, manager: pluggy.PluginManager, plugin: Plugin, module: types.ModuleType) -> None:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError:
        manager.unregister(module)  # or its unknown hook would be held against every plugin after it
        raise

    def answers(hook: str) -> Iterator[tuple[str, Any]]:
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            if implementation.plugin is module:
                yield from implementation.function().items()

    for kind, hook in HOOKS.items():
        registry.offers += [Offer(use, kind, plugin, target) for use, target in answers(hook)]
    registry.commands.update(answers("ladle_commands"))


def load_target(target: Any) -> Any:
    """What a hook's answer stands for: itself, or what its text points to."""
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def _describe(error: BaseException) -> str:
    """An error with the place where it was raised; the import system's own places help nobody."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f.filename not in (__file__, importlib.__file__) and not f.filename.startswith("<")]
    place = f" ({ours[-1].filename}:{ours[-1].lineno})" if ours else ""
    return f"{type(error).__name__}: {error}{place}"


def module_of(target: Any) -> str:
    """The name of the top package in which a hook's answer lives."""
    return (target if isinstance(target, str) else target.__module__).partition(":")[0].partition(".")[0]
