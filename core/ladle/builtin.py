"""The components that belong to the core, offered the way every plugin offers its own."""

from __future__ import annotations

from .hookspecs import hookimpl


@hookimpl
def ladle_data_sources() -> dict[str, str]:
    return {"data": "ladle.stages.derived:OtherData"}
