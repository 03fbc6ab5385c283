"""A real server that answers, or misbehaves, as a test says; sources that ask it; and runs of recipes with them."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
import pytest
from pydantic import ValidationError

from ladle import OptionError, Reject
from ladle.recipe import load
from ladle.registry import installed
from ladle.rows import ORIGIN_TYPE, column_type
from ladle.runner import run
from ladle.runs import Runs
from ladle_http.source import Http

QUICK = {"allow_private": True, "back_off": 0.001, "timeout": 20}


class Asked(NamedTuple):
    """A request that came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    """What the server says; `raw` are bytes in the place of a whole HTTP answer, with pauses (seconds) in between."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: tuple[bytes | float, ...] | None = None

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Api:
    """A server on this machine, which notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.respond: Callable[[Asked], Any] = lambda asked: Reply({"error": "nothing here"}, 404)
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                api._answer(self)

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # clients that hang up are no news
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def speak_tls(self, context: ssl.SSLContext) -> None:
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def url(self, path: str = "/films", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    reply = staticmethod(Reply)

    def serve(self, rows: list[Any], size: int) -> None:
        """Give rows in pages of `size`: by number, offset, cursor, header and URL, whatever is asked for."""

        def respond(asked: Asked) -> Reply:
            query = asked.query | (asked.body or {}).get("variables", {})
            numbered = next(
                (int(query[name]) - first for name, first in (("page", 1), ("p", 0)) if name in query), None
            )
            before = next((int(query[name]) for name in ("offset", "skip", "cursor", "after") if query.get(name)), 0)
            start = before if numbered is None else numbered * size
            after = start + size if start + size < len(rows) else None
            url = f"{asked.path}?cursor={after}"
            link = f'<{asked.path}?cursor=0>; rel="first"'
            link += "" if after is None else f', <{url}>; title="a, b"; rel="Next last"'
            meta = {"cursor": after and str(after), "next": after and url, "number": after}
            return Reply({"meta": meta, "data": {"items": rows[start : start + size]}}, headers={"Link": link})

        self.respond = respond

    def each(self, *replies: Any) -> None:
        """Answer with one after another, then with the last for ever."""
        left = list(replies)
        self.respond = lambda asked: left.pop(0) if len(left) > 1 else left[0]

    def times(self, **query: str) -> int:
        """How often it was asked for just this."""
        return sum(asked.query == query for asked in self.asked)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        split = urlsplit(handler.path)
        length = int(handler.headers.get("content-length") or 0)
        body = json.loads(handler.rfile.read(length)) if length else None
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(handler.command, split.path, dict(parse_qsl(split.query)), headers, body)
        self.asked.append(asked)
        reply = self.respond(asked)
        reply = reply if isinstance(reply, Reply) else Reply(reply)
        if reply.raw is not None:
            for piece in reply.raw:
                if isinstance(piece, float):
                    threading.Event().wait(piece)
                else:
                    handler.wfile.write(piece)
                    handler.wfile.flush()
            handler.close_connection = True
            return
        content = reply.content()
        handler.send_response(reply.status)
        for name, value in ({"Content-Length": str(len(content))} | reply.headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    yield api
    api.close()


@dataclass
class Outcome:
    """What a source gave."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    origins: list[tuple[str, int]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)

    def values(self, column: str) -> list[Any]:
        return [row[column] for row in self.rows]


def read_all(source: Http) -> Outcome:
    """Read a source to its end; what it told before has to come true."""
    declared = source.peek()
    outcome = Outcome()
    for item in source.read():
        if isinstance(item, Reject):
            outcome.rejects.append(item)
            continue
        assert 0 < item.num_rows <= 4096
        item.validate(full=True)
        assert item["_origin"].type == ORIGIN_TYPE
        assert item["_origin"].field("offset").null_count == item.num_rows
        outcome.origins += [(origin["file"], origin["line"]) for origin in item["_origin"].to_pylist()]
        batch: pa.RecordBatch = item.drop_columns(["_origin"])
        outcome.types = {column.name: column_type(column.type) for column in batch.schema}
        assert declared is None or outcome.types == dict(declared)
        outcome.rows += batch.to_pylist()
    return outcome


@pytest.fixture
def read(api: Api) -> Callable[..., Outcome]:
    """Read the server's rows, without waiting long."""
    return lambda **options: read_all(Http.model_validate({"url": api.url()} | QUICK | options))


@pytest.fixture
def failure(api: Api) -> Callable[..., OptionError]:
    """The error with which reading the server's rows ends."""

    def error_of(**options: Any) -> OptionError:
        with pytest.raises(OptionError) as caught:
            read_all(Http.model_validate({"url": api.url()} | QUICK | options))
        return caught.value

    return error_of


@pytest.fixture
def refused() -> Callable[..., OptionError]:
    """The error with which the source refuses its options."""

    def error_of(**options: Any) -> OptionError:
        with pytest.raises(ValidationError) as caught:
            Http.model_validate({"url": "https://api.example.org/films"} | options)
        (error,) = caught.value.errors()
        return error["ctx"]["error"]

    return error_of


@dataclass
class Ran:
    """A run that ended, with what is left of it."""

    folder: Path
    run: Any
    store: Any

    def rows(self, stage: str = "r.source") -> list[dict[str, Any]]:
        from ladle.rows import Rows

        return [row for batch in Rows.of_stages([self.stage(stage)]).whole_batches() for row in batch.to_pylist()]

    def stage(self, name: str = "r.source") -> Path:
        return self.store.folder(next(s["key"] for s in self.run.lock["stages"] if s["name"] == name))


@pytest.fixture
def all_bytes() -> Callable[[Path], bytes]:
    """What all files below a folder hold, and how they are called."""

    def read(folder: Path) -> bytes:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        packed = [(str(path).encode(), path.read_bytes()) for path in files]
        return b"\n".join(
            part for name, data in packed for part in (name, gzip.decompress(data) if name.endswith(b".gz") else data)
        )

    return read


@pytest.fixture
def run_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Ran]:
    """Run a recipe in a folder of its own, `runs` beside it."""
    monkeypatch.chdir(tmp_path)
    installed.cache_clear()

    def go(text: str) -> Ran:
        path = tmp_path / "recipe.toml"
        path.write_text(text)
        recipe, _ = load(path)
        runs = Runs(tmp_path / "runs")
        return Ran(tmp_path, run(recipe, runs), runs.store)

    return go


@dataclass
class Internet:
    """Names and addresses of a made-up internet, in which every address is the test's server."""

    port: int
    names: dict[str, list[str]] = field(default_factory=dict)
    connected: list[str] = field(default_factory=list)
    """The addresses that were connected to."""
    looked_up: list[str] = field(default_factory=list)


@pytest.fixture
def internet(api: Api, monkeypatch: pytest.MonkeyPatch) -> Internet:
    """Lets names stand for any address; a connection to one of these is one to the test's server."""
    internet = Internet(api.port)

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        internet.looked_up.append(host)
        if host not in internet.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in internet.names[host]]

    def connect_to(address: tuple[str, int], timeout: float, **_: Any) -> socket.socket:
        internet.connected.append(address[0])
        connection = socket.socket()
        connection.settimeout(timeout)
        connection.connect(("127.0.0.1", api.port))
        return connection

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect_to)
    return internet
