"""A server that misbehaves: what passes is asked for again, and what does not is told."""

from __future__ import annotations

import email.utils
import gzip
import itertools
import json
import random
import socket
import ssl
import subprocess
import time
import warnings

import pytest

ROWS = [{"n": number} for number in range(3)]
BODY = json.dumps(ROWS).encode()
OK = b"HTTP/1.1 200 OK\r\n"


def whole(body: bytes = BODY, **headers: object) -> tuple[bytes]:
    """An HTTP answer to its last byte."""
    lines = {"Content-Length": len(body)} | {name.replace("_", "-"): value for name, value in headers.items()}
    return (OK + "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode() + b"\r\n" + body,)


def drip(answer: bytes, pause: float):
    """An answer of which a byte comes at a time."""
    return tuple(itertools.chain.from_iterable((bytes([byte]), pause) for byte in answer))


PASSING = {
    "429": {"status": 429},
    "500": {"status": 500, "body": "oh"},
    "503 in HTML": {"status": 503, "body": b"<html><h1>Busy"},
    "408": {"status": 408},
    "403 that asks to wait": {"status": 403, "headers": {"Retry-After": "0"}},
    "nothing": {"raw": ()},
    "half a head": {"raw": (b"HTTP/1.1 200",)},
    "no HTTP": {"raw": (b"hello\r\n\r\n",)},
    "half a body": {"raw": (whole()[0][:-5],)},
    "a length that is too large": {"raw": whole(Content_Length=len(BODY) + 5)},
    "a length that is too small": {"raw": whole(Content_Length=len(BODY) - 5)},
    "half a chunk": {"raw": (OK + b"Transfer-Encoding: chunked\r\n\r\n1f\r\n" + BODY[:5],)},
    "chunks without an end": {"raw": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + BODY[:5] + b"\r\n",)},
    "half a gzip": {"raw": whole(gzip.compress(BODY)[:-9], Content_Encoding="gzip")},
    "no gzip": {"raw": whole(Content_Encoding="gzip")},
    "JSON that breaks off": {"body": BODY[:-3]},
    "JSON and more": {"body": BODY + BODY},
    "HTML": {"body": b"<html>Please log in"},
    "bytes that are no text": {"body": b'[{"n": "\xff"}]'},
    "nothing for long": {"raw": (0.8,)},
    "nothing for long, in the body": {"raw": (whole()[0][:-5], 0.8)},
    "a head that drips": {"raw": drip(OK + b"X: " + b"y" * 100, 0.02)},
    "a body that drips": {"raw": (OK + b"Content-Length: 1000\r\n\r\n", *drip(b" " * 100, 0.02))},
}


SLOW = [trouble for trouble in PASSING if "long" in trouble or "drips" in trouble]


@pytest.mark.parametrize("trouble", PASSING)
def test_trouble_that_passes_loses_nothing(api, read, trouble):
    rows = [{"n": number} for number in range(6)]
    replies = {"1": rows[:3], "2": rows[3:], "3": []}
    troubles = {"1": 0, "2": 1, "3": 0} if trouble in SLOW else {"1": 1, "2": 2, "3": 0}
    expected = [troubles[page] + 1 for page in "123"]
    told = ["(1 of 5)"] if trouble in SLOW else ["(1 of 5)", "(1 of 5)", "(2 of 5)"]

    def respond(asked):
        page = asked.query["page"]
        troubles[page] -= 1
        return replies[page] if troubles[page] < 0 else api.reply(**PASSING[trouble])

    api.respond = respond
    with pytest.warns(UserWarning, match="asked again") as warned:
        found = read(pages={"by": "page"}, timeout=0.4 if trouble in SLOW else 20)
    assert found.rows == rows
    assert [api.times(page=page) for page in "123"] == expected
    assert [str(one.message).rpartition("asked again ")[2] for one in warned] == told


AGAIN = "run again later: it goes on where it stopped"
BROKE = "the answer of URL broke off, or is no HTTP"


