"""Numbers far from what is usual: most likely a slip of the pen."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ..options import Usual, marked
from .model import Recipe
from .problems import Problems
from .spans import Path

_LARGEST = 1e300  # TOML has whole numbers of any length, which are no numbers to reckon with


def check_usual(recipe: Recipe, problems: Problems) -> None:
    """Warn of the numbers that the recipe sets outside of the range that their option calls usual."""
    for used in recipe.uses():
        _check_options(used.component, used.at, problems)
    for data_set in recipe.data.values():
        if data_set.split:
            _check_options(data_set.split, ("data", data_set.name, "split"), problems)


def _check_options(options: BaseModel, at: Path, problems: Problems) -> None:
    for name, field in type(options).model_fields.items():
        for usual in marked(field.metadata, Usual) if name in options.model_fields_set else ():
            value, key = getattr(options, name), field.alias or name
            if isinstance(value, list):
                for place, item in enumerate(value):
                    _check_number(item, usual, key, (*at, key, place), problems)
            else:
                _check_number(value, usual, key, (*at, key), problems)


def _check_number(value: Any, usual: Usual, key: str, at: Path, problems: Problems) -> None:
    if not value or usual.low <= value <= usual.high:  # 0 is none, or off
        return
    value = max(-_LARGEST, min(value, _LARGEST))
    is_high = value > usual.high
    times = value / usual.high if is_high else usual.low / value
    how_far = f"{times:,.0f} times the" if is_high else f"{times:,.0f} times less than the"
    if times < 2:
        how_far = "more than the" if is_high else "less than the"
    message = f"`{key}` = {value:g} is {how_far} usual ({usual.low:g} to {usual.high:g})"
    problems.add("unusual", message, usual.why_high if is_high else usual.why_low, at, "value", "warning")
