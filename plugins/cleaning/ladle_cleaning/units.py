"""Quantities in texts, and units that can stand for each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from ladle import OptionError
from ladle.errors import nearest

_NAME = r"""[^\W\d_][^\W\d_]*(?:/[^\W\d_]+)?|[°$€£¥"'\u2032\u2033][^\W\d_]*"""
_UNIT = rf"(?:{_NAME})(?:[23²³](?![^\W_]))?\.?"
_LONGEST = 100  # characters of a quantity


class Unit(NamedTuple):
    """A unit: a value of it is `value * factor + offset` in the unit that its family is counted in."""

    family: str
    factor: Fraction
    offset: Fraction = Fraction(0)


_FAMILIES = {
    "mass": """
        1             kg kilo kilogram kilogramme
        1e-6          mg milligram milligramme
        1e-3          g gram gramme
        1000          t tonne
        0.028349523125  oz ounce
        0.45359237    lb pound
        6.35029318    st stone
    """,
    "length": """
        1             m metre meter
        1e-3          mm millimetre millimeter
        1e-2          cm centimetre centimeter
        1000          km kilometre kilometer
        0.0254        in inch inches " \u2033
        0.3048        ft foot feet ' \u2032
        0.9144        yd yard
        1609.344      mi mile
    """,
    "area": """
        1             m2 m² sqm
        1e-4          cm2 cm²
        1e6           km2 km²
        1e4           ha hectare
        0.09290304    ft2 ft² sqft
        4046.8564224  acre
    """,
    "volume": """
        1             l litre liter
        1e-3          ml millilitre milliliter cm3 cm³ cc
        1e-2          cl centilitre centiliter
        1e-1          dl decilitre deciliter
        1000          m3 m³
    """,
    "time": """
        1             s sec second
        1e-3          ms millisecond
        60            min minute
        3600          h hr hour
        86400         d day
        604800        week
    """,
    "speed": """
        1             m/s
        5/18          km/h kmh kph
        0.44704       mph mi/h
        1852/3600     kn knot
    """,
    "energy": """
        1             J joule
        1e3           kJ kilojoule
        1e6           MJ megajoule
        4184          kcal kilocalorie
        3600          Wh
        3.6e6         kWh
    """,
    "data": """
        1             B byte
        1e3           kB kilobyte
        1e6           MB megabyte
        1e9           GB gigabyte
        1e12          TB terabyte
        1024          KiB
        1048576       MiB
        1073741824    GiB
        1099511627776 TiB
    """,
}
_UNITS = {
    name: Unit(family, Fraction(factor))
    for family, lines in _FAMILIES.items()
    for factor, *names in map(str.split, lines.strip().splitlines())
    for name in names
}
for _names, _factor, _zero in (
    (("K", "kelvin"), "1", "0"),
    (("C", "°C", "celsius"), "1", "273.15"),
    (("F", "°F", "fahrenheit"), "5/9", "45967/180"),
):
    _UNITS |= dict.fromkeys(_names, Unit("temperature", Fraction(_factor), Fraction(_zero)))


class Units:
    """Units by their names: those that everybody knows, and those that a recipe adds.

    Names that mean different things in different countries (gallon, ton, calorie) are not among those.
    """

    def __init__(self, own: Mapping[str, str], bases: Iterable[str] = ()) -> None:
        """`own` are units by names, each as a quantity of another one (`"14 lb"`).

        Those of `bases` that are not known may be what own ones are made of, as euros may be of dollars. Raises
        OptionError, about the option `own_units`, for what makes no sense.
        """
        self._known = dict(_UNITS)
        named = {quantity.split()[-1] for quantity in own.values() if quantity.split()}
        for base in bases:
            if base in named and self.get(base) is None:
                self._known[base] = Unit(base, Fraction(1))
        for name, quantity in own.items():
            self._known[name] = self._made(name, quantity)

    def _made(self, name: str, quantity: str) -> Unit:
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) (\S+)", quantity.strip())
        unit = self.get(found[2]) if found else None
        if not re.fullmatch(_UNIT, name):
            raise OptionError(
                f"`{name}` can be no unit",
                option=("own_units", name),
                help="a unit is called by one word of letters, or a sign such as $",
                code="unit",
            )
        if found is None or unit is None or unit.offset or not (size := Fraction(found[1])):
            raise OptionError(
                f'"{quantity}" does not tell how large `{name}` is',
                option=("own_units", name),
                help='write a number and a unit that is known, such as "14 lb"',
                code="unit",
            )
        return Unit(unit.family, size * unit.factor)

    def need(self, name: str, *option: str) -> Unit:
        """The unit of a name that stands in an `option`. Raises OptionError if there is none."""
        if unit := self.get(name):
            return unit
        near = nearest(name, self._known)
        raise OptionError(
            f"there is no unit `{name}`",
            option=option,
            help=f"did you mean `{near}`?" if near else 'say in `own_units` how large it is: { stone = "14 lb" }',
            code="unit",
        )

    def get(self, name: str) -> Unit | None:
        """The unit of a name, in whatever case and number; None if there is none, or several differ in case alone."""
        plain = name.removesuffix(".")
        for spelling in (name, plain, plain.removesuffix("s")):
            if spelling in self._known:
                return self._known[spelling]
            alike = {unit for known, unit in self._known.items() if known.lower() == spelling.lower()}
            if len(alike) == 1:
                return alike.pop()
        return None