@pytest.mark.filterwarnings("ignore:.*asked again")
@pytest.mark.parametrize(
    ("trouble", "message", "help"),
    [
        ("500", 'URL answers 500 (Internal Server Error): ""oh"" (2 times)', AGAIN),
        ("503 in HTML", 'URL answers 503 (Service Unavailable): "<html><h1>Busy" (2 times)', AGAIN),
        ("nothing", f"{BROKE}: Server disconnected without sending a response. (2 times)", AGAIN),
        ("no HTTP", f"{BROKE}: illegal status line", AGAIN),
        ("half a body", f"{BROKE}: peer closed connection without sending complete message body", AGAIN),
        ("half a gzip", "the answer of URL broke off (2 times)", AGAIN),
        ("no gzip", "the answer of URL is damaged: it is no whole gzip (2 times)", AGAIN),
        (
            "JSON that breaks off",
            "the answer of URL is no JSON (Expecting value: line 1 column 28 (char 27)): "
            'it begins with "[{"n": 0}, {"n": 1}, {"n":" (2 times)',
            "look at `url`; `lines = true` if each line of it is an object",
        ),
        ("HTML", 'it begins with "<html>Please log in" (2 times)', "look at `url`"),
        ("bytes that are no text", "the answer of URL is not all utf-8: byte 9 is 0xFF (2 times)", AGAIN),
        ("a body that drips", "URL gave no whole answer within 0.05 seconds (2 times)", "set `timeout` higher"),
    ],
)
def test_trouble_that_stays_is_told(api, failure, trouble, message, help):
    api.respond = lambda asked: api.reply(**PASSING[trouble])
    error = failure(retries=1, timeout=0.05 if "drips" in trouble else 5)
    assert message in str(error).replace(api.url(), "URL")
    assert help in error.help
    assert error.option == "url"
    assert len(api.asked) == 2


def test_what_was_unpacked_is_the_answer_also_in_several_members(api, read):
    packed = gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]) + b"\0\0"
    api.respond = lambda asked: api.reply(packed, headers={"Content-Encoding": "gzip"})
    assert read().rows == ROWS
    assert api.asked[0].headers["accept-encoding"] == "gzip"


def test_an_encoding_that_nobody_asked_for_is_refused(api, failure):
    api.respond = lambda asked: api.reply(BODY, headers={"Content-Encoding": "br"})
    assert str(failure()) == f"{api.url()} answers in the encoding `br`, which nobody asked for"


