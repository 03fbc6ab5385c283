from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import pyarrow as pa
import pytest

from ladle import Rows
from ladle.cli.verbs import call
from ladle.rows import ORIGIN_TYPE
from ladle_annotation.by_hand import ByHand
from ladle_annotation.ordering import as_given
from ladle_annotation.session import Session
from ladle_annotation.table import RowTable


@pytest.fixture
def rows_of(tmp_path: Path) -> Callable[..., Rows]:
    """Writes rows as they travel between stages: in batches of `cut` rows, called r0, r1 and so on."""

    def write(columns: dict[str, Any], splits: list[str] | None = None, cut: int = 7, prefix: str = "r") -> Rows:
        table = pa.table(columns)
        system = {
            "_id": pa.array([f"{prefix}{number}" for number in range(len(table))], pa.string()),
            "_split": pa.array(splits or ["train"] * len(table), pa.string()),
            "_origin": pa.nulls(len(table), ORIGIN_TYPE),
        }
        for name, values in system.items():
            table = table.append_column(name, values)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=cut)
        return Rows([path])

    return write


@pytest.fixture
def session_of(tmp_path: Path, rows_of: Callable[..., Rows]) -> Iterator[Callable[..., Session]]:
    """Opens a labelling of rows with these columns, in the order in which they come."""
    opened: list[Session] = []

    def start(columns: dict[str, Any], prefix: str = "r", **options: Any) -> Session:
        labeler = ByHand(file=tmp_path / "labels.sqlite", into="label", **options)
        table = RowTable(rows_of(columns, prefix=prefix))
        opened.append(Session(labeler, table, as_given(table)))
        return opened[-1]

    yield start
    for session in opened:
        session.close()


# A real server


class Said(NamedTuple):
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


class Project:
    """A folder with a recipe whose rows are labelled by hand, and the commands that work on it."""

    def __init__(self, folder: Path, rows: list[dict[str, Any]], options: str, rest: str = "") -> None:
        self.folder = folder
        self.recipe = folder / "reviews.toml"
        self.labels = folder / "reviews.labels.sqlite"
        folder.mkdir(exist_ok=True)
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        self.recipe.write_text(
            '[data.reviews.source]\nuse = "jsonl"\npath = "rows.jsonl"\n'
            f'[[data.reviews.label]]\nuse = "by-hand"\ninto = "sentiment"\n{options}\n{rest}'
        )

    def ladle(self, *arguments: str, stdin: str = "") -> Said:
        """What a command says and how it ends; it runs in this process."""
        said, told = io.StringIO(), io.StringIO()
        before, sys.argv, sys.stdin = (sys.argv, sys.stdin), ["ladle", *arguments], io.StringIO(stdin)
        try:
            with chdir(self.folder), redirect_stdout(said), redirect_stderr(told), pytest.raises(SystemExit) as ended:
                call()
        finally:
            sys.argv, sys.stdin = before
        return Said(int(ended.value.code or 0), said.getvalue(), told.getvalue())

    def serve(self, *arguments: str) -> Server:
        """The page of `ladle label`, once it can be opened."""
        return Server(self, *arguments)


_LADLE = [sys.executable, "-c", "from ladle.cli import main; main()"]


