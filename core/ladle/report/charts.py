"""Line charts as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT = 300, 170
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 8, 34
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
