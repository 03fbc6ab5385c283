"""From what a run left to the page."""

from __future__ import annotations

import functools
import json
import time
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from .charts import line_chart, range_chart
from .legible import differences, visible

_HERE = Path(__file__).parent


def render(template: str, **told: Any) -> str:
    """A page as HTML. Texts of rows are escaped: nothing in data can act in it."""
    style = Markup((_HERE / "style.css").read_text(encoding="utf-8"))
    return _environment().get_template(f"{template}.html.jinja").render(style=style, **told)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_legible,
    )
    environment.filters |= {"count": count, "figure": figure, "seconds": seconds, "moment": moment, "shown": shown}
    environment.globals |= {"line_chart": line_chart, "range_chart": range_chart, "differences": differences}
    return environment


def _legible(value: Any) -> Any:
    """What goes into the page, with what cannot be seen spelt out."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def count(number: float) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,.0f}"


def figure(number: Any) -> str:
    """A measured number with as many digits as are worth reading."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return str(number)
    if isinstance(number, int) or abs(number) >= 1000:
        return f"{number:,.0f}"
    if 0 < abs(number) < 0.001:
        return f"{number:.3g}"
    return f"{number:.4f}" if abs(number) < 10 else f"{number:.2f}"


def seconds(number: float) -> str:
    """A time as a person says it."""
    if number < 0.05:
        return "< 0.1 s"
    if number < 59.95:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def moment(since_1970: float) -> str:
    """A point in time, where the run was."""
    return time.strftime("%d %B %Y, %H:%M", time.localtime(since_1970)).lstrip("0")


def shown(value: Any) -> str:
    """An option's or a cell's value as a recipe writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        said = [f"{name} = {shown(inner)}" for name, inner in value.items() if inner is not None]
        return f"{{ {', '.join(said)} }}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(inner) for inner in value) + "]"
    if isinstance(value, str) and not value.strip():
        return json.dumps(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
