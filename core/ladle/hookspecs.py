"""The whole contract between ladle and its plugins: one hook for each kind of component, one for commands.

Each hook returns names, as recipes use them, with a component class or with the place of one as text
("package.module:Class"), which is imported only when a recipe names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping

    import click

    from .components import Cleaner, DataSource, FeatureExtractor, Labeler, Technique, Trainer, Writer

hookspec = pluggy.HookspecMarker("ladle")
hookimpl = pluggy.HookimplMarker("ladle")


@hookspec
def ladle_data_sources() -> Mapping[str, type[DataSource] | str]:
    """Where rows come from."""


@hookspec
def ladle_cleaners() -> Mapping[str, type[Cleaner] | str]:
    """What mends rows, or drops them with a reason."""


@hookspec
def ladle_feature_extractors() -> Mapping[str, type[FeatureExtractor] | str]:
    """What adds features that rows carry."""


@hookspec
def ladle_labelers() -> Mapping[str, type[Labeler] | str]:
    """What gives rows labels."""


@hookspec
def ladle_writers() -> Mapping[str, type[Writer] | str]:
    """What keeps rows in a file."""


@hookspec
def ladle_trainers() -> Mapping[str, type[Trainer] | str]:
    """What makes a model from a data set."""


@hookspec
def ladle_techniques() -> Mapping[str, type[Technique] | str]:
    """What wraps a trainer's answers."""


@hookspec
def ladle_kinds() -> Mapping[str, str]:
    """Kinds of components that this plugin adds, with the places of their hook specs ("package.hooks:ladle_rewards").

    An option takes components of a kind by the marker `Uses`. A plugin that offers some of a kind that may be unknown
    marks its hook as optional.
    """


@hookspec
def ladle_commands() -> Mapping[str, click.Command | str]:
    """The plugin's own verbs of the `ladle` command."""
