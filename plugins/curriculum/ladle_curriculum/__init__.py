"""Curriculum learning for ladle: easy rows first."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_kinds() -> dict[str, str]:
    return {"difficulty": "ladle_curriculum.hookspecs:ladle_difficulties"}


@hookimpl
def ladle_techniques() -> dict[str, str]:
    return {"curriculum": "ladle_curriculum.curriculum:Curriculum"}


@hookimpl
def ladle_difficulties() -> dict[str, str]:
    return {
        "length": "ladle_curriculum.measures:Length",
        "rarity": "ladle_curriculum.measures:Rarity",
        "loss": "ladle_curriculum.measures:Loss",
        "column": "ladle_curriculum.measures:Column",
        "levels": "ladle_curriculum.measures:Levels",
        "random": "ladle_curriculum.measures:Random",
    }
