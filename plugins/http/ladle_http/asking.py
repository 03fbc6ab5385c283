"""Asking an API: with patience where waiting helps, and a plain word where it does not."""

from __future__ import annotations

import codecs
import email.utils
import logging
import re
import socket
import ssl
import time
import urllib.request
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

import httpcore2
import httpx2
import stamina

from ladle import OptionError

from . import __version__
from .addresses import AddressError
from .answers import Answer, parsed
from .connecting import Connector

if TYPE_CHECKING:
    from .secrecy import Veil
    from .source import Http

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
_PASSING = (408, 425, 429)  # and 5xx
_SHOWN = 100  # characters of an answer
_START = 2000  # bytes of an answer that is none, for a message
_LONG = 150  # characters of a URL in a message
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)

logging.getLogger("stamina").addHandler(logging.NullHandler())  # it warns of what is told here already


class Request(NamedTuple):
    """One page to ask for."""

    url: str
    body: bytes | None
    name: str
    """The URL as it may be shown."""
    is_first: bool


class PassingError(Exception):
    """Something that may have passed when it is tried again, in `wait` seconds if the API says so."""

    def __init__(self, message: str, wait: float | None = None, help: str = "") -> None:
        super().__init__(message)
        self.wait = wait
        self.help = help


class Asker:
    """Asks an API as a source says: its patience, its limits, its pace, and who asks."""

    def __init__(self, source: Http, veil: Veil) -> None:
        self.source = source
        self.veil = veil
        self._home = httpx2.URL(source.url)
        self._connector = Connector(source.allow_private)
        context = httpx2.create_ssl_context() if self._home.scheme == "https" else None  # it takes a while
        self._pool = httpcore2.ConnectionPool(context, network_backend=self._connector)
        self._retrying = stamina.RetryingCaller(
            attempts=source.retries + 1,
            timeout=None,
            wait_initial=source.back_off,
            wait_max=source.max_wait,
            wait_jitter=source.back_off,
        )
        self._free_at = 0.0
        self._tries = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()

    def ask(self, request: Request) -> Answer:
        """The answer to a request. Raises OptionError if there is none, or waiting does not help."""
        self._tries = 0
        try:
            return self._retrying(self._is_passing, self._try, request)
        except PassingError as error:
            if self._is_long(error):
                raise OptionError(
                    f"{error}, and asks to wait for {error.wait:,.0f} seconds",
                    option="max_wait",
                    help="run again then: it goes on where it stopped; or set `max_wait` higher",
                ) from None
            tries = f" ({self._tries} times)" if self._tries > 1 else ""
            help = error.help or "run again later: it goes on where it stopped"
            raise OptionError(f"{error}{tries}", option="url", help=help) from None

    def _is_passing(self, error: Exception) -> bool | float:
        """Whether to try again, and if the API says so, after how many seconds."""
        if not isinstance(error, PassingError) or self._is_long(error):
            return False
        if self._tries <= self.source.retries:
            warnings.warn(f"{error}: asked again ({self._tries} of {self.source.retries})", stacklevel=2)
        return True if error.wait is None else error.wait

    def _is_long(self, error: PassingError) -> bool:
        return error.wait is not None and error.wait > self.source.max_wait

    def _try(self, request: Request) -> Answer:
        self._tries += 1
        self._keep_pace()
        self._connector.deadline = time.monotonic() + self.source.timeout
        url = httpx2.URL(request.url)
        for redirects in range(_MOST_REDIRECTS + 1):
            with self._explained(request, url, redirects > 0):
                headers = self._headers(url, request)
                with self._pool.stream(
                    self.source.method, self._target(url), headers=headers, content=request.body
                ) as got:
                    found = httpx2.Headers(got.headers)
                    if got.status not in _REDIRECTS or "location" not in found:
                        return self._answer(got, found, url, request)
                    url = self._redirected(url, found["location"], got.status, request)
        message = f"{_short(request.name)} leads from one address to the next, more than {_MOST_REDIRECTS} times"
        raise OptionError(message, option="url")

    def _keep_pace(self) -> None:
        if self.source.requests_per_second is None:
            return
        now = time.monotonic()
        if now < self._free_at:
            time.sleep(self._free_at - now)
        self._free_at = max(now, self._free_at) + 1 / self.source.requests_per_second

    def _is_home(self, url: httpx2.URL) -> bool:
        """Whether a URL is where the recipe's URL is: nobody else is told who asks. http may become https."""
        home, there = [(u.scheme, u.host, u.port or {"http": 80, "https": 443}[u.scheme]) for u in (self._home, url)]
        return there in (home, ("https", home[1], 443 if home[2] == 80 else home[2]))

    def _headers(self, url: httpx2.URL, request: Request) -> list[tuple[bytes, bytes]]:
        accepted = "application/x-ndjson, application/json;q=0.5" if self.source.lines else "application/json"
        headers = httpx2.Headers(
            {"Accept": accepted, "Accept-Encoding": "gzip", "User-Agent": f"ladle-http/{__version__}"}
        )
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if self._is_home(url):
            headers.update(self.source.headers)
            headers.update(self.source.who.sent_headers())
        return headers.raw

    def _target(self, url: httpx2.URL) -> httpcore2.URL:
        if self._is_home(url):
            given = self.source.who.parameters.items()
            if missing := {name: value for name, value in given if name not in url.params}:
                url = url.copy_merge_params(missing)
        return httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)

    def _redirected(self, url: httpx2.URL, location: str, status: int, request: Request) -> httpx2.URL:
        name = _short(request.name)
        if request.body is not None and status in (301, 302, 303):
            help = "name the address that takes it" if status != 303 else "use GET"
            raise OptionError(
                f"{name} answers a POST with {_status(status)}, and leads elsewhere", option="url", help=help
            )
        try:
            there = url.join(location)
        except httpx2.InvalidURL:
            there = None
        if there is None or there.scheme not in ("http", "https") or not there.host:
            raise OptionError(f"{name} leads to {self._shown(location)}, which is no address of the web", option="url")
        return there

    def _answer(self, got: httpcore2.Response, headers: httpx2.Headers, url: httpx2.URL, request: Request) -> Answer:
        name = _short(request.name)
        if not 200 <= got.status < 300:
            raise self._refusal(got, headers, request)
        body = b"".join(self._unpacked(got, headers, name))
        encoding = _encoding(headers)
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError as error:
            found = " ".join(f"0x{byte:02X}" for byte in body[error.start : error.end])
            what = f"is not all {encoding.removesuffix('-sig')}: byte {error.start + 1} is {found}"
            raise PassingError(f"the answer of {name} {what}") from None
        try:
            document = None if self.source.lines else parsed(text)
        except ValueError as error:
            what = f"is no JSON ({error}): it begins with {self._shown(text)}" if text.strip() else "is empty"
            help = "look at `url`; `lines = true` if each line of it is an object" if text.strip() else ""
            raise PassingError(f"the answer of {name} {what}", help=help) from None
        return Answer(str(url), text, document, headers.get("link", ""))

    def _unpacked(self, got: httpcore2.Response, headers: httpx2.Headers, name: str) -> Iterator[bytes]:
        """The bytes of an answer, unpacked, and no more of them than are allowed."""
        limit = self.source.max_bytes
        too_large = OptionError(
            f"the answer of {name} is larger than {limit:,} bytes",
            option="max_bytes",
            help="let the API put fewer rows on a page, or set `max_bytes` higher",
        )
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise too_large
        packed = headers.get("content-encoding", "identity").lower()
        if packed not in ("identity", "gzip", "x-gzip"):
            raise OptionError(f"{name} answers in the encoding `{packed}`, which nobody asked for", option="url")
        unpack = _Gzip(name) if "gzip" in packed else None
        came = given = 0
        for chunk in got.iter_stream():
            came += len(chunk)
            for piece in unpack.pieces(chunk, limit + 1) if unpack else (chunk,):
                given += len(piece)
                if max(came, given) > limit:
                    raise too_large
                yield piece
        if unpack and not unpack.is_whole:
            raise PassingError(f"the answer of {name} broke off")

    def _refusal(self, got: httpcore2.Response, headers: httpx2.Headers, request: Request) -> Exception:
        """What to say of an answer that is none."""
        name = _short(request.name)
        said = f"{name} answers {_status(got.status)}{self._reason(got, headers)}"
        wait = _retry_after(headers.get("retry-after", ""))
        if got.status in _PASSING or 500 <= got.status < 600 or (got.status == 403 and wait is not None):
            return PassingError(said, wait)
        if got.status in (401, 403):
            path, help = self.source.who.remedy()
            return OptionError(said, option=("auth", *path) if path else "url", help=help)
        if got.status in (404, 410) and not request.is_first:
            help = "if that is how it says that there are no more pages, name in `pages.more` what tells it before"
            return OptionError(said, option="pages", help=help)
        return OptionError(said, option="url", help="look at the address" if got.status in (404, 410) else "")

    def _reason(self, got: httpcore2.Response, headers: httpx2.Headers) -> str:
        """The start of what an answer says that is none."""
        found = b""
        packed = "gzip" in headers.get("content-encoding", "").lower()
        try:
            unpack = _Gzip("") if packed else None
            for chunk in got.iter_stream():
                found += b"".join(unpack.pieces(chunk, _START)) if unpack else chunk
                if len(found) >= _START:
                    break
        except (PassingError, httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError):
            pass  # what came is enough
        text = found.decode(errors="replace").strip()
        return f": {self._shown(text)}" if text else ""

    def _shown(self, text: str) -> str:
        text = " ".join(self.veil.over(text[: 10 * _START]).split())
        return f'"{text}"' if len(text) <= _SHOWN else f'"{text[:_SHOWN]}…"'

    @contextmanager
    def _explained(self, request: Request, url: httpx2.URL, is_redirected: bool) -> Iterator[None]:
        """Within it, what connections raise becomes an error of ours."""
        name, host = _short(request.name), url.host
        try:
            yield
        except AddressError as error:
            message = f"{name} leads elsewhere, and {error}" if is_redirected else str(error)
            help = "if it is meant to be asked, set allow_private = true"
            raise OptionError(message, option="url", help=help) from None
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise PassingError(f"no name server tells where `{host}` is") from None
            raise OptionError(f"there is no host `{host}`", option="url", help="look at its spelling") from None
        except httpcore2.TimeoutException:
            message = f"{name} gave no whole answer within {self.source.timeout:g} seconds"
            raise PassingError(message, help=f"set `timeout` higher{_proxy_hint(url)}") from None
        except httpcore2.NetworkError as error:
            raise self._of_network(error, name, url) from None
        except httpcore2.ProtocolError as error:
            raise PassingError(f"the answer of {name} broke off, or is no HTTP: {self.veil.over(str(error))}") from None

    def _of_network(self, error: BaseException, name: str, url: httpx2.URL) -> Exception:
        cause = error.__cause__ or error.__context__
        place = f"{url.host}:{url.port}" if url.port else url.host
        if isinstance(cause, ssl.SSLCertVerificationError):
            return OptionError(
                f"the certificate of {place} is not accepted: {cause.verify_message}",
                option="url",
                help="if an authority of your own has signed it, name its file in the variable SSL_CERT_FILE",
            )
        if isinstance(cause, ssl.SSLError) and isinstance(error, httpcore2.ConnectError):
            said = (cause.reason or str(cause)).lower().replace("_", " ")
            return OptionError(
                f"{place} does not speak TLS: {said}", option="url", help="does it take http:// instead?"
            )
        if isinstance(cause, ConnectionRefusedError):
            return PassingError(f"nothing answers at {place}", help=f"does the server run?{_proxy_hint(url)}")
        if isinstance(error, httpcore2.ConnectError):
            why = getattr(cause, "strerror", None) or "no connection"
            return PassingError(f"{place} cannot be reached: {why}{_proxy_hint(url)}")
        return PassingError(f"the connection to {name} broke off")


