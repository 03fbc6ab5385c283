"""A run that was stopped goes on with the page that it waited for; one that is done asks no more."""

from __future__ import annotations

import subprocess
import sys
import threading
import tracemalloc
from contextlib import nullcontext

import pytest

from ladle import OptionError
from ladle.errors import StageError
from ladle.runs import Runs
from ladle.storekeeping import held_by, prune
from ladle_http.source import Http

PAGES = {str(number): [{"n": 2 * number}, {"n": 2 * number + 1}] for number in range(1, 7)} | {"7": []}
VALUES = [row["n"] for page in PAGES.values() for row in page]


def recipe(api, options='pages = { by = "page" }'):
    return f"""
[data.r.source]
use = "http"
url = "{api.url()}"
allow_private = true
back_off = 0.001
{options}
"""


def pages_asked(api):
    return [asked.query["page"] for asked in api.asked]


class Killed:
    """A run in a process of its own, which is killed when it asks for a page, before that is answered."""

    def __init__(self, api, folder, page):
        self.answered = []
        has_asked, is_dead = threading.Event(), threading.Event()

        def respond(asked):
            if asked.query["page"] == page:
                has_asked.set()
                is_dead.wait(10)
                return api.reply(raw=())
            self.answered.append(asked.query["page"])
            return PAGES[asked.query["page"]]

        api.respond = respond
        command = [sys.executable, "-c", "from ladle.cli import main; main()", "run", "recipe.toml", "--runs", "runs"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert has_asked.wait(60), "it never asked"
        finally:
            process.kill()
            process.wait()
            is_dead.set()
        api.asked.clear()


def test_a_killed_run_goes_on_and_no_page_that_came_is_asked_for_again(api, run_recipe, tmp_path):
    (tmp_path / "recipe.toml").write_text(recipe(api))
    first = Killed(api, tmp_path, "3")
    assert first.answered == ["1", "2"]
    second = Killed(api, tmp_path, "6")
    assert second.answered == ["3", "4", "5"]
    api.respond = lambda asked: PAGES[asked.query["page"]]
    ran = run_recipe(recipe(api))
    assert pages_asked(api) == ["6", "7"]
    assert [row["n"] for row in ran.rows()] == VALUES
    assert len({row["_id"] for row in ran.rows()}) == len(VALUES)
    assert ran.run.outcome["stages"][0]["rows_in"] == len(VALUES)
    assert sorted(path.name for path in ran.stage().iterdir()) == [
        "files.json",
        "kept.json",
        "outcome.json",
        "rows-00000.arrow",
    ]


def test_a_run_that_failed_leaves_pages_alone_and_wants_them(api, run_recipe, tmp_path):
    api.respond = lambda asked: PAGES[asked.query["page"]] if asked.query["page"] < "4" else api.reply(status=400)
    with pytest.raises(StageError):
        run_recipe(recipe(api))
    store = tmp_path / "runs" / ".store"
    assert list(store.glob("stages/*/*")) == []
    names = sorted(path.name for path in store.glob("work/*/*"))
    assert names == ["000001.json.gz", "000002.json.gz", "000003.json.gz", "kept.json", "outcome.json"]
    assert prune(Runs(tmp_path / "runs")).held == []
    api.asked.clear()
    api.respond = lambda asked: PAGES[asked.query["page"]]
    run_recipe(recipe(api))
    assert pages_asked(api) == ["4", "5", "6", "7"]
    kept = {held.stage: held for held in held_by(Runs(tmp_path / "runs")) if held.kind == "kept"}
    assert {(held.state, held.use, len(held.runs)) for held in kept.values()} == {("whole", "pages", 1)}


@pytest.mark.parametrize("damage", ["cut", "empty", "no JSON", "gone"])
def test_a_page_that_was_not_kept_whole_is_asked_for_again(api, run_recipe, tmp_path, damage):
    api.respond = lambda asked: PAGES[asked.query["page"]] if asked.query["page"] != "4" else api.reply(status=400)
    with pytest.raises(StageError):
        run_recipe(recipe(api))
    second = sorted((tmp_path / "runs").rglob("*.json.gz"))[1]
    content = second.read_bytes()
    if damage == "gone":
        second.unlink()
    else:
        second.write_bytes({"cut": content[:-3], "empty": b"", "no JSON": b"\0" * len(content)}[damage])
    api.asked.clear()
    api.respond = lambda asked: PAGES[asked.query["page"]]
    assert [row["n"] for row in run_recipe(recipe(api)).rows()] == VALUES
    assert pages_asked(api) == ["2", "4", "5", "6", "7"]


@pytest.mark.parametrize(
    "pages",
    [
        {"by": "page", "parameter": "p", "start": 0},
        {"by": "offset", "more": "meta.next"},
        {"by": "cursor", "at": "meta.cursor"},
        {"by": "link"},
        {"by": "next", "at": "meta.next"},
    ],
    ids=lambda pages: pages["by"],
)
@pytest.mark.parametrize("stop", range(5))
def test_every_style_goes_on_wherever_it_stops(api, tmp_path, pages, stop):
    rows = [{"n": number} for number in range(8)]
    api.serve(rows, 2)
    serve = api.respond
    api.respond = lambda asked: serve(asked) if len(api.asked) <= stop else api.reply(status=400)
    options = {"url": api.url(), "allow_private": True, "rows": "data.items", "pages": pages, "guess_rows": 3}
    source = Http.model_validate(options).keeping(lambda *_: tmp_path)
    with pytest.raises(OptionError) if stop < 4 or pages["by"] == "page" else nullcontext():
        list(source.read())
    assert len(list(tmp_path.iterdir())) == stop
    questions = api.asked[:stop]
    api.asked.clear()
    api.respond = serve
    assert [n for batch in source.read() for n in batch["n"].to_pylist()] == list(range(8))
    assert not [asked for asked in api.asked if asked.query in [before.query for before in questions]]


def test_a_cursor_that_looks_like_a_variable_is_kept_as_it_is(api, run_recipe, monkeypatch):
    monkeypatch.setenv("API_TOKEN", "abcdef")
    monkeypatch.delenv("NOBODY", raising=False)
    pages = {"": ("$${NOBODY} ${API_TOKEN} abcdef"), "$${NOBODY} ${API_TOKEN} abcdef": "b", "b": None}
    is_down = True

    def respond(asked):
        cursor = asked.query.get("cursor", "")
        return api.reply(status=400) if cursor and is_down else {"rows": [{"n": 1}], "next": pages[cursor]}

    api.respond = respond
    text = recipe(api, 'rows = "rows"\npages = { by = "cursor", at = "next" }\nauth.bearer = "${API_TOKEN}"')
    with pytest.raises(StageError):
        run_recipe(text)
    is_down = False
    assert len(run_recipe(text).rows()) == 3
    assert len(api.asked) == 4


def test_rows_are_asked_for_once_until_as_of_is_another(api, run_recipe):
    api.respond = lambda asked: [{"n": len(api.asked)}]
    text = recipe(api, 'as_of = "%s"')
    for as_of, expected in (("2026-01", 1), ("2026-01", 1), ("2026-02", 2), ("2026-01", 1)):
        assert [row["n"] for row in run_recipe(text % as_of).rows()] == [expected]
    assert len(api.asked) == 2


@pytest.mark.parametrize(
    "option",
    ["timeout = 7", "retries = 1", "back_off = 2", "max_wait = 9", "max_bytes = 1000", "requests_per_second = 9"],
)
def test_patience_and_limits_let_nothing_be_asked_again(api, run_recipe, option):
    api.respond = lambda asked: [{"n": 1}]
    run_recipe(recipe(api, ""))
    text = recipe(api, option).replace("back_off = 0.001\n", "" if "back_off" in option else "back_off = 0.001\n")
    run_recipe(text)
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    "option", ['parameters = { a = "b" }', 'headers = { X-A = "b" }', 'rows = "rows"', 'method = "POST"']
)
def test_another_question_is_asked(api, run_recipe, option):
    api.respond = lambda asked: {"rows": [{"n": 1}]} if option == 'rows = "rows"' and api.asked[1:] else [{"n": 1}]
    run_recipe(recipe(api, ""))
    run_recipe(recipe(api, option))
    assert len(api.asked) == 2


