"""The page's server, in a process of its own: who gets in, what is kept when it is killed, two at once."""

from __future__ import annotations

import http.client
import threading
from urllib.parse import urlsplit

from ladle_annotation.log import events_in

ROWS = [{"text": f"text {number}"} for number in range(40)]


def raw(server, method="GET", path=None, headers=None, body=None):
    """A request as it is, without what a browser adds."""
    at = urlsplit(server.url)
    connection = http.client.HTTPConnection("127.0.0.1", at.port, timeout=10)
    connection.putrequest(method, at.path if path is None else path, skip_host=True, skip_accept_encoding=True)
    usual = {"Host": at.netloc, "Content-Length": str(len(body or b""))}
    for name, value in (usual | (headers or {})).items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


def test_nobody_gets_in_without_the_token_or_under_another_name(project):
    """And the page may load nothing from elsewhere, and is kept nowhere."""
    server = project(ROWS).serve()
    at = urlsplit(server.url)
    port, token = at.port, at.path.strip("/")
    assert at.hostname == "127.0.0.1"
    assert len(token) >= 32

    for path in ("/", "/api/task", f"/{token[:-1]}/", f"/{token}x/api/task", "/%C3%BC/", "/%ff/"):
        status, _, content = raw(server, path=path)
        assert status == 404, path
        assert token.encode() not in content
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", f"0.0.0.0:{port}", ""):
        assert raw(server, headers={"Host": host})[0] == 421, host
    assert raw(server, headers={"Host": f"localhost:{port}"})[0] == 200

    body = b'{"annotator": "ann", "window": "one", "count": 1}'
    json = {"Content-Type": "application/json"}
    next_ = f"/{token}/api/next"
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{port}", None):
        assert raw(server, "POST", next_, json | {"Origin": origin}, body)[0] == 403, origin
    own = {"Origin": f"http://127.0.0.1:{port}"}
    assert raw(server, "POST", next_, own | {"Content-Type": "text/plain"}, body)[0] == 415
    assert raw(server, "POST", next_, own | json, body)[0] == 200
    assert raw(server, "GET", next_)[0] == 405
    assert raw(server, "GET", f"/{token}/../by_hand.py")[0] == 404

    for path in ("", "page.js", "page.css", "api/task", "api/none"):
        headers = {name.lower(): value for name, value in raw(server, path=urlsplit(server.url).path + path)[1].items()}
        policy = headers.get("content-security-policy", "")
        if path != "api/none":
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
        assert "server" not in headers
    content = raw(server)[2].decode()
    assert "http://" not in content
    assert "https://" not in content
    assert "<style" not in content
    assert " style=" not in content


def test_what_was_answered_is_kept_when_the_server_is_killed(project):
    made = project(ROWS)
    server = made.serve()
    done: list[str] = []

    def label() -> None:
        rows = [item["row"] for item in server.post("api/next", count=20)]
        rows += [item["row"] for item in server.post("api/next", count=20, have=rows)]
        try:
            for row in rows:
                server.label(row, "positive")
                done.append(row)
        except OSError:
            pass

    thread = threading.Thread(target=label)
    thread.start()
    while len(done) < 12:
        assert thread.is_alive()
    server.kill()
    thread.join()
    kept = [event.row for event in events_in(made.labels, "sentiment")]
    assert len(done) >= 12
    assert kept[: len(done)] == done
    assert len(kept) <= len(done) + 1  # the last one may be on the disk without having been answered

    again = made.serve()
    assert again.get("api/progress")["settled"] == len(kept)
    assert not {item["row"] for item in again.post("api/next", count=20)} & set(kept)
    said = again.stop()
    assert f"{len(kept)} of 40 rows have a label, of 1 needed" in said
    assert "go on with: ladle run reviews.toml" in said


def test_two_browsers_at_once_label_each_row_once(project):
    made = project(ROWS)
    server = made.serve()

    def label(window: str) -> None:
        while found := server.post("api/next", window=window, count=3):
            for item in found:
                server.label(item["row"], "positive", window=window, seen=item["seen"])

    threads = [threading.Thread(target=label, args=(window,)) for window in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = events_in(made.labels, "sentiment")
    assert len(events) == len({event.row for event in events}) == 40
    assert {event.window for event in events} == {"one", "two"}

    row = events[0].row
    status, found = server.send(
        "api/say",
        {
            "annotator": "ann",
            "window": "x",
            "kind": "label",
            "row": row,
            "value": "negative",
            "seen": 0,
            "token": "t" * 8,
        },
    )
    assert status == 409
    assert (found["there"]["value"], found["there"]["number"]) == ("positive", 1)


REFUSED = [
    ("api/say", {"kind": "label", "value": "fine", "token": "12345678"}, 422, "'fine' is none of the labels"),
    ("api/say", {"kind": "label", "row": "none", "value": "positive", "token": "12345678"}, 422, "no such row"),
    ("api/say", {"kind": "drop", "token": "12345678"}, 422, "kind: String should match pattern"),
    ("api/say", {"kind": "label", "value": "positive"}, 422, "token: Field required"),
    ("api/say", {"kind": "label", "confidence": 2.0, "token": "12345678"}, 422, "confidence: "),
    ("api/next", {"count": 1, "annotator": "a\nb"}, 422, "annotator: "),
    ("api/next", {"count": 1, "annotator": " "}, 422, "annotator: "),
    ("api/next", {"count": 1000}, 422, "count: "),
    ("api/next", {"count": 1, "window": "w" * 5_000_000}, 413, "too long"),
    ("api/undo", {"token": "12345678"}, 422, "nothing to undo"),
    ("api/enter", {"values": {"text": "x"}}, 422, "the data set has no source `entered`"),
]


def test_what_makes_no_sense_is_refused_with_a_reason(project):
    made = project(ROWS)
    server = made.serve()
    row = server.post("api/next", count=1)[0]["row"]
    for path, body, status, message in REFUSED:
        usual = {"annotator": "ann", "window": "one"} | ({"row": row} if path == "api/say" else {})
        found = server.send(path, usual | body)
        assert (found[0], message in found[1]["error"]) == (status, True), (path, body, found)
    for path in ("api/row?annotator=ann", "api/row?row=none&annotator=ann", "api/history", "image?row=none&column=x"):
        assert server.send(path)[0] == 404, path
    assert events_in(made.labels, "sentiment") == []


def test_pictures_are_shown_and_nothing_else_is_taken_for_one(project):
    import base64

    png = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
    )
    made = project(ROWS)
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"picture": [png, b"<svg onload='alert(1)'/>"], "number": [1, 2]})
    pq.write_table(table, made.folder / "rows.parquet")
    made.recipe.write_text(made.recipe.read_text().replace("jsonl", "parquet") + 'order = "given"\n')
    server = made.serve()
    first, second = server.post("api/next", count=2)
    assert [cell.get("image", False) for cell in first["cells"]] == [True, False]
    assert second["cells"][0]["text"] == "(24 bytes)"
    status, headers, content = raw(server, path=f"{urlsplit(server.url).path}image?row={first['row']}&column=picture")
    assert (status, headers["content-type"], content) == (200, "image/png", png)
    assert server.send(f"image?row={second['row']}&column=picture")[0] == 404
    assert server.send(f"image?row={first['row']}&column=_id")[0] == 404


def test_a_port_that_is_taken_is_told(project):
    made = project(ROWS)
    server = made.serve()
    port = str(urlsplit(server.url).port)
    done = made.ladle("label", "reviews.toml", "--port", port)
    assert done.returncode == 2
    assert f"cannot listen on port {port}" in done.stderr
    assert "name another with --port" in done.stderr
