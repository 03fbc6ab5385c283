"""What happens during a run, told to whoever listens: the run folder's event log, the terminal."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Listener = Callable[[dict[str, Any]], None]


class Events:
    """Passes each event, a flat dict with its name under `event`, to all listeners.

    Before that, `redact` takes out of it what must not be told.
    """

    def __init__(self, *listeners: Listener, redact: Callable[[Any], Any] = lambda told: told) -> None:
        self.listeners = list(listeners)
        self.redact = redact

    def emit(self, event: str, **data: Any) -> None:
        told = {"event": event} | self.redact(data)
        for listener in self.listeners:
            listener(told)


class EventLog:
    """Writes events to a file of JSON lines, each with its time (seconds since 1970); progress is left out."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            return
        line = (json.dumps({"time": round(time.time(), 3), **event}, ensure_ascii=False) + "\n").encode()
        with self.path.open("ab", buffering=0) as file:
            end = file.tell()
            if file.write(line) < len(line):  # no half line stays for later ones to be appended to
                file.truncate(end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
