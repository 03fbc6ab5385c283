"""Pages that came, kept in files that are whole or absent."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladle.store import in_place_of

from .secrecy import Veil

_NAME = "{}.json.gz"
FORMAT = "pages"  # another name once pages are kept in another way
_LEVEL = 1  # of packing: JSON is a tenth of its size then, and more takes longer than it is worth


@dataclass(frozen=True)
class Page:
    """The rows of an answer, and the way on."""

    name: str
    """Where it came from, as it may be shown."""
    text: str
    """The rows: a list of JSON, or JSON lines."""
    next: Any
    """The place of the page after it (see `Pages`); None if it is the last."""


class Kept:
    """The pages in a folder, by their numbers.

    A file is a line of JSON and the rows, as gzip. It holds no secret beside those that rows hold.
    """

    def __init__(self, folder: Path, veil: Veil, has_urls: bool) -> None:
        self.folder = folder
        self.veil = veil
        self.has_urls = has_urls

    def load(self, number: int) -> Page | None:
        """A page; None if it is not there, or not whole, as a power cut may leave it."""
        try:
            head, _, rows = gzip.decompress(self._path(number).read_bytes()).partition(b"\n")
            about = json.loads(head)
        except (OSError, EOFError, ValueError, zlib.error):
            return None
        return Page(about["name"], rows.decode(), self.veil.found(about["next"]))

    def save(self, number: int, page: Page) -> None:
        next_ = None if page.next is None else self.veil.keep(page.next, self.has_urls)
        head = json.dumps({"name": page.name, "next": next_})
        with in_place_of(self._path(number)) as beside:
            beside.write_bytes(gzip.compress(f"{head}\n{page.text}".encode(), _LEVEL))

    def clear(self) -> None:
        for path in self.folder.glob(_NAME.format("*")):
            path.unlink()

    def _path(self, number: int) -> Path:
        return self.folder / _NAME.format(f"{number:06}")
