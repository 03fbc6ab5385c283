"""Page after page: those that were kept, then those that are still to be asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx2

from ladle import OptionError
from ladle.errors import did_you_mean
from ladle.objects import Fault, Found

from .answers import (
    Answer,
    NothingThereError,
    list_text,
    lists_of_objects,
    rows_of_lines,
    rows_of_list,
    value_at,
    what_is,
)
from .asking import Asker, Request
from .keeping import Kept, Page
from .pages import Pages, with_value

if TYPE_CHECKING:
    from .secrecy import Veil
    from .source import Http


class PageReader:
    """The pages of a source, as often as they are wanted: each is asked for once."""

    def __init__(self, source: Http, asker: Asker, kept: Kept, veil: Veil) -> None:
        self.source = source
        self.asker = asker
        self.kept = kept
        self.veil = veil
        self.pages = source.pages

    def __iter__(self) -> Iterator[Page]:
        """The pages in order, one of them in memory at a time. Raises OptionError where one cannot be had."""
        place = self.pages.first if self.pages else ""
        places = {json.dumps(place)}
        before = b""
        for number in count(1):
            page = self.kept.load(number)
            if page is None:
                page = self._asked(place, before, places)
                self.kept.save(number, page)
            yield page
            if page.next is None or (self.pages and number == self.pages.most):
                return
            place, before = page.next, _digest(page.text)
            places.add(json.dumps(place))

    def rows(self, page: Page) -> Iterator[Found | Fault]:
        """The objects of a page, and what is none."""
        return rows_of_lines(page.text) if self.source.lines else rows_of_list(page.text)

    def _asked(self, place: Any, before: bytes, places: set[str]) -> Page:
        request = self._request(place)
        answer = self.asker.ask(request)
        text, number = self._lines(answer) if self.source.lines else self._list(answer, request.name)
        if self.pages is None:
            return Page(request.name, text, None)
        if self.pages.by in ("page", "offset") and number and _digest(text) == before:
            raise OptionError(
                f"{request.name} has the same rows as the page before it",
                option="pages",
                help=f"does the API know the parameter `{self.pages.name}`? If it gives the last page again after the "
                "last, name in `pages.more` what tells it",
            )
        next_ = self._normal(self.pages.after(place, answer, number), answer, self.pages)
        if next_ is not None and json.dumps(next_) in places:
            what = "address" if self.pages.has_urls else "cursor"
            raise OptionError(
                f"the {what} after {request.name} is one that came before: it would never end",
                option="pages",
                help=f"does the API know the parameter `{self.pages.name}`?" if self.pages.by == "cursor" else "",
            )
        return Page(request.name, text, next_)

    def _request(self, place: Any) -> Request:
        source, pages = self.source, self.pages
        url = httpx2.URL(source.url)
        if source.parameters:
            url = url.copy_merge_params(source.parameters)
        body = source.body if source.method == "POST" else None
        note = ""
        if pages and place != "":
            if pages.has_urls:
                url = httpx2.URL(place)
            elif body is not None:
                body = with_value(body, pages.name, place)
                note = f" ({pages.name} = {json.dumps(place, ensure_ascii=False)})"
            else:
                url = url.copy_set_param(pages.name, place)
        return Request(
            str(url),
            None if body is None else json.dumps(body, ensure_ascii=False).encode(),
            self.veil.over_url(str(url)) + self.veil.over(note),
            is_first=not pages or place == pages.first,
        )

    def _normal(self, place: Any, answer: Answer, pages: Pages) -> Any:
        """A place; if it is a URL, in full."""
        if place is None or not pages.has_urls:
            return place
        try:
            url = httpx2.URL(answer.url).join(place)
        except httpx2.InvalidURL:
            url = None
        if url is None or url.scheme not in ("http", "https") or not url.host:
            message = f"the address of the next page is {self.veil.over(json.dumps(place))}, which is none of the web"
            raise OptionError(message, option="pages")
        return str(url)

    def _lines(self, answer: Answer) -> tuple[str, int]:
        """The JSON lines of an answer, and how many there are."""
        return answer.text, sum(1 for line in answer.text.split("\n") if line.strip())

    def _list(self, answer: Answer, name: str) -> tuple[str, int]:
        """The text of the list of rows in an answer, and how many there are. Raises OptionError where there is none."""
        path = self.source.rows
        try:
            found = value_at(answer.document, path) if path else answer.document
        except NothingThereError as missing:
            where = f"`{missing.before}` of " if missing.before else ""
            known = did_you_mean(missing.key, missing.known, "there are") if missing.known else f"it is {missing.what}"
            raise OptionError(
                f"there is no `{missing.key}` in {where}the answer of {name}",
                option="rows",
                help=_where_rows_are(answer.document) or known,
            ) from None
        if found is not None and not isinstance(found, list):
            what = f"`{path}` of the answer" if path else "the answer"
            raise OptionError(
                f"{what} of {name} is {what_is(found)}, not a list",
                option="rows" if path else "url",
                help=_where_rows_are(answer.document),
            )
        return list_text(answer.text, path), len(found or ())


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _where_rows_are(document: Any) -> str:
    found = lists_of_objects(document)
    return f'are the rows at rows = "{found[0]}"?' if found else ""
