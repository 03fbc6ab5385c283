"""What happens during a run, told to whoever listens: the run folder's event log, the terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Listener = Callable[[dict[str, Any]], None]


class Events:
    """Passes each event, a flat dict with its name under `event`, to all listeners."""

    def __init__(self, *listeners: Listener) -> None:
        self.listeners = list(listeners)

    def emit(self, event: str, **data: Any) -> None:
        for listener in self.listeners:
            listener({"event": event, **data})


class EventLog:
    """Writes events to a file of JSON lines, each with its time (seconds since 1970); progress is left out."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, event: dict[str, Any]) -> None:
        if event["event"] != "progress":
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"time": round(time.time(), 3), **event}, ensure_ascii=False) + "\n")
