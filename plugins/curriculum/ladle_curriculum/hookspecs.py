"""The hook through which plugins offer measures of difficulty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ladle import hookspec

if TYPE_CHECKING:
    from .difficulty import Difficulty


@hookspec
def ladle_difficulties() -> Mapping[str, type[Difficulty] | str]:
    """What tells how difficult rows are."""
