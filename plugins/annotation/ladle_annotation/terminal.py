"""Labelling in the terminal: the same rows and keys as on the page."""

from __future__ import annotations

import os
import time
from typing import Any

import click

from ladle.errors import Problem, RecipeError
from ladle.report.legible import visible

from .keyboard import Keyboard
from .log import Event
from .question import AnswerError
from .session import ConflictError, Session
from .task import Task

_END = ("", "\x03", "\x04", "\x1b")  # the end of the input, Ctrl-C, Ctrl-D, Escape
_NAMED = {"Backspace": ("\x7f", "\x08"), "Enter": ("\r", "\n"), " ": (" ",)}
_UNSURE = 0.5  # the confidence of who is not sure


def label(task: Task) -> None:
    """Label rows until none is left, or Escape. Raises RecipeError for spans, which the page alone can mark."""
    if task.session.question.form == "spans":
        raise RecipeError(Problem("terminal", "spans can only be marked on the page", "leave out --terminal"))
    terminal = _Terminal(task)
    with terminal.keyboard.at_once():
        terminal.work()


class _Terminal:
    def __init__(self, task: Task) -> None:
        self.session: Session = task.session
        self.labeler = task.labeler
        self.annotator = task.annotator
        self.window = f"terminal {os.getpid()}"
        self.keyboard = Keyboard()
        self.is_unsure = False
        self.chosen: list[str] = []
        """Of several labels those that are chosen for the row."""

    def work(self) -> None:
        """Ask for labels, row after row."""
        _say(self.labeler.instructions)
        _say(self._keys())
        row = self._next()
        while row is not None:
            self._show(row)
            started = time.monotonic()
            try:
                row = (self._by_key if self.labeler.keys_of_choices else self._by_line)(row, started)
            except AnswerError as error:
                _say(f"  {error}")
            except ConflictError as error:
                _say(f"  {error}")
                row = self.session.item(row["row"], self.annotator)
            except (EOFError, KeyboardInterrupt, click.Abort):
                return
        _say("no row is left to label")

    def _next(self) -> dict[str, Any] | None:
        self.chosen, self.is_unsure = [], False
        return next(iter(self.session.next(self.annotator, self.window, 1)), None)

    def _keys(self) -> str:
        """What keys there are, in a line."""
        actions = {action: key for action, key in self.labeler.keys_of_actions.items() if action != "help"}
        keys = list(self.labeler.keys_of_choices.values())
        if not keys:
            return "   ".join(["write an answer, then Enter", *(f":{action}" for action in actions), ":end"])
        names = ["the first", "the second"] if self.labeler.pair else list(self.labeler.keys_of_choices)
        several = ["Enter: done"] if self.labeler.multiple else []
        named = [f"{key}: {name}" for name, key in [*zip(names, keys, strict=True), *actions.items()]]
        return "   ".join([*named, *several, "Escape: end"])

    def _show(self, row: dict[str, Any]) -> None:
        progress = self.session.progress()
        _say(f"\n[{progress['settled']:,} of {progress['enough']:,} needed] row {row['place']:,}")
        cells = [*row["cells"], *row["marked"]]
        for cell in cells:
            name = f"{cell['name']}: " if len(cells) > 1 else ""
            _say(f"{name}{cell['text']}{' …' if cell['cut'] else ''}")
        if row["answer"] is not None:
            _say(f"  you said: {row['answer']}")
        elif row["given"] is not None:
            _say(f"  it has the label: {row['given']}")

    def _by_key(self, row: dict[str, Any], started: float) -> dict[str, Any] | None:
        """Do what a key says; returns the row to show then, None if there is none."""
        keys = self.labeler.keys_of_choices
        if self.labeler.pair:  # the first key is for what is shown first, whichever that is
            keys = dict(zip((cell["name"] for cell in row["marked"]), keys.values(), strict=True))
        while True:
            key = self.keyboard.key()
            if key in _END:
                raise EOFError
            choice = next((choice for choice, name in keys.items() if _is(key, name)), None)
            action = next((action for action, name in self.labeler.keys_of_actions.items() if _is(key, name)), None)
            if choice is not None and self.labeler.multiple:
                self.chosen = [*self.chosen, choice] if choice not in self.chosen else _without(self.chosen, choice)
                _say(f"  {', '.join(self.chosen) or '(none)'}")
            elif choice is not None:
                return self._answer(row, int(choice) if self.labeler.number else choice, started)
            elif self.labeler.multiple and _is(key, "Enter"):
                return self._answer(row, self.chosen, started)
            elif action is not None:
                return self._act(action, row)

    def _by_line(self, row: dict[str, Any], started: float) -> dict[str, Any] | None:
        """Take a line as an answer, or as an action if it begins with a colon."""
        line = self.keyboard.line(">")
        if line == ":end":
            raise EOFError
        if line.removeprefix(":") in self.labeler.keys_of_actions and line.startswith(":"):
            return self._act(line.removeprefix(":"), row)
        if self.labeler.number is None:
            return self._answer(row, line, started)
        try:
            return self._answer(row, float(line), started)
        except ValueError as error:
            raise error if isinstance(error, AnswerError) else AnswerError(f"{line!r} is no number") from None

    def _answer(self, row: dict[str, Any], value: Any, started: float) -> dict[str, Any] | None:
        event = Event(
            "label",
            row["row"],
            self.annotator,
            value,
            confidence=_UNSURE if self.is_unsure else None,
            seconds=round(time.monotonic() - started, 1),
            window=self.window,
        )
        _say(f"  {self.session.say(event, row['seen']).value}")
        return self._next()

    def _act(self, action: str, row: dict[str, Any]) -> dict[str, Any] | None:
        """Do an action; returns the row to show then."""
        event = Event("skip", row["row"], self.annotator, window=self.window)
        if action == "undo":
            undone = self.session.undo(self.annotator, self.window)
            _say("  undone")
            return self.session.item(undone.row, self.annotator)
        if action == "skip":
            self.session.say(event)
            _say("  skipped")
            return self._next()
        if action == "unsure":
            self.is_unsure = not self.is_unsure
            _say("  not sure" if self.is_unsure else "  sure")
        elif action == "flag":
            self.session.say(event._replace(kind="flag", value=True))
            _say("  flagged")
        elif action == "note":
            self.session.say(event._replace(kind="note", value=self.keyboard.line("  note:")))
        else:
            _say(self._keys())
        return row


def _say(text: str) -> None:
    """A line; nothing in it can act on the terminal."""
    if text:
        click.echo(visible(text))


def _without(chosen: list[str], choice: str) -> list[str]:
    return [other for other in chosen if other != choice]


def _is(key: str, name: str) -> bool:
    """Whether what the terminal gave is the key of this name."""
    return key in _NAMED.get(name, (name,))
