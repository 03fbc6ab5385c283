"""What goes wrong, as data: a problem knows its code, place, message and remedy; one renderer shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

EXIT_FAILED = 1  # a stage failed
EXIT_USAGE = 2  # the recipe or the command line is wrong
EXIT_INTERRUPTED = 130

TRAINER = -1  # beside the numbers of a stage's techniques


class Span(NamedTuple):
    """A piece of one line of a file; `line` and `column` count from 1, `length` in characters."""

    file: str
    line: int
    column: int
    length: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Problem(NamedTuple):
    """One thing that is wrong, where it is, and what to do about it."""

    code: str
    message: str
    help: str = ""
    span: Span | None = None
    severity: str = "error"

    def render(self) -> str:
        """The problem as a person reads it: place, message, the line with a caret, remedy."""
        place = f"{self.span}: " if self.span else ""
        lines = [f"{place}{self.severity}: {self.message}"]
        if self.span:
            gutter = str(self.span.line)
            indent = "".join("\t" if c == "\t" else " " for c in self.span.text[: self.span.column - 1])
            pointer = indent.ljust(self.span.column - 1) + "^" * max(1, self.span.length)
            lines += [f"  {gutter} | {self.span.text}".rstrip(), f"  {' ' * len(gutter)} | {pointer}"]
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        return self._asdict() | {"span": self.span and self.span._asdict()}


class LadleError(Exception):
    """An error told to the user in full by its problems: never shown as a traceback."""

    exit_code = EXIT_FAILED
    is_shown = False
    """Whether the problems have been told already."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(problem.render() for problem in self.problems))


class RecipeError(LadleError):
    """The recipe, or the command line, asks for something that cannot be."""

    exit_code = EXIT_USAGE


class StageError(LadleError):
    """A stage of a right recipe could not do its work."""


class OptionError(ValueError):
    """Raised by a component about its own options: `option` names the key at fault, `help` the remedy.

    Where the option is a list of texts, `item` is the one of them that is wrong. An option within others is told by the
    way to it: `("tasks", "names", "column")`.
    """

    def __init__(
        self,
        message: str,
        *,
        option: str | tuple[str | int, ...] | None = None,
        item: str = "",
        help: str = "",
        code: str = "option",
    ) -> None:
        super().__init__(message)
        self.option = option
        self.item = item
        self.help = help
        self.code = code
        self.component: int | None = None
        """In a train stage, which of its techniques raised it, counted from 0; or TRAINER."""

    @property
    def path(self) -> tuple[str | int, ...]:
        """The way to the option from the component's table; () if it names none."""
        if self.option is None:
            return ()
        return (self.option,) if isinstance(self.option, str) else self.option


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was most likely meant to be, if one is near."""
    import difflib

    matches = difflib.get_close_matches(name.lower(), choices := {k.lower(): k for k in known}, n=1, cutoff=0.6)
    return choices[matches[0]] if matches else None


def did_you_mean(name: str, known: Sequence[str], what: str = "known") -> str:
    """A remedy for an unknown name: the nearest right one, or all there are."""
    if near := nearest(name, known):
        return f"did you mean `{near}`?"
    return f"{what}: {', '.join(sorted(known))}" if known else f"{what}: none"
