"""What is wrong is told in one message, with its place in the recipe and what to do about it."""

from __future__ import annotations

import importlib.util
import sys

import pytest
import sqlalchemy as sa

from ladle import Sample
from ladle_sql.database import Database
from ladle_sql.source import Sql

REVIEWS = ["CREATE TABLE reviews (id INTEGER, body TEXT, stars INTEGER)", "CREATE TABLE other (x)"]


@pytest.mark.parametrize(
    ("url", "message", "help"),
    [
        ("shop.db", "this is no URL of a database", 'write "sqlite:///shop.db", or'),
        ("postgresql+pg8000://host:port/shop", "this is no URL of a database", 'write "sqlite:///shop.db", or'),
        ("sqlite://", "this names no file", 'write "sqlite:///shop.db"'),
        ("sqlite:///shp.db", "no such file: shp.db", "did you mean `sqlite:///shop.db`?"),
        ("sqlite:///data/shop.db", "no such file: data/shop.db", "paths are relative to the recipe"),
        ("sqlite:///junk.db", "cannot connect to sqlite:///junk.db: file is not a database", "name a database file"),
        ("postgres://host/shop", "SQLAlchemy knows no database, or driver, `postgres`", "did you mean `postgresql`?"),
        ("duckdb:///shop.db", "SQLAlchemy knows no database, or driver, `duckdb`", "pip install duckdb-engine"),
    ],
)
def test_urls_that_lead_nowhere(refused, sqlite, tmp_path, url, message, help):
    sqlite(*REVIEWS)
    (tmp_path / "junk.db").write_text("no database at all" * 100)
    error = refused(url=url, table="reviews")
    assert (str(error), error.option) == (message, "url")
    assert help in error.help


@pytest.mark.parametrize(
    ("url", "module", "help"),
    [
        ("mysql://host/shop", "MySQLdb", "pip install mysqlclient"),
        ("mysql+pymysql://host/shop", "pymysql", "pip install pymysql"),
        ("postgresql+psycopg://host/shop", "psycopg", 'pip install "psycopg[binary]"'),
        ("postgresql+psycopg2://host/shop", "psycopg2", "pip install psycopg2-binary"),
        ("mssql+pyodbc://host/shop", "pyodbc", "pip install pyodbc"),
    ],
)
def test_drivers_that_are_not_installed(refused, monkeypatch, url, module, help):
    monkeypatch.setitem(sys.modules, module, None)
    error = refused(url=url, table="reviews")
    assert (str(error), error.help, error.option) == (f"the driver `{module}` is not installed", help, "url")


def test_a_url_without_a_driver_may_name_another(refused, monkeypatch):
    for module in ("psycopg", "psycopg2"):  # one of the two is SQLAlchemy's choice, by its version
        monkeypatch.setitem(sys.modules, module, None)
    assert refused(url="postgresql://host/shop", table="reviews").help.endswith(
        ", or name another driver: postgresql+pg8000://…"
    )


def test_a_server_that_does_not_answer(refused):
    pytest.importorskip("pg8000")
    error = refused(url="postgresql+pg8000://reader:horse+battery@127.0.0.1:1/shop", table="reviews")
    assert str(error) == "cannot connect to postgresql://127.0.0.1:1/shop: Connection refused"
    assert error.help.startswith("is the server running, and are host, port, user, password")


@pytest.mark.parametrize("form", ["clé +/%", "cl%C3%A9%20%2B%2F%25", "cl%C3%A9 +%2F%25", "cl%C3%A9+%2B%2F%25"])
def test_no_message_has_a_password_in_any_form(form):
    """Drivers may quote a URL, or all that they were told."""
    database = Database("postgresql+pg8000://reader:cl%C3%A9%20%2B%2F%25@host/shop", None)
    error = sa.exc.OperationalError("SELECT 1", {}, Exception(f"no way to host\nwith {form!r}"))
    assert str(database.problem("cannot connect", error, "url")) == "cannot connect: no way to host"
    problem = database.problem("cannot connect", ValueError(f"no way with {form}, sorry"), "url")
    assert str(problem) == "cannot connect: no way with ***, sorry"


def test_a_password_where_none_belongs(refused, sqlite):
    sqlite(*REVIEWS)
    error = refused(url="sqlite://reader:battery@/shop.db", table="reviews")
    assert str(error).startswith("this URL cannot be used: Invalid SQLite URL: sqlite://reader:***@/")


