"""Tables and queries of SQLite."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from datetime import datetime

import pyarrow as pa
import pytest
import sqlalchemy as sa

from ladle_sql.source import Sql

FILMS = [
    "CREATE TABLE films (id INTEGER PRIMARY KEY, title VARCHAR(80), stars REAL, seen BOOLEAN, made DATE, at TIMESTAMP, "
    "price NUMERIC(6, 2), poster BLOB, cast_ JSON, other)",
    (
        "INSERT INTO films VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (3, "Ikiru", 4.5, 1, "1952-10-09", "2024-05-31 16:45:00.5", 9.99, b"\x00\xff", '{"lead": "Shimura"}', 7),
            (1, "M", 5, 0, "1931-05-11", "2024-05-31T16:45:00+02:00", 10, b"", '{"lead": null, "year": 1931}', None),
            (2, None, None, None, None, None, None, None, None, None),
        ],
    ),
]


def test_a_table_is_read_with_the_types_that_it_declares(read, sqlite):
    outcome = read(url=sqlite(*FILMS), table="films")
    assert outcome.rejects == []
    assert outcome.types == {
        "id": "integer",
        "title": "text",
        "stars": "number",
        "seen": "boolean",
        "made": "time",
        "at": "time",
        "price": "number",
        "poster": "bytes",
        "cast_": "record",
        "other": "integer",
    }
    one, two, three = outcome.rows
    assert one == {
        "id": 1,
        "title": "M",
        "stars": 5.0,
        "seen": False,
        "made": datetime(1931, 5, 11),
        "at": datetime(2024, 5, 31, 14, 45),
        "price": 10.0,
        "poster": b"",
        "cast_": {"lead": None, "year": 1931},
        "other": None,
    }
    assert two == dict.fromkeys(outcome.types) | {"id": 2}
    assert three["at"] == datetime(2024, 5, 31, 16, 45, 0, 500_000)
    assert three["cast_"] == {"lead": "Shimura", "year": None}


def test_a_query_has_the_types_of_its_values_or_those_that_the_recipe_says(read, sqlite):
    query = "SELECT seen, made, cast_, count(*) AS films FROM films GROUP BY id ORDER BY id"
    guessed = read(url=sqlite(*FILMS), query=query)
    assert guessed.types == {"seen": "integer", "made": "text", "cast_": "text", "films": "integer"}
    told = read(url="sqlite:///shop.db", query=query, types={"seen": "boolean", "made": "time", "cast_": "json"})
    assert told.types == {"seen": "boolean", "made": "time", "cast_": "record", "films": "integer"}
    assert told.rows[2] == {
        "seen": True,
        "made": datetime(1952, 10, 9),
        "cast_": {"lead": "Shimura", "year": None},
        "films": 1,
    }


def test_some_columns_of_a_view_in_the_order_that_is_named(read, sqlite):
    url = sqlite(*FILMS, "CREATE VIEW seen_films AS SELECT id, title AS 'the title', seen FROM films WHERE seen")
    outcome = read(url=url, table="seen_films", columns=["the title", "id"])
    assert outcome.rows == [{"the title": "Ikiru", "id": 3}]
    assert list(outcome.types) == ["the title", "id"]


@pytest.mark.parametrize("name", ["order", "a b", 'quo"te', "per%cent", "co:lon", "Größe", "UPPER"])
def test_names_of_tables_and_columns_are_quoted(read, sqlite, name):
    quoted = '"' + name.replace('"', '""') + '"'
    outcome = read(
        url=sqlite(f"CREATE TABLE {quoted} ({quoted} TEXT)", f"INSERT INTO {quoted} VALUES ('x')"), table=name
    )
    assert outcome.rows == [{name: "x"}]
    assert read(url="sqlite:///shop.db", query=f"SELECT {quoted} FROM {quoted}").rows == outcome.rows


def test_parameters_are_bound(read, sqlite):
    injected = "'; DROP TABLE films; --"
    outcome = read(
        url=sqlite(*FILMS),
        query="""
            SELECT id, :text AS text, ':text ; 100%' AS "quoted :text" -- :comment, it's one
            FROM films /* :other ; */ WHERE id IN :ids AND stars >= :stars AND made < :made;
        """,
        parameters={"text": injected, "ids": [1, 3, 9], "stars": 4.5, "made": datetime(1940, 1, 1)},
    )
    assert outcome.rows == [{"id": 1, "text": injected, "quoted :text": ":text ; 100%"}]


def test_rows_are_traced_by_their_number_or_by_columns(read, sqlite):
    url = sqlite(*FILMS)
    by_number = read(url=url, query="SELECT id FROM films ORDER BY id DESC")
    assert by_number.origins == [{"file": url, "line": line, "offset": None} for line in (1, 2, 3)]
    by_table = read(url=url, table="films", columns=["title"])
    assert by_table.origins[0] == {"file": f"{url}#films", "line": 1, "offset": None}
    by_id = read(url=url, query="SELECT id, title FROM films ORDER BY id DESC", id=["id"])
    assert [origin["file"] for origin in by_id.origins] == [f"{url}[id={id_}]" for id_ in (3, 2, 1)]
    assert {origin["line"] for origin in by_id.origins} == {None}
    by_two = read(url=url, table="films", id=["id", "title"])
    assert by_two.origins[1]["file"] == f"{url}#films[id=2, title=None]"


def test_rows_that_cannot_be_are_rejected_and_the_rest_is_read(read, sqlite):
    url = sqlite(
        "CREATE TABLE odd (id INTEGER PRIMARY KEY, whole INTEGER, part REAL, flag BOOLEAN, at TIMESTAMP, words TEXT, "
        "raw BLOB, tree JSON, price NUMERIC)",
        "INSERT INTO odd (id, whole) VALUES (1, 1)",
        "INSERT INTO odd (id, whole) VALUES (2, 'one')",
        "INSERT INTO odd (id, whole) VALUES (3, 1.5)",
        "INSERT INTO odd (id, part) VALUES (4, 'half')",
        "INSERT INTO odd (id, flag) VALUES (5, 2)",
        "INSERT INTO odd (id, at) VALUES (6, '31.5.2024')",
        "INSERT INTO odd (id, at) VALUES (7, '2023-02-29')",
        "INSERT INTO odd (id, at) VALUES (8, 1717166700)",
        "INSERT INTO odd (id, words) VALUES (9, CAST(x'61ff' AS TEXT))",
        "INSERT INTO odd (id, words) VALUES (10, x'61')",
        "INSERT INTO odd (id, raw) VALUES (11, 'text')",
        "INSERT INTO odd (id, tree) VALUES (12, '{')",
        """INSERT INTO odd (id, tree) VALUES (13, '{"a": 1, "a": 2}')""",
        "INSERT INTO odd (id, tree) VALUES (14, '[NaN]')",
        "INSERT INTO odd (id, price) VALUES (15, 9007199254740993)",
        "INSERT INTO odd (id, whole, part) VALUES (16, 'x', 'y')",
        """INSERT INTO odd (id, tree) VALUES (17, '{"a": 1}')""",
    )
    outcome = read(url=url, table="odd")
    assert outcome.values("id") == [1, 17]
    assert {reject.line: reject.rule for reject in outcome.rejects} == {
        2: "wrong-type",
        3: "wrong-type",
        4: "wrong-type",
        5: "wrong-type",
        6: "bad-time",
        7: "bad-time",
        8: "wrong-type",
        9: "undecodable",
        10: "wrong-type",
        11: "wrong-type",
        12: "bad-json",
        13: "bad-json",
        14: "bad-json",
        15: "inexact-number",
        16: "wrong-type",
    }
    reasons = {reject.line: reject.reason for reject in outcome.rejects}
    assert reasons[2] == 'column `whole`: "one" is text, expected integer'
    assert reasons[7] == 'column `at`: "2023-02-29" is a time that no calendar has'
    assert reasons[9] == 'column `words`: "a\\udcff" is no UTF-8'
    assert reasons[15] == "column `price`: 9007199254740993 has more digits than a number of 64 bits"
    assert reasons[16] == 'column `whole`: "x" is text, expected integer; column `part`: "y" is text, expected number'
    last = outcome.rejects[-1]
    assert last.file == f"{url}#odd"
    assert json.loads(last.raw) == dict.fromkeys(outcome.types) | {"id": 16, "whole": "x", "part": "y"}
    assert read(url=url, table="odd", id=["id"]).rejects[-1].file == f"{url}#odd[id=16]"


def test_a_column_that_begins_with_nulls_gets_its_type_later(read, sqlite):
    rows = [(None, None)] * 5000 + [(5, "[1.5]")]
    url = sqlite("CREATE TABLE late (number, list JSON)", ("INSERT INTO late VALUES (?, ?)", rows))
    outcome = read(url=url, table="late")
    assert outcome.rejects == []
    assert outcome.rows[-1] == {"number": 5, "list": [1.5]}
    assert outcome.types == {"number": "integer", "list": "vector"}


def test_types_of_json_become_wider_as_long_as_they_can(read, sqlite):
    trees = ['{"a": 1}'] * 4096 + ['{"a": 1.5, "b": ["x"]}', '{"a": "text"}', '{"a": 1152921504606846977}', "7"]
    url = sqlite("CREATE TABLE trees (tree JSON)", ("INSERT INTO trees VALUES (?)", [(tree,) for tree in trees]))
    outcome = read(url=url, table="trees")
    assert outcome.rows[-1] == {"tree": {"a": 1.5, "b": ["x"]}}
    assert [(reject.line, reject.rule) for reject in outcome.rejects] == [
        (4098, "wrong-type"),
        (4099, "wrong-type"),
        (4100, "wrong-type"),
    ]
    assert outcome.rejects[0].reason == "column `tree`: {'a': 'text'} is of another type than those before it"


def test_types_of_json_do_not_become_narrow_again(sqlite, tmp_path):
    trees = [("{}",)] * 4096 + [('{"a": 1, "b": "x"}',)] + [("null",)] * 4095 + [('{"a": 1}',)]
    url = sqlite("CREATE TABLE trees (tree JSON)", ("INSERT INTO trees VALUES (?)", trees))
    source = Sql.model_validate({"url": url, "table": "trees"}, context={"folder": tmp_path})
    assert [len(batch.schema.field("tree").type) for batch in source.read()] == [0, 2, 2]


def test_json_without_a_type_in_common_stays_text(read, sqlite):
    trees = ['{"a": 1}', '{"a": "x"}', "[1, {}]", "null"]
    url = sqlite("CREATE TABLE trees (tree JSON)", ("INSERT INTO trees VALUES (?)", [(tree,) for tree in trees]))
    assert read(url=url, table="trees").values("tree") == trees


def test_a_result_without_rows_has_columns(read, sqlite):
    outcome = read(url=sqlite(*FILMS), query="SELECT id, title FROM films WHERE id > 9")
    assert outcome.rows == outcome.rejects == []
    assert dict(outcome.source.peek()) == {"id": "any", "title": "any"}
    assert dict(read(url="sqlite:///shop.db", table="films").source.peek())["made"] == "time"


def test_nothing_is_changed(read, refused, sqlite, tmp_path):
    url = sqlite(*FILMS)
    before = hashlib.sha256((tmp_path / "shop.db").read_bytes()).hexdigest()
    read(url=url, table="films")
    error = refused(url=url, query="WITH one AS (SELECT 1) DELETE FROM films")
    assert "attempt to write a readonly database" in str(error)
    assert hashlib.sha256((tmp_path / "shop.db").read_bytes()).hexdigest() == before
    assert [path.name for path in tmp_path.iterdir()] == ["shop.db"]


def test_what_is_written_beside_the_file_is_read_and_is_content(read, sqlite, tmp_path):
    """A database with a write-ahead log, while another process has it open."""
    url = sqlite(*FILMS)
    assert Sql.model_validate({"url": url, "table": "films"}, context={"folder": tmp_path}).files() == [
        tmp_path / "shop.db"
    ]
    with closing(sqlite3.connect(tmp_path / "shop.db")) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("INSERT INTO films (id) VALUES (99)")
        other.commit()
        outcome = read(url=url, table="films", columns=["id"])
        assert outcome.values("id") == [1, 2, 3, 99]
        assert [path.name for path in outcome.source.files()] == ["shop.db", "shop.db-wal"]


def test_a_query_that_takes_long_is_not_waited_for(sqlite, tmp_path, monkeypatch):
    monkeypatch.setattr("ladle_sql.source._PATIENCE", 0.2)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) AS total FROM n"
    source = Sql.model_validate({"url": sqlite(*FILMS), "query": endless}, context={"folder": tmp_path})
    assert source.peek() is None
    assert source.first_rows(5) is None


def test_a_look_at_a_table_asks_for_no_more_than_it_needs(sqlite, tmp_path):
    """Of which databases that send all that they are asked for make use."""
    asked = []

    def note(_connection, _cursor, statement, *_):
        asked.append(" ".join(statement.split()))

    source = Sql.model_validate({"url": sqlite(*FILMS), "table": "films"}, context={"folder": tmp_path})
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        source.peek()
        list(source.read())
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    looked, read = [statement for statement in asked if statement.endswith(("films", "LIMIT ? OFFSET ?"))]
    assert "FROM films LIMIT" in looked
    assert read.endswith("FROM films")


def test_batches_are_as_large_as_the_cores(sqlite, tmp_path):
    url = sqlite("CREATE TABLE n (i INTEGER)", ("INSERT INTO n VALUES (?)", [(i,) for i in range(10_000)]))
    source = Sql.model_validate({"url": url, "table": "n"}, context={"folder": tmp_path})
    batches = list(source.read())
    assert all(isinstance(batch, pa.RecordBatch) for batch in batches)
    assert [batch.num_rows for batch in batches] == [4096, 4096, 1808]