class _Gzip:
    """Unpacks gzip, of one member or several, in pieces of bounded size."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._member = self._new()
        self.is_whole = False
        """Whether the last member that began is over."""

    @staticmethod
    def _new() -> zlib._Decompress:
        return zlib.decompressobj(wbits=31)

    def pieces(self, chunk: bytes, most: int) -> Iterator[bytes]:
        """What a chunk holds, in pieces of `most` bytes at most."""
        while chunk:
            try:
                piece = self._member.decompress(chunk, most)
            except zlib.error:
                raise PassingError(f"the answer of {self.name} is damaged: it is no whole gzip") from None
            yield piece
            chunk = self._member.unconsumed_tail
            self.is_whole = self._member.eof
            if self.is_whole and (chunk := self._member.unused_data.lstrip(b"\0")):
                self._member = self._new()


def _status(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)


def _short(name: str) -> str:
    return name if len(name) <= _LONG else f"{name[:_LONG]}…"


def _encoding(headers: httpx2.Headers) -> str:
    """The encoding that an answer says it has, if Python knows it; UTF-8 otherwise, as JSON has it."""
    said = _CHARSET.search(headers.get("content-type", ""))
    try:
        found = codecs.lookup(said[1] if said else "utf-8")
    except LookupError:
        return "utf-8-sig"
    return "utf-8-sig" if found.name in ("utf-8", "ascii") or not found._is_text_encoding else found.name


def _retry_after(text: str) -> float | None:
    """The seconds to wait that `Retry-After` asks for: it holds a number of them, or a date (RFC 9110)."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _proxy_hint(url: httpx2.URL) -> str:
    has_proxy = url.scheme in urllib.request.getproxies()
    return "; the proxy that the environment names is not used" if has_proxy else ""