@pytest.mark.parametrize(
    ("options", "option", "message", "help"),
    [
        ({}, "use", "a source reads either a `query` or a `table`", 'write query = "SELECT …" or table = "…"'),
        (
            {"table": "reviews", "query": "SELECT 1"},
            "query",
            "a source reads either a `query` or a `table`",
            'write query = "SELECT …" or table = "…"',
        ),
        ({"table": "reviws"}, "table", "no table `reviws`", "did you mean `reviews`?"),
        ({"table": "films"}, "table", "no table `films`", "its tables are: other, reviews"),
        ({"table": "reviews", "columns": ["boddy"]}, "columns", "there is no column `boddy`", "did you mean `body`?"),
        ({"table": "reviews", "types": {"idd": "text"}}, "types", "there is no column `idd`", "did you mean `id`?"),
        ({"table": "reviews", "id": ["ids"]}, "id", "there is no column `ids`", "did you mean `id`?"),
        (
            {"table": "reviews", "columns": ["id", "id"]},
            "columns",
            "two columns are called `id`",
            "leave it out, or read it by a query: … AS name",
        ),
        ({"table": "reviews", "parameters": {"a": 1}}, "parameters", "a table has no parameters", None),
        ({"query": "SELECT 1", "columns": ["id"]}, "columns", "`columns` belongs to a table", None),
        ({"query": "SELECT 1", "schema": "shop"}, "schema", "`schema` belongs to a table", None),
        (
            {"query": "SELECT * FROM reviws"},
            "query",
            "sqlite:///shop.db says: no such table: reviws",
            "did you mean `reviews`?",
        ),
        (
            {"query": "SELECT r.boddy FROM reviews r"},
            "query",
            "sqlite:///shop.db says: no such column: r.boddy",
            "did you mean `body`?",
        ),
        (
            {"query": "SELECT y FROM other"},
            "query",
            "sqlite:///shop.db says: no such column: y",
            "the columns are: x",
        ),
        ({"query": "SELECT body FORM reviews"}, "query", 'sqlite:///shop.db says: near "reviews": syntax error', ""),
        (
            {"query": "SELECT id, stars AS id FROM reviews"},
            "query",
            "two columns are called `id`",
            "name it in the query: … AS name",
        ),
        (
            {"query": "SELECT id AS _id FROM reviews"},
            "query",
            "a column cannot be called `_id`: ladle keeps one of its own there",
            "name it in the query: … AS name",
        ),
        (
            {"query": "SELECT :a AS a", "parameters": {"a": {"b": 1}}},
            "a",
            "{'b': 1} is no value for a query",
            "give a text, a number, a boolean, a time, or a list of them",
        ),
        (
            {"table": "reviews", "fingerprint": "SELECT 1"},
            "fingerprint",
            "a change of an SQLite file is seen without a fingerprint",
            "leave it out",
        ),
        ({"table": "reviews", "engine": "adbc"}, "engine", "ADBC is for PostgreSQL", "leave `engine` out"),
    ],
)
def test_options_that_cannot_be(refused, sqlite, options, option, message, help):
    error = refused(url=sqlite(*REVIEWS), **options)
    assert (str(error), error.option) == (message, option)
    assert help is None or error.help == help


def test_not_all_tables_are_listed_where_there_are_many(refused, sqlite):
    url = sqlite(*(f"CREATE TABLE t{number} (x)" for number in range(30)))
    assert refused(url=url, table="reviews").help == "its tables are 30, and none is called alike"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameters": {"id": 1}, "query": "SELECT :id AS id"}, "ADBC would hold all rows of a query with parameters"),
        (
            {"table": "t", "url": "postgresql+pg8000://h/d?unix_sock=/s"},
            "ADBC does not know what stands behind the `?`",
        ),
    ],
)
def test_what_adbc_cannot_do(refused, options, message):
    pytest.importorskip("adbc_driver_postgresql")
    error = refused(**{"url": "postgresql+pg8000://host/shop", "engine": "adbc"} | options)
    assert str(error).startswith(message)
    assert error.option == "engine"


def test_adbc_is_an_extra(refused, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name.startswith("adbc") else find(name))
    error = refused(url="postgresql+pg8000://host/shop", table="reviews", engine="adbc")
    assert (str(error), error.help) == (
        "the driver `adbc_driver_postgresql` is not installed",
        'pip install "ladle-sql[adbc]"',
    )


def test_doubts_about_stale_rows_and_open_passwords(sqlite, tmp_path, monkeypatch):
    def doubts(**options):
        source = Sql.model_validate({"table": "reviews"} | options, context={"folder": tmp_path})
        return [str(doubt) for doubt in source.doubts(Sample())]

    stale = "rows are read once and kept: later runs will not see what has changed in the database since"
    is_open = "a password stands in the recipe, and so in each run's copy of it, and in its report"
    server = "postgresql+pg8000://host/shop"
    assert doubts(url=server) == [stale]
    assert doubts(url=server, as_of="1") == doubts(url=server, fingerprint="SELECT 1") == []
    assert doubts(url=sqlite(*REVIEWS)) == []
    with_password = "postgresql+pg8000://reader:cl%C3%A9+battery@host/shop"
    assert doubts(url=with_password, as_of="1") == [is_open]
    monkeypatch.setenv("PASSWORD", "clé+battery")
    assert doubts(url=with_password, as_of="1") == []
    monkeypatch.setenv("PASSWORD", "cl%C3%A9+battery")
    assert doubts(url=with_password, as_of="1") == []
