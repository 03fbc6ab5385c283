"""What in a text leads to a person: addresses and numbers, told by their form and, where they have one, their check."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import IPv6Address
from typing import Literal

Kind = Literal["url", "email", "iban", "card", "phone", "ip"]
Span = tuple[int, int]

_URL = re.compile(r"(?<!\w)(?:(?:https?|ftp)://|www\.(?=\w))[^\s<>\"]+[^\s<>\".,;:!?)\]}']", re.I)
_EMAIL = re.compile(r"(?<![\w.%+'-])[\w.%+'-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,29}")
_DIGITS = re.compile(r"(?<![\w.,-])[0-9]+(?:[ -][0-9]+)*(?!\w)")
_PHONE = re.compile(
    r"(?<![\w.,/+-])(?:"
    r"(?:\+|00)[1-9](?:[ ./()-]{0,2}[0-9]){7,14}"  # with the code of a country
    r"|\(?0[1-9](?:[ ./()-]{0,2}[0-9]){7,10}"  # with the prefix of a town
    r"|(?:1[-. ])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-. ])[0-9]{3}[-. ][0-9]{4}"  # of North America
    r")(?![\w/]|[-.,][0-9])"
)
_DATE = re.compile(r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4}|[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}")
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IP4 = re.compile(rf"(?<![\w.]){_BYTE}(?:\.{_BYTE}){{3}}(?![\w]|\.[0-9])")
_IP6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7}(?![\w:])")

_IBAN_LENGTHS = {
    country: int(length)
    for length, countries in (
        line.split(maxsplit=1)
        for line in """
        15 NO
        16 BE
        18 DK FI FK FO GL NL SD
        19 MK SI
        20 AT BA EE KZ LT LU MN XK
        21 CH HR LI LV
        22 BG BH CR DE GB GE IE ME RS VA
        23 AE GI IL IQ OM SO TL
        24 AD CZ ES MD PK RO SA SE SK TN VG
        25 LY PT ST
        26 IS TR
        27 BI DJ FR GR IT MC MR SM
        28 AL AZ BY CY DO GT HN HU LB NI PL SV
        29 BR EG PS QA UA
        30 JO KW MU YE
        31 MT SC
        32 LC
        33 RU
        """.strip().splitlines()
    )
    for country in countries.split()
}
_CARD_LENGTHS = range(13, 20)


def _urls(text: str) -> Iterator[Span]:
    return (found.span() for found in _URL.finditer(text))


def _emails(text: str) -> Iterator[Span]:
    return (found.span() for found in _EMAIL.finditer(text))


def _ibans(text: str) -> Iterator[Span]:
    """International bank account numbers (ISO 13616), as long as their country's are and with the right remainder."""
    for found in _IBAN.finditer(text):
        length, end = 0, found.start()
        while length < _IBAN_LENGTHS.get(found[0][:2], 0) and end < found.end():
            length += text[end] != " "
            end += 1
        number = text[found.start() : end].replace(" ", "")
        is_whole = length == _IBAN_LENGTHS.get(number[:2]) and not text[end : end + 1].isalnum()
        if is_whole and int("".join(str(int(digit, 36)) for digit in number[4:] + number[:4])) % 97 == 1:
            yield found.start(), end


def _cards(text: str) -> Iterator[Span]:
    """Numbers of payment cards (ISO/IEC 7812), alone or beside others, with the right check digit (Luhn 1960)."""
    for found in _DIGITS.finditer(text):
        groups = [(found.start() + g.start(), found.start() + g.end()) for g in re.finditer("[0-9]+", found[0])]
        first = 0
        while first < len(groups):
            end = _end_of_card(text, groups, first)
            if end:
                yield groups[first][0], groups[end - 1][1]
            first = end or first + 1


def _end_of_card(text: str, groups: list[Span], first: int) -> int | None:
    """The place behind the last group of digits of the longest card number that begins with the group `first`."""
    if text[groups[first][0]] not in "23456":
        return None
    digits, longest = "", None
    for end, (start, stop) in enumerate(groups[first : first + _CARD_LENGTHS[-1]], first + 1):
        if len(digits) + stop - start > _CARD_LENGTHS[-1]:
            break
        digits += text[start:stop]
        if len(digits) in _CARD_LENGTHS and _has_luhn_digit(digits):
            longest = end
    return longest


def _has_luhn_digit(digits: str) -> bool:
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _phones(text: str) -> Iterator[Span]:
    return (found.span() for found in _PHONE.finditer(text) if not _DATE.match(found[0]))


def _ips(text: str) -> Iterator[Span]:
    """Addresses of the internet protocol; short ones of version 6, which parts of programs look like, are none."""
    yield from (found.span() for found in _IP4.finditer(text))
    for found in _IP6.finditer(text):
        with suppress(ValueError):
            IPv6Address(found[0])
            yield found.span()


_FINDERS: dict[Kind, Callable[[str], Iterator[Span]]] = {
    "url": _urls,
    "email": _emails,
    "iban": _ibans,
    "card": _cards,
    "phone": _phones,
    "ip": _ips,
}
KINDS: tuple[Kind, ...] = tuple(_FINDERS)
"""In the order in which they are looked for: a number is a card's rather than a telephone's."""

SOME = r"@|[A-Z]{2}[0-9]{2}|://|[Ww][Ww][Ww]\.|[0-9](?:[^0-9]{0,3}[0-9]){5}|:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:|[0-9]\.[0-9]+\.[0-9]+\.[0-9]"
"""Where a text can have any of them, for Arrow's regular expressions, which are quick."""


def spans(text: str, kind: Kind) -> list[Span]:
    """Where a text has something of a kind."""
    return sorted(_FINDERS[kind](text))
