"""Keys of a terminal, one by one: also those that were typed before they were asked for."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

_ESCAPE = "\x1b"
_LATER = 1  # termios.TCSADRAIN: what was typed already is kept
_REST = 0.05  # seconds in which the rest of a key's sequence comes


class Keyboard:
    """Where keys come from: a terminal, or any input, a character of which is a key then."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdin.isatty()
        self._is_windows = os.name == "nt"

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within it keys are not shown, and come without waiting for the end of a line."""
        with self._changed(lambda tty: tty.setcbreak(sys.stdin, _LATER)):
            yield

    @contextmanager
    def _changed(self, change: Callable[[Any], None]) -> Iterator[None]:
        """Within it the terminal is as `change` makes it."""
        if not self._is_terminal or self._is_windows:
            yield
            return
        import termios
        import tty

        before = termios.tcgetattr(sys.stdin)
        change(tty)
        try:
            yield
        finally:
            termios.tcsetattr(sys.stdin, _LATER, before)

    def key(self) -> str:
        """The next key; "" at the end of the input, a zero for one that is no character."""
        if not self._is_terminal:
            return sys.stdin.read(1)
        if self._is_windows:
            return click.getchar()
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while not (found := decoder.decode(byte := os.read(sys.stdin.fileno(), 1))) and byte:
            pass
        if found == _ESCAPE and self._waits():
            while self._waits():  # an arrow, for example
                os.read(sys.stdin.fileno(), 1)
            return "\0"
        return found

    def _waits(self) -> bool:
        import select

        return bool(select.select([sys.stdin], [], [], _REST)[0])

    def line(self, prompt: str) -> str:
        """A whole line, shown as it is typed."""
        with self._changed(_as_lines):
            return click.prompt(prompt, prompt_suffix=" ", default="", show_default=False)


def _as_lines(_: Any) -> None:
    import termios

    attributes = termios.tcgetattr(sys.stdin)
    attributes[3] |= termios.ICANON | termios.ECHO
    termios.tcsetattr(sys.stdin, _LATER, attributes)