class Server:
    """`ladle label` in a process of its own."""

    def __init__(self, project: Project, *arguments: str) -> None:
        command = [*_LADLE, "label", project.recipe.name, "--annotator", "ann", *arguments]
        self.process = subprocess.Popen(
            command, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        line = self.process.stdout.readline()
        self.url = line.split()[-1] if line else ""
        assert self.url.startswith("http"), line
        self.origin = f"http://{urlsplit(self.url).netloc}"

    def get(self, path: str, **query: str) -> Any:
        """What the page is told."""
        return self.send(f"{path}?{urlencode(query)}" if query else path)[1]

    def post(self, path: str, annotator: str = "ann", window: str = "one", **body: Any) -> Any:
        """The answer to what the page says."""
        status, found = self.send(path, {"annotator": annotator, "window": window, **body})
        assert status == 200, found
        return found

    def label(self, row: str, value: Any, **body: Any) -> Any:
        token = f"{row}-{time.monotonic_ns()}-{threading.get_ident()}"
        return self.post("api/say", kind="label", row=row, value=value, **{"token": token} | body)

    def send(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Status and answer of any request."""
        data = None if body is None else json.dumps(body).encode()
        usual = {"Origin": self.origin, "Content-Type": "application/json"} if data is not None else {}
        request = urllib.request.Request(self.url + path, data, usual | (headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                content = response.read()
                is_json = response.headers["content-type"] == "application/json"
                return response.status, json.loads(content) if is_json else content.decode()
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> str:
        """End it with Ctrl-C; returns what it says then."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=20)[0]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    """Makes a project of some rows; servers that it has started end with the test."""
    started: list[Server] = []

    class Watched(Project):
        def serve(self, *arguments: str) -> Server:
            started.append(super().serve(*arguments))
            return started[-1]

    def make(rows: list[dict[str, Any]], options: str = 'labels = ["negative", "positive"]', rest: str = "") -> Project:
        return Watched(tmp_path / "project", rows, options, rest)

    yield make
    for server in started:
        if server.process.poll() is None:
            server.kill()
        server.process.stdout.close()


# A real browser, by the Chrome DevTools protocol over a pipe

_CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
_KEYS = {
    "Enter": (13, "\r"),
    "Backspace": (8, ""),
    "Escape": (27, ""),
    "Tab": (9, "\t"),
    "ArrowLeft": (37, ""),
    "ArrowRight": (39, ""),
    "Delete": (46, ""),
}


_AT_3_AND_4 = """
import fcntl, os, sys
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
os.dup2(high[0], 3)
os.dup2(high[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """Headless Chromium, told what to do by messages that end with a zero byte."""

    def __init__(self, folder: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        options = [
            "--headless=new",
            "--remote-debugging-pipe",
            f"--user-data-dir={folder}",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--hide-scrollbars",
            "--lang=en",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _AT_3_AND_4, str(to_browser), str(from_browser), str(_CHROMIUM), *options],
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._rest = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Do one thing, and wait until it is done."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        os.write(self._out, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._in, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, url: str, **size: Any) -> Page:
        """A page in a window of its own, with its own storage."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        page = Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        page.resize(**size)
        page.go(url)
        return page

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._out)
        os.close(self._in)


class Page:
    """One page of the browser."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser = browser
        self.session = session
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def go(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && !!document.querySelector('#row')?.children.length")

    def resize(self, width: int = 1280, height: int = 800, dark: bool = False) -> None:
        touch = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def run(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = 20) -> bool:
        """Wait until an expression is true."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.call(
                "Runtime.evaluate", expression=f"!!({expression})", awaitPromise=True, returnByValue=True
            )["result"].get("value")
            if found:
                return found
            time.sleep(0.03)
        raise AssertionError(f"never true: {expression}\n{self.text('body')}")

    def text(self, selector: str) -> str:
        """The text that is seen of an element."""
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def press(self, *keys: str, shift: bool = False) -> None:
        """Press keys, one after another."""
        for key in keys:
            code, text = _KEYS.get(key, (ord(key.upper()) if len(key) == 1 else 0, key))
            event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
            typed = {"text": text, "unmodifiedText": text} if text else {}
            self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **event, **typed)
            self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click in the middle of an element."""
        place = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'nearest'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def saved(self) -> None:
        """Wait until the server has everything."""
        self.wait("document.querySelector('#saved').textContent === 'all saved'")

    def screenshot(self, path: Path) -> None:
        import base64

        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def complaints(self) -> list[str]:
        """What the browser found wrong: errors of scripts, and what the page's own policy has refused."""
        self.run("1")
        found = [event for event in self.browser.events if event.get("sessionId") == self.session]
        errors = [event["params"]["entry"]["text"] for event in found if event["method"] == "Log.entryAdded"]
        thrown = [event["params"] for event in found if event["method"] == "Runtime.exceptionThrown"]
        return errors + [str(one["exceptionDetails"]) for one in thrown]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if _CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    if os.name != "posix":
        pytest.skip("the browser is told what to do over a pipe of POSIX")
    started = Browser(tmp_path_factory.mktemp("chromium"))
    yield started
    started.close()
