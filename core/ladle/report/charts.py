"""Line charts as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT = 300, 170
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 8, 34
_BROAD, _NAMES, _ROW = 640, 220, 26
_STEPS = 5  # of an axis, about

_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))

Points = Sequence[tuple[float, float | None]]


def line_chart(series: Mapping[str, Points], x_label: str) -> Markup:
    """One line for each of `series`, by name; a point without a finite value is left out.

    What goes across is counted (steps, epochs), so that its axis has whole numbers wherever it is long enough.
    """
    known = {name: [(x, y) for x, y in points if y is not None and math.isfinite(y)] for name, points in series.items()}
    known = {name: points for name, points in known.items() if points}
    if not known:
        return Markup("")
    xs = [x for points in known.values() for x, _ in points]
    ys = [y for points in known.values() for _, y in points]
    x_ticks = [x for x in ticks(min(xs), max(xs), least=1.0) if min(xs) <= x <= max(xs)] or [min(xs), max(xs)]
    y_ticks = ticks(min(ys), max(ys))
    across = _Scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    up = _Scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(", ".join(known))}">']
    for y, label in zip(y_ticks, _labels(y_ticks), strict=True):
        at = up(y)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{label}</text>')
    for x, label in zip(x_ticks, _labels(x_ticks), strict=True):
        parts.append(
            f'<text class="tick" x="{across(x)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{label}</text>'
        )
    parts.append(f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{escape(x_label)}</text>')
    for number, points in enumerate(known.values()):
        path = " ".join(f"{across(x)},{up(y)}" for x, y in points)
        parts.append(f'<polyline class="line c{number % 6}" points="{path}"/>')
        if len(points) <= 30:
            parts += [f'<circle class="dot c{number % 6}" cx="{across(x)}" cy="{up(y)}" r="2.5"/>' for x, y in points]
    return Markup("".join([*parts, "</svg>"]) + (_legend(list(known)) if len(known) > 1 else ""))  # names are escaped


Range = tuple[float, float | None, float | None]
"""A number, and from where to where it may be."""


def range_chart(ranges: Mapping[str, Range], zero: bool = False) -> Markup:
    """One line below the other a dot for each number, with a bar from where to where it may be; `zero` marks 0."""
    known = {name: range_ for name, range_ in ranges.items() if math.isfinite(range_[0])}
    if not known:
        return Markup("")
    ends = [end for range_ in known.values() for end in range_ if end is not None and math.isfinite(end)]
    marks = ticks(min([*ends, *([0.0] if zero else [])]), max([*ends, *([0.0] if zero else [])]))
    height = TOP + _ROW * len(known) + BOTTOM
    across = _Scale(marks[0], marks[-1], _NAMES, _BROAD - RIGHT)
    parts = [f'<svg viewBox="0 0 {_BROAD} {height}" role="img" aria-label="{escape(", ".join(known))}">']
    for x, label in zip(marks, _labels(marks), strict=True):
        kind = "axis" if zero and x == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{across(x)}" x2="{across(x)}" y1="{TOP}" y2="{height - BOTTOM}"/>')
        parts.append(
            f'<text class="tick" x="{across(x)}" y="{height - BOTTOM + 16}" text-anchor="middle">{label}</text>'
        )
    for number, (name, (value, low, high)) in enumerate(known.items()):
        y = TOP + _ROW * (number + 0.5)
        parts.append(f'<text class="tick" x="{_NAMES - 12}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        if low is not None and high is not None:
            parts.append(f'<line class="line c0" x1="{across(low)}" x2="{across(high)}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="dot c0" cx="{across(value)}" cy="{y}" r="4"/>')
    return Markup("".join([*parts, "</svg>"]))  # names are escaped


def ticks(low: float, high: float, least: float = 0.0) -> list[float]:
    """Round numbers from `low` or below to `high` or above, about five of them, and no closer than `least`."""
    if math.isclose(low, high, abs_tol=1e-300):
        return [low]
    rough = max((high - low) / _STEPS, least)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


class _Scale:
    """Where on the page a number is; if there is but one, in the middle."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.start = low, start if high > low else (start + end) / 2
        self.factor = (end - start) / (high - low) if high > low else 0.0

    def __call__(self, number: float) -> float:
        return round(self.start + (number - self.low) * self.factor, 2)


def _legend(names: list[str]) -> str:
    keys = [f'<span><i class="key c{number % 6}"></i>{escape(name)}</span>' for number, name in enumerate(names)]
    return f'<p class="legend">{"".join(keys)}</p>'


def _labels(numbers: list[float]) -> list[str]:
    """The numbers of an axis, all written in the same unit, and short."""
    largest = max(map(abs, numbers))
    if largest >= 1e13 or 0 < largest < 0.001:
        return [_with_power(number) for number in numbers]
    unit, letter = next(((unit, letter) for unit, letter in _UNITS if largest >= 10 * unit), (1.0, ""))
    digits = 6 if len(numbers) > 1 else 4
    return [f"{number / unit:,.{digits}g}{letter}" if number else "0" for number in numbers]


def _with_power(number: float) -> str:
    digits, _, power = f"{number:.2e}".partition("e")
    return f"{float(digits):g}e{int(power)}" if number else "0"
