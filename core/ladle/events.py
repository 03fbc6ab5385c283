"""What happens during a run, told to whoever listens: the run folder's event log, the terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Listener = Callable[[dict[str, Any]], None]


class Events:
    """Passes each event, a flat dict with its name under `event`, to all listeners.

    Before that, `redact` takes out of its texts what must not be told.
    """

    def __init__(self, *listeners: Listener, redact: Callable[[str], str] = str) -> None:
        self.listeners = list(listeners)
        self.redact = redact

    def emit(self, event: str, **data: Any) -> None:
        told = {"event": event} | {n: self.redact(v) if isinstance(v, str) else v for n, v in data.items()}
        for listener in self.listeners:
            listener(told)


class EventLog:
    """Writes events to a file of JSON lines, each with its time (seconds since 1970); progress is left out."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, event: dict[str, Any]) -> None:
        if event["event"] != "progress":
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"time": round(time.time(), 3), **event}, ensure_ascii=False) + "\n")
