"""Finding installed plugins, and the components that they offer.

Entry points are loaded one by one, each guarded: a plugin that cannot be imported, or raises in a hook, is
listed with its error and breaks nothing else.
"""

from __future__ import annotations

import functools
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
        """The component's class. Raises PluginError if it cannot be imported."""
        try:
            return load_target(self.target)
        except Exception as error:
            raise PluginError(f"`{self.use}` of {self.plugin.name} cannot be imported: {_describe(error)}") from error


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
            raise UnknownUseError(f"{len(found)} plugins offer a {kind} `{name}`", f"write {spellings}")
        elsewhere = sorted({o.kind for o in self.offers if o.use == name})
        broken = [p.name for p in self.plugins if p.error]
        if elsewhere:
            help = f"`{name}` is a {' and a '.join(elsewhere)}"
        elif near := nearest(name, {o.use for o in offers}):
            help = f"did you mean `{near}`?"
        else:
            help = did_you_mean(name, [o.use for o in offers], f"the {kind}s installed are")
        if broken:
            help += f" (broken plugins, which may offer it: {', '.join(broken)}; see `ladle plugins`)"
        raise UnknownUseError(f"unknown {kind} `{use}`", help)


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
                manager.register(module, name)
                manager.check_pending()
                _collect(registry, manager, plugin, module)
        except Exception as error:
            plugin.error = _describe(error)
    return registry


def _found() -> Iterator[tuple[str, str, Any]]:
    from . import __version__

    yield "ladle", __version__, lambda: import_module("ladle.builtin")
    points = [(p.dist.name if p.dist else p.name, p) for p in metadata.entry_points(group="ladle")]
    for name, point in sorted(points, key=lambda pair: (pair[0], pair[1].name)):
        yield name, point.dist.version if point.dist else "?", point.load


def _collect(registry: Registry, manager: pluggy.PluginManager, plugin: Plugin, module: types.ModuleType) -> None:
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
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    place = f" ({frame.tb_frame.f_code.co_filename}:{frame.tb_lineno})" if frame else ""
    return f"{type(error).__name__}: {error}{place}"


def module_of(target: Any) -> str:
    """The name of the top package in which a hook's answer lives."""
    return (target if isinstance(target, str) else target.__module__).partition(":")[0].partition(".")[0]
