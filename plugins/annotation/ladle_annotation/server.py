"""The page: served to this machine alone, to who knows the token in its address."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ladle.errors import LadleError, Problem, RecipeError

from .by_hand import ByHand
from .cells import image_type
from .log import Event
from .question import AnswerError
from .session import ConflictError, Session
from .task import Task

HOST = "127.0.0.1"
_MOST_BYTES = 4 << 20  # of a request
_PAGE = Path(__file__).parent / "page"
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the token is in the address
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class _Said(BaseModel):
    """What a window says of a row, or asks for."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    annotator: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")
    window: str = Field(min_length=1, max_length=100)


class _Next(_Said):
    count: int = Field(ge=0, le=20)
    have: list[str] = Field(default=[], max_length=50)


class _Saying(_Said):
    row: str
    kind: str = Field(pattern="^(label|final|skip|flag|note)$")
    value: Any = None
    confidence: float | None = Field(default=None, ge=0, le=1)
    seconds: float | None = Field(default=None, ge=0)
    seen: int | None = None
    token: str = Field(min_length=8, max_length=100)


class _Undoing(_Said):
    token: str = Field(min_length=8, max_length=100)


class _Entering(_Said):
    values: dict[str, Any]


class Guard:
    """Lets nobody in but a browser on this machine that was given the address with the token.

    A page elsewhere can neither reach it under a name of its own (`Host`), nor write to it (`Origin`), nor guess the
    token, which is compared in a time that tells nothing about it.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app = app
        self.token = token.encode()
        self.hosts = {f"{host}:{port}" for host in (HOST, "localhost")}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        refusal = self._refusal(Request(scope))
        if refusal is not None:
            refusal.headers.update(_HEADERS)
            await refusal(scope, receive, send)
            return
        _, _, rest = scope["path"].lstrip("/").partition("/")
        await self.app(scope | {"path": f"/{rest}", "raw_path": f"/{rest}".encode()}, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("host") not in self.hosts:
            return JSONResponse({"error": "this page is for this machine alone"}, 421)
        token = request.scope["path"].lstrip("/").partition("/")[0]
        if not secrets.compare_digest(token.encode(errors="surrogateescape"), self.token):
            return JSONResponse({"error": "no such page: take the address that `ladle label` has told"}, 404)
        if request.method in ("GET", "HEAD"):
            return None
        if request.headers.get("origin") not in self.origins:
            return JSONResponse({"error": "only the page itself may write"}, 403)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return JSONResponse({"error": "expected JSON"}, 415)
        return None


class Served:
    """The page's answers to its requests."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @property
    def session(self) -> Session:
        return self.task.session

    def routes(self) -> list[Route]:
        return [
            Route("/", self._file("page.html")),
            Route("/page.css", self._file("page.css")),
            Route("/page.js", self._file("page.js")),
            Route("/image", self._image),
            Route("/api/task", self._got(lambda query: self.about())),
            Route("/api/progress", self._got(lambda query: self.session.progress())),
            Route("/api/agreement", self._got(lambda query: self.session.agreement())),
            Route("/api/history", self._got(lambda query: self.session.history(query["annotator"]))),
            Route("/api/disputes", self._got(lambda query: self.session.disputes(query["annotator"]))),
            Route("/api/row", self._got(self._row)),
            Route("/api/next", self._said(_Next, self._next), methods=["POST"]),
            Route("/api/release", self._said(_Said, self._release), methods=["POST"]),
            Route("/api/say", self._said(_Saying, self._say), methods=["POST"]),
            Route("/api/undo", self._said(_Undoing, self._undo), methods=["POST"]),
            Route("/api/enter", self._said(_Entering, self._enter), methods=["POST"]),
            Route("/api/refresh", self._said(_Said, self._refresh), methods=["POST"]),
        ]

    def about(self) -> dict[str, Any]:
        """What the page has to know before it asks for rows."""
        labeler: ByHand = self.task.labeler
        return {
            "recipe": self.task.recipe_name,
            "stage": self.task.stage_name,
            "command": self.task.run_command,
            "into": labeler.into,
            "question": self.session.question.about(),
            "instructions": labeler.instructions,
            "keys": labeler.keys_of_choices,
            "actions": labeler.keys_of_actions,
            "advance": labeler.advance,
            "annotator": self.task.annotator,
            "entry": self.task.entry and self.task.entry.columns,
        }

    def _row(self, query: Any) -> Any:
        limit = query.get("limit")
        return self.session.item(query["row"], query["annotator"], int(limit) if limit else None)

    def _next(self, said: _Next) -> Any:
        return self.session.next(said.annotator, said.window, said.count, said.have)

    def _release(self, said: _Said) -> Any:
        self.session.release(said.annotator, said.window)
        return {}

    def _say(self, said: _Saying) -> Any:
        fields = said.model_dump(exclude={"seen"})
        event = self.session.say(Event(**fields), said.seen)
        return {"number": event.number, "value": event.value}

    def _undo(self, said: _Undoing) -> Any:
        event = self.session.undo(said.annotator, said.window, said.token)
        return {"kind": event.kind, "row": self.session.item(event.row, said.annotator)}

    def _enter(self, said: _Entering) -> Any:
        self.task.enter(said.values, said.annotator)
        return {}

    def _refresh(self, said: _Said) -> Any:
        self.task.refresh()
        return {}

    def _file(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        content, media = (_PAGE / name).read_bytes(), _TYPES[name.rpartition(".")[2]]

        async def answer(request: Request) -> Response:
            return Response(content, headers=_HEADERS, media_type=f"{media}; charset=utf-8")

        return answer

    async def _image(self, request: Request) -> Response:
        query = request.query_params
        try:
            found = await run_in_threadpool(self.session.value, query["row"], query["column"])
        except KeyError:
            found = None
        if (media := image_type(found)) is None:
            return JSONResponse({"error": "there is no such picture"}, 404, _HEADERS)
        return Response(found, headers=_HEADERS, media_type=media)

    def _got(self, answer: Callable[[Any], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            return await _answered(lambda: answer(request.query_params))

        return respond

    def _said(self, form: type[_Said], answer: Callable[[Any], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            body = b""
            async for part in request.stream():
                body += part
                if len(body) > _MOST_BYTES:
                    return JSONResponse({"error": "that is too long"}, 413, _HEADERS)
            return await _answered(lambda: answer(form.model_validate_json(body)))

        return respond


async def _answered(work: Callable[[], Any]) -> Response:
    """What some work gives, or what is wrong, as JSON."""
    try:
        found, status = await run_in_threadpool(work), 200
    except ConflictError as error:
        event = error.event
        there = event and {"value": event.value, "at": event.at, "number": event.number, "annotator": event.annotator}
        found, status = {"error": str(error), "there": there}, 409
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        found, status = {"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}, 422
    except KeyError as error:
        found, status = {"error": f"there is no {error}"}, 404
    except (AnswerError, ValueError) as error:
        found, status = {"error": str(error)}, 422
    except LadleError as error:  # the disk is full, or the file of labels is gone
        found, status = {"error": error.problems[0].message}, 503
    return JSONResponse(found, status, _HEADERS)


def application(task: Task, token: str, port: int) -> ASGIApp:
    """The page as an ASGI application."""
    return Guard(Starlette(routes=Served(task).routes()), token, port)


def serve(task: Task, port: int, tell: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C; its address is told once it can be opened. Port 0 is any that is free."""
    with _socket(port) as listening:
        token, port = secrets.token_urlsafe(24), listening.getsockname()[1]
        config = uvicorn.Config(
            application(task, token, port),
            log_level="warning",
            access_log=False,  # it would tell the token
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            loop="asyncio",
            http="h11",
            timeout_graceful_shutdown=3,
        )
        tell(f"http://{HOST}:{port}/{token}/")
        uvicorn.Server(config).run(sockets=[listening])


def _socket(port: int) -> socket.socket:
    """A socket that listens on the loopback address alone. Raises RecipeError if the port is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        help = "another program has it: name another with --port, or leave it out for any that is free"
        raise RecipeError(Problem("port", f"cannot listen on port {port}: {error.strerror}", help)) from None
    return listening
