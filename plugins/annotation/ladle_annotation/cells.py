"""Values of rows as annotators see them."""

from __future__ import annotations

import json
from typing import Any

CUT = 4000
"""Characters that are shown at first of a text that is longer."""
_IMAGES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


def as_text(value: Any) -> str:
    """A value as text: lists of words with spaces, conversations turn by turn, all else as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bytes):
        return f"({len(value):,} bytes)"
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return " ".join(value)
    if isinstance(value, list) and value and all(_is_message(item) for item in value):
        return "\n\n".join(f"{message['role']}: {message['content']}" for message in value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, indent=1, default=str)
    return str(value)


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and isinstance(value.get("content"), str)


def image_type(value: Any) -> str | None:
    """The media type of bytes that are a picture; None of any other value."""
    if not isinstance(value, bytes):
        return None
    if value[:4] == b"RIFF" and value[8:12] == b"WEBP":
        return "image/webp"
    return next((type_ for start, type_ in _IMAGES.items() if value.startswith(start)), None)


def cell(name: str, value: Any, limit: int | None) -> dict[str, Any]:
    """A value as the page gets it: its text, of `limit` characters at most, and how long it is."""
    if image_type(value):
        return {"name": name, "image": True, "text": "", "length": 0, "cut": False}
    text = as_text(value)
    is_cut = limit is not None and len(text) > limit
    return {"name": name, "text": text[:limit] if is_cut else text, "length": len(text), "cut": is_cut}
