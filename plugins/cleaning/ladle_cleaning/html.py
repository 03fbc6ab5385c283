"""What a reader sees of HTML, as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

MARKUP = r"<[A-Za-z/!?]|&#?[A-Za-z0-9]"
"""Where a text can be more than plain text: a tag, a comment or an entity begins. Arrow's expressions know it too."""

TAG = re.compile(r"</?(?:a|b|br|div|em|font|h[1-6]|i|img|li|p|script|span|strong|table|td|tr|ul)(?:\s[^<>]*)?/?>", re.I)
"""The tags that HTML has most often."""

_MEDIA = "audio canvas iframe object svg video"
_NO_TEXT = "datalist head noscript script select style template textarea"
_BLOCKS = (
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure "
    "footer form header hr html legend li main menu nav ol optgroup option pre search section summary table tbody "
    "tfoot thead tr ul"
)
_APART = "h1 h2 h3 h4 h5 h6 p"

_UNSEEN = frozenset(f"{_MEDIA} {_NO_TEXT}".split())
_BREAKS = dict.fromkeys(_BLOCKS.split(), 1) | dict.fromkeys(_APART.split(), 2)
"""The line breaks that elements have around them: those that stand apart make a blank line, other blocks none."""

_SPACES = re.compile("[ \t\n\r\f]+")


def text_of(html: str) -> str:
    """The text that a reader of `html` sees, laid out as browsers do: in lines, with a tab between cells.

    Scripts, styles, what a form asks, comments and what stands in for media are left out.
    """
    from selectolax.lexbor import LexborHTMLParser

    page = _Page()
    stack: list[LexborNode | str] = [LexborHTMLParser(html).root]  # no recursion: nesting has no limit
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            page.end(node)
        elif (tag := node.tag) == "-text":
            page.write(node.text_content or "")
        elif tag not in _UNSEEN:
            page.begin(tag)
            if tag in _BREAKS:
                stack.append(tag)
            child = node.last_child
            while child is not None:
                stack.append(child)
                child = child.prev
    return page.text()


class _Page:
    """Text as it is laid out in lines."""

    def __init__(self) -> None:
        self.lines = [""]
        self.wanted = 0
        """Line breaks that have to stand before whatever comes next."""
        self.preformatted = 0
        """How many elements are open in which white space is as it shall be."""

    def begin(self, tag: str) -> None:
        if tag in _BREAKS:
            self.wanted = max(self.wanted, _BREAKS[tag])
            self.preformatted += tag == "pre"
        elif tag == "br":
            self.lines.append("")
        elif tag in ("td", "th") and self.lines[-1] and not self.wanted:
            self.lines[-1] = self.lines[-1].rstrip(" ") + "\t"

    def end(self, tag: str) -> None:
        self.wanted = max(self.wanted, _BREAKS[tag])
        self.preformatted -= tag == "pre"

    def write(self, text: str) -> None:
        if not self.preformatted:
            text = _SPACES.sub(" ", text)
            if self.wanted or not self.lines[-1] or self.lines[-1][-1] in " \t":
                text = text.lstrip(" ")
        if not text:
            return
        if self.wanted and any(self.lines):
            self.lines += [""] * self.wanted
        self.wanted = 0
        first, *others = text.split("\n")
        self.lines[-1] += first
        self.lines += others

    def text(self) -> str:
        return "\n".join(line.rstrip(" \t") for line in self.lines).strip("\n")
