"""Times in texts, however they are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

ISO, ANY = "iso", "any"

_MONTHS = "january february march april may june july august september october november december"
_NUMBER_OF_MONTH = {name[:length]: n for n, name in enumerate(_MONTHS.split(), 1) for length in (3, 4, len(name))}
_MONTH = rf"(?P<name>{'|'.join(sorted(_NUMBER_OF_MONTH, key=len, reverse=True))})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?"
_YEAR = r"(?P<year>\d{4})"
_DATES = (
    rf"{_YEAR}(?P<mark>[-./ ])(?P<month>\d{{1,2}})(?P=mark)(?P<day>\d{{1,2}})",
    rf"(?P<one>\d{{1,2}})(?P<mark>[-./ ])(?P<other>\d{{1,2}})(?P=mark){_YEAR}",
    rf"{_DAY}[- ]?(?:of )?{_MONTH},?[- ]?{_YEAR}",
    rf"{_MONTH}[- ]?{_DAY},?[- ]{_YEAR}",
    rf"{_YEAR}[- ]?{_MONTH}[- ]?{_DAY}",
)
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?[.,]? )?"
_CLOCK = (
    r"(?:(?: at|,|t)? ?(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<part>\d{1,6}))?)?"
    r" ?(?P<half>[ap]\.?m\.?)? ?(?P<zone>z|utc|gmt|[-+]\d\d:?\d\d)?)?"
)
_WRITTEN = [re.compile(f"{_WEEKDAY}{date}{_CLOCK}") for date in _DATES]


def meant(text: str, formats: Sequence[str], day_first: bool | None) -> list[datetime]:
    """The times that a text can mean, earliest first: none if it is no time, several if it is ambiguous.

    A format is one of strptime, `iso` (ISO 8601), or `any`: ISO 8601 and the ways in which people write dates in
    numbers, or with English months. There the day comes first or second as `day_first` says; None allows both. A time
    with an offset becomes UTC.
    """
    text = " ".join(text.split())
    found = set()
    for format_ in formats:
        if format_ in (ISO, ANY):
            with suppress(ValueError):
                found.add(datetime.fromisoformat(text))
        if format_ == ANY:
            found.update(_as_people_write(text.lower(), day_first))
        elif format_ != ISO:
            with suppress(ValueError):
                found.add(datetime.strptime(text, format_))
    in_utc = set()
    for moment in found:
        with suppress(OverflowError):  # in UTC no time that a calendar has
            in_utc.add(moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment)
    return sorted(in_utc)


def _as_people_write(text: str, day_first: bool | None) -> set[datetime]:
    found = next((found for pattern in _WRITTEN if (found := pattern.fullmatch(text))), None)
    if found is None:
        return set()
    said = found.groupdict()
    days = [(said.get("day"), said.get("month") or _NUMBER_OF_MONTH.get(said.get("name") or ""))]
    if "one" in said:
        either = [(said["one"], said["other"]), (said["other"], said["one"])]
        days = either if day_first is None else either[:1] if day_first else either[1:]
    moments = set()
    for day, month in days:
        with suppress(ValueError):
            moments.add(
                datetime(int(said["year"]), int(month), int(day)).replace(tzinfo=_zone(said["zone"])) + _clock(said)
            )
    return moments


def _zone(written: str | None) -> timezone | None:
    if written is None or not written[-1].isdigit():
        return UTC if written else None
    offset = timedelta(hours=int(written[1:3]), minutes=int(written[-2:]))
    return timezone(-offset if written[0] == "-" else offset)


def _clock(said: dict[str, str | None]) -> timedelta:
    """The time since midnight. Raises ValueError if no clock shows it."""
    if said["hour"] is None:
        return timedelta()
    hour, minute, second = (int(said[name] or 0) for name in ("hour", "minute", "second"))
    if said["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("no hour of half a day")
        hour = hour % 12 + 12 * said["half"].startswith("p")
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError("no time of a day")
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=int((said["part"] or "").ljust(6, "0")))
