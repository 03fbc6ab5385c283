"""Whole recipes that read databases: what is kept, what is read again, and what nobody is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ladle.errors import LadleError, RecipeError
from ladle.graph import stages_of
from ladle.recipe import load
from ladle.runner import run
from ladle.runs import Runs

pytest.importorskip("pg8000", reason="the driver pg8000 is not installed")

TOKEN = "a-token-that-nobody-is-told"
RECIPE = """
[data.reviews.source]
use = "sql"
{options}

[data.reviews.split]
test = 0.2
"""


@pytest.fixture(scope="module", autouse=True)
def _tables(server):
    server.do(
        "CREATE TABLE notes AS SELECT i AS id, 'note ' || i AS body, now() AS at FROM generate_series(1, 500) i",
        "INSERT INTO notes VALUES (501, 'never', 'infinity')",
    )


@pytest.fixture
def recipe(tmp_path):
    """Writes a recipe that reads a database, and loads it."""

    def write(options: str, **arguments):
        path = tmp_path / "notes.toml"
        path.write_text(RECIPE.format(options=options), encoding="utf-8")
        return load(path, **arguments)

    return write


@pytest.fixture
def done(recipe, tmp_path):
    """Runs such a recipe; the answer is the run, and the events that it told."""

    def go(options: str):
        events = []
        finished = run(recipe(options)[0], Runs(tmp_path / "runs"), events.append)
        return finished, events

    return go


def everything_written(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_rows_are_collected_and_rejects_are_kept(done, server, monkeypatch):
    monkeypatch.setenv("DATABASE", server.url())
    finished, _ = done('url = "${DATABASE}"\ntable = "notes"\nid = ["id"]\nas_of = "1"')
    source = finished.outcome["stages"][0]
    assert (source["rows_out"], source["rejects"]) == (500, 1)
    assert finished.lock["stages"][0]["columns"] == {"id": "integer", "body": "text", "at": "time"}


@pytest.mark.parametrize(
    ("query", "ending"),
    [
        ("SELECT id, body FROM notes WHERE body <> :token", "done"),
        ("SELECT 1 / (i - 9000) AS x FROM generate_series(1, 10000) i WHERE :token <> ''", "division by zero"),
        ("SELECT id FROM nots WHERE :token <> ''", "did you mean `notes`?"),
        ("SELECT CAST(:token AS int) AS x", "invalid input syntax for type integer"),
    ],
)
def test_secrets_are_in_nothing_that_is_written_or_told(done, server, tmp_path, monkeypatch, query, ending):
    password = server.url().partition("reader:")[2].partition("@")[0]
    monkeypatch.setenv("PASSWORD", password)
    monkeypatch.setenv("TOKEN", TOKEN)
    url = server.url().replace(password, "${PASSWORD}")
    told = []
    try:
        _, told = done(f'url = "{url}"\nquery = "{query}"\nparameters = {{ token = "${{TOKEN}}" }}')
    except LadleError as error:
        told.append(str(error))
    written = everything_written(tmp_path).decode(errors="replace") + json.dumps(told)
    assert ending in written
    for secret in (password, "battery", TOKEN):
        assert secret not in written


def test_a_password_in_the_recipe_is_copied_with_it_alone(done, server, tmp_path):
    finished, events = done(f'url = "{server.url()}"\ntable = "notes"')
    assert "battery" not in json.dumps([finished.lock, finished.outcome, events])
    assert "battery" not in (finished.folder / "events.jsonl").read_text(encoding="utf-8")
    assert b"battery" not in everything_written(tmp_path / "runs" / ".store")


def test_what_is_read_depends_on_what_is_asked_and_where(recipe, server, tmp_path, monkeypatch):
    def key(options: str) -> str:
        made, _ = recipe(options, offline=True)
        return stages_of(made, Runs(tmp_path / "runs").store)[0].key

    monkeypatch.setenv("PASSWORD", "one")
    url = 'url = "postgresql+pg8000://reader:${PASSWORD}@host/shop"'
    asked = f'{url}\nquery = "SELECT * FROM notes WHERE id > :id"\nparameters = {{ id = 1 }}'
    first = key(asked)
    assert key(asked) == first
    monkeypatch.setenv("PASSWORD", "another")
    assert key(asked) == first
    others = {
        key(asked.replace("host", "other")),
        key(asked.replace("/shop", "/store")),
        key(asked.replace("reader", "writer")),
        key(asked.replace("id = 1", "id = 2")),
        key(asked + '\nas_of = "2"'),
        key(asked + '\nid = ["id"]'),
        key(asked + '\ntypes = { id = "text" }'),
        key(f'{url}\ntable = "notes"'),
    }
    assert len(others | {first}) == 9


def test_a_file_counts_by_its_content(recipe, sqlite, tmp_path):
    def key(name: str) -> str:
        made, _ = recipe(f'url = "sqlite:///{name}"\ntable = "notes"')
        return stages_of(made, Runs(tmp_path / "runs").store)[0].key

    sqlite("CREATE TABLE notes (body TEXT)", "INSERT INTO notes VALUES ('a')")
    first = key("shop.db")
    (tmp_path / "data").mkdir()
    (tmp_path / "shop.db").rename(tmp_path / "data" / "store.db")
    assert key("data/store.db") == first
    sqlite("INSERT INTO notes VALUES ('b')", name="data/store.db")
    assert key("data/store.db") != first


def test_a_file_is_read_once_until_it_changes(done, sqlite):
    url = sqlite("CREATE TABLE notes (body TEXT)", "INSERT INTO notes VALUES (1), (2), (3), (4)")
    options = f'url = "{url}"\ntable = "notes"'
    first, _ = done(options)
    again, events = done(options)
    assert again.name == first.name
    assert [event["event"] for event in events] == ["nothing-to-do"]
    sqlite("DELETE FROM notes WHERE body = '4'")
    changed, _ = done(options)
    assert changed.outcome["stages"][0]["rows_out"] == 3


def test_mistakes_are_shown_in_the_recipe(recipe, done, sqlite):
    url = sqlite("CREATE TABLE notes (id INTEGER, body TEXT)", "INSERT INTO notes VALUES (1, 'a')")
    with pytest.raises(RecipeError) as caught:
        recipe(f'url = "{url}"\ntable = "notes"\ncolumns = ["id", "boddy"]')
    [problem] = caught.value.problems
    assert (problem.span.text, problem.span.column) == ('columns = ["id", "boddy"]', 18)
    with pytest.raises(RecipeError, match="no column `text` at this point"):
        recipe(f'url = "{url}"\ntable = "notes"\n[[data.reviews.clean]]\nuse = "deduplicate"\ncolumns = ["text"]')
    with pytest.raises(RecipeError, match="the query has a parameter `:since` that is not given"):
        recipe(f'url = "{url}"\nquery = "SELECT * FROM notes WHERE id > :since"')


def test_a_server_is_left_alone_by_an_offline_check(recipe):
    made, warnings = recipe(
        'url = "postgresql+pg8000://reader@127.0.0.1:1/shop"\ntable = "notes"\nas_of = "1"', offline=True
    )
    assert not made.data["reviews"].columns.known
    assert warnings == []
