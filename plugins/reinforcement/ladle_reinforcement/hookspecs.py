"""The hook through which plugins offer rewards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ladle import hookspec

if TYPE_CHECKING:
    from .reward import Reward


@hookspec
def ladle_rewards() -> Mapping[str, type[Reward] | str]:
    """What says how good an answer is."""
