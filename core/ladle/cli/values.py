"""Values of rows as the terminal shows them, and as programs read them."""

from __future__ import annotations

import json
from typing import Any

import click

_SHOWN = 100  # characters


def shown(value: Any) -> str:
    """A value on one line: bytes as the text that they probably are, long values by their start."""
    if isinstance(value, bytes):
        text = value.decode(errors="replace")
    elif isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, list) and len(value) > 10:
        return f"[{', '.join(map(shown, value[:3]))}, … {len(value):,} values]"
    else:
        text = str(value)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def echo_values_as_json(value: Any) -> None:
    """Print one JSON value that holds values of rows: bytes as text, times as ISO 8601."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
