"""Labels and rows by hand for ladle: a labeler, a source, and the commands `ladle label` and `ladle data`."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_labelers() -> dict[str, str]:
    return {"by-hand": "ladle_annotation.by_hand:ByHand"}


@hookimpl
def ladle_data_sources() -> dict[str, str]:
    return {"entered": "ladle_annotation.entered:Entered"}


@hookimpl
def ladle_commands() -> dict[str, str]:
    return {
        "label": "ladle_annotation.label_command:command",
        "data": "ladle_annotation.data_command:command",
    }
