"""The hook through which plugins offer attacks on texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ladle import hookspec

if TYPE_CHECKING:
    from .attack import Attack


@hookspec
def ladle_attacks() -> Mapping[str, type[Attack] | str]:
    """What changes texts a little, so that a person reads the same and a model may not."""