@pytest.mark.parametrize(
    "reply",
    [
        {"body": gzip.compress(b"[" + b" " * 50_000_000 + b"]"), "headers": {"Content-Encoding": "gzip"}},
        {"raw": (OK + b"Content-Length: 99999999999\r\n\r\n[",)},
        {"raw": (OK + b"Connection: close\r\n\r\n" + b" " * 300_000,)},
        {"raw": (OK + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 5,)},
    ],
    ids=["gzip bomb", "told size", "no size", "chunks"],
)
def test_an_answer_that_is_too_large_is_refused_before_it_fills_the_memory(api, failure, reply):
    import tracemalloc

    api.respond = lambda asked: api.reply(**reply)
    tracemalloc.start()
    error = failure(max_bytes=200_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(error) == f"the answer of {api.url()} is larger than 200,000 bytes"
    assert error.option == "max_bytes"
    assert len(api.asked) == 1
    assert peak < 5_000_000


@pytest.fixture
def waited(monkeypatch):
    """The seconds that were waited before asking again, which nobody really waits for."""
    seconds = []
    monkeypatch.setattr("tenacity.nap.time.sleep", seconds.append)
    return seconds


def test_retry_after_in_seconds_is_waited_for(api, read, waited):
    api.each(api.reply(status=429, headers={"Retry-After": "17"}), ROWS)
    with pytest.warns(UserWarning, match="429"):
        assert read().rows == ROWS
    assert waited == [17]


def test_retry_after_as_a_date_is_waited_for(api, read, waited):
    then = email.utils.formatdate(time.time() + 100, usegmt=True)
    past = email.utils.formatdate(time.time() - 100, usegmt=True)
    api.each(*(api.reply(status=503, headers={"Retry-After": date}) for date in (then, past, "soon")), ROWS)
    with pytest.warns(UserWarning, match="503"):
        read()
    assert 98 <= waited[0] <= 100
    assert waited[1] == 0
    assert 0 < waited[2] <= 0.1


def test_a_wait_that_is_too_long_is_not_begun(api, failure):
    api.respond = lambda asked: api.reply(status=429, headers={"Retry-After": "3600"})
    error = failure(max_wait=60)
    assert str(error) == (f'{api.url()} answers 429 (Too Many Requests): "null", and asks to wait for 3,600 seconds')
    assert error.help == "run again then: it goes on where it stopped; or set `max_wait` higher"
    assert error.option == "max_wait"
    assert len(api.asked) == 1


def test_waits_grow_with_a_random_share_up_to_the_longest(api, failure, waited):
    random.seed(1)
    api.respond = lambda asked: api.reply(status=500)
    with pytest.warns(UserWarning, match="500"):
        failure(retries=6, back_off=2, max_wait=20)
    assert len(waited) == 6
    assert all(2 * 2**n <= wait <= 2 * 2**n + 2 for n, wait in enumerate(waited[:3]))
    assert waited[4:] == [20, 20]
    assert len({wait % 1 for wait in waited[:3]}) == 3


def test_requests_keep_the_pace(api, read):
    api.serve([{"n": n} for n in range(6)], 1)
    started = time.monotonic()
    read(rows="data.items", pages={"by": "cursor", "at": "meta.cursor"}, requests_per_second=20)
    assert time.monotonic() - started >= 0.25


def test_warnings_of_the_retrying_library_do_not_reach_the_terminal(api, read, capfd):
    api.each(api.reply(status=500), ROWS)
    with warnings.catch_warnings(record=True):
        read()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("status", "said", "help"),
    [
        (400, 'answers 400 (Bad Request): "{"error": "no"}"', ""),
        (404, 'answers 404 (Not Found): "{"error": "no"}"', "look at the address"),
        (418, 'answers 418 (I\'m a Teapot): "{"error": "no"}"', ""),
        (666, 'answers 666: "{"error": "no"}"', ""),
    ],
)
def test_what_waiting_does_not_help_is_told_at_once(api, failure, status, said, help):
    api.respond = lambda asked: api.reply({"error": "no"}, status)
    error = failure()
    assert (str(error), error.help, error.option) == (f"{api.url()} {said}", help, "url")
    assert len(api.asked) == 1


def test_nothing_answers(failure):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.warns(UserWarning, match="nothing answers"):
        error = failure(url=f"http://127.0.0.1:{port}/x", retries=1)
    assert str(error) == f"nothing answers at 127.0.0.1:{port} (2 times)"
    assert error.help == "does the server run?"


def test_a_proxy_of_the_environment_is_not_used_and_that_is_said(failure, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = failure(url=f"http://127.0.0.1:{port}/x", retries=0)
    assert error.help == "does the server run?; the proxy that the environment names is not used"


def test_a_host_that_is_nowhere(internet, failure):
    error = failure(url="http://api.exmaple.test/films")
    assert (str(error), error.help) == ("there is no host `api.exmaple.test`", "look at its spelling")


def test_a_server_that_speaks_no_tls(api, failure):
    error = failure(url=api.url().replace("http:", "https:"))
    assert str(error).startswith(f"127.0.0.1:{api.port} does not speak TLS: ")
    assert error.help == "does it take http:// instead?"


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 that nobody has signed but itself, with its key."""
    path = tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += [
        "-keyout",
        str(path),
        "-out",
        str(path) + ".crt",
        "-subj",
        "/CN=x",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"openssl made no certificate: {error}")
    path.write_text(path.read_text() + (tmp_path / "certificate.pem.crt").read_text())
    return path


def test_a_certificate_that_nobody_knows_is_told_and_one_that_is_known_is_taken(
    api, failure, read, certificate, monkeypatch
):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    api.speak_tls(context)
    api.respond = lambda asked: ROWS
    url = api.url().replace("http:", "https:")
    error = failure(url=url)
    assert str(error).startswith(f"the certificate of 127.0.0.1:{api.port} is not accepted: self")
    assert "SSL_CERT_FILE" in error.help
    assert api.asked == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert read(url=url).rows == ROWS
