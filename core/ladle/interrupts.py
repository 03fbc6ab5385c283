"""Ctrl-C, and the SIGTERM of a machine that is taken away: both end a run in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def handling(handler: Callable[..., Any]) -> Iterator[None]:
    """Within it `handler` gets SIGINT and SIGTERM; in another thread than the main one nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def at_once(*_: Any) -> None:
    """A signal handler that interrupts what is under way."""
    raise KeyboardInterrupt


class Patience:
    """Lets a training reach a checkpoint: within it the first signal only asks it to stop, a second one interrupts."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self.asked = False
        """Whether the training shall stop."""
        self._tell = tell

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Within it the first signal waits for the training to look at `asked`, at the longest until its end."""
        with handling(self._handle):
            yield
        if self.asked:
            raise KeyboardInterrupt

    def _handle(self, *_: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self._tell()
