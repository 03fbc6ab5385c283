"""Values that no column takes as they are, and times."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1


class NoSuchValueError(Exception):
    """A text, or a JSON value, is no value of a type."""

    def __init__(self, rule: str, value: object, why: str) -> None:
        super().__init__(f"{shown(value)} {why}")
        self.rule = rule


def shown(value: object) -> str:
    """A value as messages show it: a text in quotes, all else as JSON, and not all of a long one."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text if len(text) <= 60 else f"{text[:59]}…"
    return f'"{text}"' if isinstance(value, str) else text


def time_of(text: str) -> datetime:
    """A time in ISO 8601, to the microsecond; one with an offset becomes UTC. Raises NoSuchValueError if it is none."""
    if not _TIME.fullmatch(text):
        raise NoSuchValueError("bad-time", text, "is no time in ISO 8601 (such as 2024-05-31 or 2024-05-31T16:45:00)")
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise NoSuchValueError("bad-time", text, "is a time that no calendar has") from None
