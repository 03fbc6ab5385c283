"""Which lines of Markdown are headings, told line by line, without holding the document.

As CommonMark has it, of what stands at the top level: `# Heading`, and text underlined by === or ---. What looks like a
heading inside of code, a list, a quotation, HTML, or the front matter (YAML, TOML) of a file is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

Line = TypeVar("Line")

_MOST = 4096  # characters of text that may turn out to be one heading

_HEADING = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)(.*)")
_CLOSING = re.compile(r"(?:^|[ \t])#+[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(?:(`{3,})[^`]*|(~{3,}).*)$")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_ITEM = re.compile(r" {0,3}(?:[-+*]|([0-9]{1,9})[.)])(?:[ \t]|$)")
_QUOTE = re.compile(r" {0,3}> ?")
_EMPTY = re.compile(r"[ \t]*$")
_FRONT = {"---": re.compile(r"(?:---|\.\.\.)[ \t]*$"), "+++": re.compile(r"\+\+\+[ \t]*$")}
_KEY = re.compile(r"[\w.\"'-]+[ \t]*[:=]")

_TAGS = (
    "address article aside base basefont blockquote body caption center col colgroup dd details dialog dir div dl dt "
    "fieldset figcaption figure footer form frame frameset h[1-6] head header hr html iframe legend li link main menu "
    "menuitem nav noframes ol optgroup option p param search section summary table tbody td tfoot th thead title tr "
    "track ul"
)
_RAW = "script|pre|style|textarea"
# How HTML begins, and what ends it
_HTML = [
    (re.compile(rf" {{0,3}}<(?:{_RAW})(?:[ \t>]|$)", re.I), re.compile(rf".*</(?:{_RAW})>", re.I)),
    (re.compile(r" {0,3}<!--"), re.compile(".*-->")),
    (re.compile(r" {0,3}<\?"), re.compile(r".*\?>")),
    (re.compile(r" {0,3}<!\[CDATA\["), re.compile(r".*\]\]>")),
    (re.compile(r" {0,3}<![A-Za-z]"), re.compile(".*>")),
    (re.compile(rf" {{0,3}}</?(?:{_TAGS.replace(' ', '|')})(?:[ \t]|/?>|$)", re.I), _EMPTY),
]
_TAG = re.compile(r" {0,3}(?:<[A-Za-z][A-Za-z0-9-]*(?:[ \t][^<>]*)?/?>|</[A-Za-z][A-Za-z0-9-]*[ \t]*>)[ \t]*$")


class Unit(NamedTuple, Generic[Line]):
    """Lines that belong together: a heading and its level from 1, or with the level 0 anything else."""

    level: int
    title: str
    lines: list[Line]


def units_of(lines: Iterable[tuple[str, Line]]) -> Iterator[Unit[Line]]:
    """The headings, and what is between them. A line is given by its text, without its end, and what stands for it."""
    reader: _Reader[Line] = _Reader()
    for text, line in lines:
        yield from reader.next(text.expandtabs(4), line)
    yield from reader.paragraph()


class _Reader(Generic[Line]):
    """What is known of the document at one line of it."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._texts: list[str] = []
        """A paragraph, which the next line may make a heading."""
        self._is_begun = False
        self._front: re.Pattern[str] | None = None
        """What ends the front matter, if the first line has begun one."""
        self._end: re.Pattern[str] | None = None
        """What ends the code, HTML or front matter that the lines are in."""
        self._indent = 0
        """How far the lines of the list are indented that the lines may be in."""
        self._is_bare = False
        """Whether the list has nothing yet but the mark of an item."""
        self._is_open = False
        """Whether text goes on with what cannot be a heading: text of a list, a quotation, or too much of it."""

    def paragraph(self) -> Iterator[Unit[Line]]:
        """The paragraph, which is over."""
        if self._lines:
            yield Unit(0, "", self._lines)
        self._lines, self._texts = [], []

    def next(self, text: str, line: Line) -> Iterator[Unit[Line]]:
        """Take a line; what is over by now."""
        other = Unit(0, "", [line])
        if not self._is_begun:
            self._is_begun = True
            self._front = _FRONT.get(text.rstrip())
        elif self._front is not None:
            self._end, self._front = self._front if _KEY.match(text) else None, None
        if self._end is not None:
            self._end = None if self._end.match(text) else self._end
            yield other
        elif _EMPTY.match(text):
            yield from self.paragraph()
            self._is_open = False
            self._indent = 0 if self._is_bare else self._indent
            yield other
        elif self._indent and _indent_of(text) >= self._indent:
            inner, self._is_bare = text[self._indent :], False
            self._is_open = _is_text(inner) and not (self._is_open and _UNDERLINE.match(inner))
            yield other
        elif self._lines and (underline := _UNDERLINE.match(text)):
            level, title = 1 if "=" in underline[1] else 2, " ".join(self._texts)
            yield Unit(level, title, [*self._lines, line])
            self._lines, self._texts = [], []
        elif self._begins(text):
            yield from self.paragraph()
            heading = _HEADING.match(text)
            yield Unit(len(heading[1]), _CLOSING.sub("", heading[2]).strip(), [line]) if heading else other
        elif self._is_open or (not self._lines and _indent_of(text) > 3):
            yield other
        else:
            self._indent = 0
            self._lines.append(line)
            self._texts.append(text.strip())
            if sum(map(len, self._texts)) > _MOST:
                self._is_open = True
                yield from self.paragraph()

    def _begins(self, text: str) -> bool:
        """Whether a line begins something that is no text; what this is goes on as `next` then knows."""
        if (item := _ITEM.match(text)) and not _RULE.match(text):
            rest = text[item.end() :]
            if self._lines and (not rest.strip() or item[1] not in (None, "1")):
                return False
            spaces = _indent_of(rest) if rest.strip() else 0
            self._indent = item.end() + (spaces if spaces < 4 else 0)
            self._is_open, self._is_bare = _is_text(rest), not rest.strip()
            return True
        if quote := _QUOTE.match(text):
            self._is_open = _is_text(text[quote.end() :])
        elif fence := _FENCE.match(text):
            mark = fence[1] or fence[2]
            self._end, self._is_open = re.compile(rf" {{0,3}}{mark}{mark[0]}*[ \t]*$"), False
        elif html := next((end for begin, end in _HTML if begin.match(text)), None):
            self._end, self._is_open = None if html.match(text) else html, False
        elif _RULE.match(text) or _HEADING.match(text):
            self._is_open = False
        elif _TAG.match(text) and not self._lines and not self._is_open:
            self._end = _EMPTY
        else:
            return False
        self._indent = 0
        return True


def _is_text(text: str) -> bool:
    """Whether what stands behind the mark of a list or a quotation is text."""
    while mark := _QUOTE.match(text) or (None if _RULE.match(text) else _ITEM.match(text)):
        text = text[mark.end() :]
    marks = (_EMPTY, _HEADING, _FENCE, _RULE, *(begin for begin, _ in _HTML))
    return _indent_of(text) < 4 and not any(mark.match(text) for mark in marks)


def _indent_of(text: str) -> int:
    return len(text) - len(text.lstrip(" "))
