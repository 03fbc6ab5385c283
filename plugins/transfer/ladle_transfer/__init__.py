"""Transfer for ladle: going on from a pre-trained model."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_techniques() -> dict[str, str]:
    return {"transfer": "ladle_transfer.transfer:Transfer"}