class Quantities:
    """Reads quantities in texts as numbers of one unit."""

    def __init__(self, units: Units, into: Unit, bare: Unit | None, decimal: str, thousands: str) -> None:
        """`into` is the unit wanted; `bare` that of numbers that come without one, which otherwise mean nothing."""
        self._units, self._into, self._bare = units, into, bare
        self._decimal, self._thousands = decimal, thousands
        point, comma = re.escape(decimal), re.escape(thousands)
        groups = rf"[0-9]{{1,3}}(?:{comma}[0-9]{{3}})+|" if thousands else ""
        number = rf"(?P<number>(?:{groups}[0-9]+)(?:{point}[0-9]*)?(?:[eE][+-]?[0-9]{{1,3}})?|{point}[0-9]+)"
        self._behind = re.compile(rf"{number}\s*(?P<unit>{_UNIT})?[\s,]*")
        self._before = re.compile(rf"(?P<unit>{_UNIT})\s*{number}")
        self._signed = re.compile(r"([-+\u2212]?)\s*(.*)", re.DOTALL)

    def __call__(self, text: str) -> float | None:
        """The quantity as a number of the unit; None if it is none, or of another family. 5 ft 11 in are one."""
        if len(text) > _LONGEST:
            return None
        sign, text = self._signed.fullmatch(text.strip()).groups()
        parts = [found] if (found := self._before.fullmatch(text)) else self._parts(text)
        units = [self._unit(part, len(parts) == 1) for part in parts]
        if not parts or any(unit is None or unit.family != self._into.family for unit in units):
            return None
        if any(unit.offset or unit.factor <= smaller.factor for unit, smaller in pairwise(units)):
            return None  # not one quantity in two units, but two quantities
        amount = sum(self._number(part) * unit.factor for part, unit in zip(parts, units, strict=True))
        amount = (-amount if sign in ("-", "\u2212") else amount) + units[0].offset
        try:
            return float((amount - self._into.offset) / self._into.factor)
        except OverflowError:
            return None

    def _parts(self, text: str) -> list[re.Match[str]]:
        """Quantities one behind another; [] if there is anything else."""
        parts: list[re.Match[str]] = []
        end = 0
        while found := self._behind.match(text, end):
            parts.append(found)
            end = found.end()
        return parts if end == len(text) else []

    def _unit(self, part: re.Match[str], is_alone: bool) -> Unit | None:
        return self._units.get(part["unit"]) if part["unit"] else self._bare if is_alone else None

    def _number(self, part: re.Match[str]) -> Fraction:
        digits = part["number"].replace(self._thousands, "") if self._thousands else part["number"]
        return Fraction(digits.replace(self._decimal, "."))
