"""Rows from a JSON API."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from ladle import NotInKey, OptionError, Usual
from ladle.objects import Fault, Found, ObjectRows
from ladle.objects.naming import check_known
from ladle.objects.values import shown
from ladle.options import secrets_of

from .addresses import private_kind
from .auth import Auth, check_headers
from .pages import Pages
from .secrecy import Veil

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Reject, Sample
    from ladle.columns import ColumnType

    from .keeping import Kept
    from .reading import PageReader

_OF_AUTH = ("authorization", "proxy-authorization", "cookie")
_OF_HTTP = ("accept-encoding", "connection", "content-length", "host", "transfer-encoding")
_BATCH_BYTES = 1 << 23
_OF_ROWS = ("columns", "types", "guess_rows", "id")  # options that only say what becomes of an answer


class Http(ObjectRows):
    """Read rows from a JSON API, page by page.

    What came is kept: a run that was stopped goes on with the page that it waited for, and once all pages are there
    they are not asked for again until what is asked for changes (`as_of` is there for that), or no run uses them and
    `ladle store prune` removes them. Columns, types, `id`, who asks, pace, patience and limits are no part of that.

    Columns and their types are those of the first rows, as `jsonl` finds them, and rows are rejected for the same
    reasons, with their page and position in it; those whose `id` came before are too (duplicate, missing-id).

    Asked again, ever later, is what answers 408, 425, 429 or 5xx, breaks off, takes too long or is no JSON. Addresses
    that are private are refused, also those that a name or a redirect leads to. No proxy is used.
    """

    url: str = Field(description="The address, http or https.")
    parameters: dict[str, str | int | float | bool | list[str | int]] = Field(
        default={}, description="Parameters of the URL, by name."
    )
    headers: dict[str, str] = Field(default={}, description="Headers to send, by name.")
    auth: Annotated[Auth | None, NotInKey()] = Field(
        default=None,
        description="Who asks: bearer, basic, headers or parameters, with values from the environment such as "
        "`${API_TOKEN}`. No other host is told.",
    )
    method: Literal["GET", "POST"] = Field(default="GET", description="POST sends `body`; it shall only ask.")
    body: dict[str, Any] = Field(default={}, description="What POST sends, as JSON.")
    rows: str | None = Field(
        default=None,
        min_length=1,
        description="Where in an answer the list of rows is: keys, and positions in lists, with full stops between, "
        "such as `data.items`. The answer itself if it is not said.",
    )
    lines: bool = Field(default=False, description="Whether an answer is JSON lines: an object on each line.")
    pages: Pages | None = Field(
        default=None, description="How the next page is asked for; one answer is all if it is not said."
    )
    id: list[str] = Field(
        default=[],
        description="The columns that tell a row from all others: its id follows from them, in whatever order rows "
        "come, and a row that comes again is rejected.",
    )
    as_of: str | None = Field(
        default=None, description="Any text, such as a date; with another one the API is asked anew."
    )
    requests_per_second: Annotated[float | None, NotInKey(), Usual(0.01, 100)] = Field(
        default=None, gt=0, description="How often to ask at most."
    )
    timeout: Annotated[float, NotInKey(), Usual(1, 3600)] = Field(
        default=60, gt=0, description="Seconds that a whole answer may take."
    )
    retries: Annotated[int, NotInKey(), Usual(0, 30)] = Field(
        default=5, ge=0, description="How often to ask again where that may help."
    )
    back_off: Annotated[float, NotInKey(), Usual(0.05, 60)] = Field(
        default=1,
        ge=0,
        description="Seconds before asking again, twice as many each time, and a random share of as many.",
    )
    max_wait: Annotated[float, NotInKey(), Usual(10, 20_000)] = Field(
        default=300,
        ge=0,
        description="Seconds to wait at most, also where `Retry-After` asks for more: that is an error.",
    )
    max_bytes: Annotated[int, NotInKey()] = Field(
        default=100_000_000, ge=1, description="The size beyond which an answer is refused; it bounds the memory used."
    )
    allow_private: Annotated[bool, NotInKey()] = Field(
        default=False, description="Whether to ask addresses that are not of the public internet."
    )

    _veil: Any = PrivateAttr(default=None)

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        example = "write it like https://api.example.org/films"
        try:
            split = urlsplit(url)
            host, _ = split.hostname, split.port
        except ValueError as error:
            raise OptionError(f"this is no address: {error}", help=example) from None
        if split.scheme not in ("http", "https") or not host:
            raise OptionError("this is no address of the web", help=example)
        if any(character.isspace() or not character.isprintable() for character in url):
            raise OptionError("an address has no spaces", help="write %20 for a space")
        if split.username is not None or split.password is not None:
            raise OptionError(
                "an address with a password in it would be shown", help='write auth.basic = "USER:${PASSWORD}"'
            )
        return url

    @field_validator("headers")
    @classmethod
    def _no_special_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        check_headers(headers)
        for name in headers:
            if name.lower() in _OF_HTTP:
                raise OptionError("this header follows from the question", option=name, help="leave it out")
            if name.lower() in _OF_AUTH:
                help = f'write auth.headers = {{ {name} = "${{NAME}}" }}, or auth.bearer'
                raise OptionError("this says who asks", option=name, help=help)
        return headers

    @model_validator(mode="after")
    def _fitting_options(self, info: ValidationInfo) -> Http:
        self._veil = Veil(secrets_of(info), self.who.secrets())
        self._check_host()
        if self.body and self.method == "GET":
            raise OptionError("GET sends no body", option="body", help='method = "POST"')
        if self.lines and self.rows:
            raise OptionError("JSON lines are rows themselves", option="rows", help="leave it out")
        if self.lines and self.pages and (paths := ["by"] if self.pages.by == "next" else self.pages.paths()):
            raise OptionError("JSON lines hold rows alone: there is no path in them", option=("pages", paths[0]))
        for option, given in (("parameters", self.parameters), (("auth", "parameters"), self.who.parameters)):
            if self.pages and not self.pages.has_urls and self.method == "GET" and self.pages.name in given:
                help = "leave it out here" + ("; `pages.start` is the first" if self.pages.by != "cursor" else "")
                raise OptionError(f"`pages` gives the parameter `{self.pages.name}`", option=option, help=help)
        if self.columns:
            check_known(self.id, self.columns, "id")
        return self

    def _check_host(self) -> None:
        """Raises OptionError if the URL has a private address itself; what a name leads to is seen when it is asked."""
        host = urlsplit(self.url).hostname or ""
        try:
            kind = private_kind("127.0.0.1" if host == "localhost" else str(ipaddress.ip_address(host)))
        except ValueError:
            return
        if kind and not self.allow_private:
            help = "if it is meant to be asked, set allow_private = true"
            raise OptionError(f"`{host}` is {kind}", option="url", help=help)

    @property
    def who(self) -> Auth:
        """Who asks."""
        return self.auth or Auth()

    def identified_by(self) -> list[str]:
        return self.id

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        if self.as_of is None:
            yield OptionError(
                "rows are asked for once and kept: later runs will not see what the API has changed since",
                option="url",
                help="give an `as_of`, to change when they shall",
            )

    def peek(self) -> Mapping[str, ColumnType] | None:
        """The columns if options tell them with their types: the API is not asked."""
        if not self.columns or self.types.keys() != set(self.columns):
            return None
        return {name: self.types[name] for name in self.columns}

    def read(self) -> Iterator[pa.RecordBatch | Reject]:
        from .asking import Asker
        from .keeping import FORMAT, Kept
        from .reading import PageReader

        with ExitStack() as stack:
            folder = self.keep(FORMAT, _OF_ROWS) or stack.enter_context(TemporaryDirectory(prefix="ladle-http-"))
            kept = Kept(Path(folder), self._veil, self.pages is not None and self.pages.has_urls)
            pages = PageReader(self, stack.enter_context(Asker(self, self._veil)), kept, self._veil)
            shapes = self.shapes_of(islice(self._objects(pages, kept), self.guess_rows))
            check_known(self.id, shapes, "id")
            seen: set[bytes] = set()
            found = (self.batches(self._distinct(pages.rows(page), seen), shapes, page.name) for page in pages)
            yield from _joined(chain.from_iterable(found))

    def _objects(self, pages: PageReader, kept: Kept) -> Iterator[dict[str, Any]]:
        """The objects on all pages. Raises OptionError if there is none, and keeps nothing then."""
        fault: Fault | None = None
        is_empty = True
        for page in pages:
            for item in pages.rows(page):
                if isinstance(item, Found):
                    is_empty = False
                    yield item.row
                fault = fault or (item if isinstance(item, Fault) else None)
        if is_empty:
            kept.clear()
            where = f" at `{self.rows}`" if self.rows else ""
            message = (
                f"all rows{where} are none that can be read: {fault.reason}" if fault else f"there are no rows{where}"
            )
            raise OptionError(message, option="url", help="look at what it answers, and at `parameters`")

    def _distinct(self, items: Iterator[Found | Fault], seen: set[bytes]) -> Iterator[Found | Fault]:
        """Rows whose id has not come before; the others are faults."""
        for item in items:
            if not self.id or isinstance(item, Fault):
                yield item
                continue
            values = {name: item.row.get(name) for name in self.id}
            known = hashlib.blake2b(json.dumps(values).encode(), digest_size=12).digest()
            if missing := [name for name, value in values.items() if value is None]:
                yield item.fault("missing-id", f"there is no value in `{missing[0]}`, which tells rows apart")
            elif known in seen:
                told = ", ".join(f"`{name}` {shown(value)}" for name, value in values.items())
                yield item.fault("duplicate", f"a row with {told} came before")
            else:
                seen.add(known)
                yield item


def _joined(items: Iterator[pa.RecordBatch | Reject]) -> Iterator[pa.RecordBatch | Reject]:
    """Batches joined as far as one may be large: pages are small, and what works on rows later is faster on more."""
    import pyarrow as pa

    from ladle.rows import BATCH_ROWS

    def batch() -> pa.RecordBatch:
        (whole,) = pa.Table.from_batches(waiting).combine_chunks().to_batches()
        waiting.clear()
        return whole

    waiting: list[pa.RecordBatch] = []
    for item in items:
        if not isinstance(item, pa.RecordBatch):
            yield item
            continue
        together = [*waiting, item]
        if waiting and (sum(map(len, together)) > BATCH_ROWS or sum(one.nbytes for one in together) > _BATCH_BYTES):
            yield batch()
        waiting.append(item)
    if waiting:
        yield batch()