def test_an_api_without_rows_is_asked_again_when_it_may_have_some(api, run_recipe):
    api.each([], [{"n": 1}])
    with pytest.raises(StageError, match="there are no rows"):
        run_recipe(recipe(api, ""))
    assert [row["n"] for row in run_recipe(recipe(api, "")).rows()] == [1]


def test_what_becomes_of_an_answer_can_be_decided_afterwards(api, run_recipe):
    api.respond = lambda asked: [{"n": "1"}, {"n": "2", "m": 1}, {"n": "2"}]
    with pytest.raises(StageError, match="no row is left"):
        run_recipe(recipe(api, 'types = { n = "integer" }\nguess_rows = 1'))
    assert [row["n"] for row in run_recipe(recipe(api, "guess_rows = 1")).rows()] == ["1", "2"]
    assert [row["m"] for row in run_recipe(recipe(api, "")).rows()] == [None, 1, None]
    assert [row["n"] for row in run_recipe(recipe(api, 'id = ["n"]')).rows()] == ["1", "2"]
    assert [row["n"] for row in run_recipe(recipe(api, 'columns = ["n"]')).rows()] == ["1", "2", "2"]
    assert len(api.asked) == 1


def test_a_page_that_would_lead_back_is_not_kept(api, run_recipe):
    """The API may be mended by then."""
    api.respond = lambda asked: {"rows": [{"n": len(api.asked)}], "next": "a"}
    text = recipe(api, 'rows = "rows"\npages = { by = "cursor", at = "next" }')
    with pytest.raises(StageError, match="it would never end"):
        run_recipe(text)
    api.respond = lambda asked: {"rows": [{"n": 7}], "next": None}
    assert [row["n"] for row in run_recipe(text).rows()] == [1, 7]


def test_memory_is_bounded_by_a_page(api):
    def peak(pages):
        row = {"text": "x" * 1000}
        api.respond = lambda asked: (
            [{"n": asked.query["page"]} | row] * 500 if int(asked.query["page"]) <= pages else []
        )
        source = Http.model_validate({"url": api.url(), "allow_private": True, "pages": {"by": "page"}})
        tracemalloc.start()
        count = sum(batch.num_rows for batch in source.read())
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 500 * pages
        return size

    assert peak(12) < 1.2 * peak(3)
