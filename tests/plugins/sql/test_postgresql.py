"""A real server: its types, what it refuses, and what happens when it goes away."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from ladle import OptionError, Reject
from ladle_sql.source import Sql

pytest.importorskip("pg8000", reason="the driver pg8000 is not installed")

TYPES = """CREATE TABLE types (
    id int PRIMARY KEY, small smallint, large bigint, real_ real, double_ double precision, money_ numeric(10, 2),
    exact numeric, wide numeric(50, 2), flag boolean, words text, code char(3), at timestamp, zoned timestamptz,
    day date, hour time, span interval, raw bytea, tree jsonb, uuid_ uuid, net inet, mood mood, whole_list int[],
    part_list float8[], times timestamptz[], square int[], pair int4range, nothing text)"""
ROWS = [
    """INSERT INTO types VALUES (1, -2, 9223372036854775807, 0.1, 0.1, 12345678.90, 0.1, 12.5, true, 'Größe', 'ab',
    '2024-05-31 16:45:00.5', '2024-05-31 16:45:00+02', '1931-05-11', '24:00', '1 month 26 hours', '\\x00ff',
    '{"a": [1, 2.5], "b": null}', 'a1b2c3d4-0000-4000-8000-000000000000', '10.0.0.1/8', 'sad', '{1,null,3}', '{1.5,2}',
    '{2024-05-31 16:45:00+02}', '{{1,2},{3,4}}', '[1,5)')""",
    "INSERT INTO types (id) VALUES (2)",
    """INSERT INTO types (id, real_, double_, exact, tree, part_list, zoned) VALUES
    (3, 'NaN', '-Infinity', 'NaN', '{"a": []}', '{}', '1800-01-01 00:00:00+00')""",
]
EXPECTED = {
    "id": 1,
    "small": -2,
    "large": 9223372036854775807,
    "real_": 0.10000000149011612,
    "double_": 0.1,
    "money_": Decimal("12345678.90"),
    "exact": 0.1,
    "wide": 12.5,
    "flag": True,
    "words": "Größe",
    "code": "ab",
    "at": datetime(2024, 5, 31, 16, 45, 0, 500_000),
    "zoned": datetime(2024, 5, 31, 14, 45),
    "day": datetime(1931, 5, 11),
    "hour": "24:00:00",
    "span": "1 mon 26:00:00",
    "raw": b"\x00\xff",
    "tree": {"a": [1.0, 2.5], "b": None},
    "uuid_": "a1b2c3d4-0000-4000-8000-000000000000",
    "net": "10.0.0.1/8",
    "mood": "sad",
    "whole_list": [1, None, 3],
    "part_list": [1.5, 2.0],
    "times": ["2024-05-31T23:45:00+09:00"],
    "square": [[1, 2], [3, 4]],
    "pair": "[1,5)",
    "nothing": None,
}
ENGINES = ["sqlalchemy", "adbc"]


@pytest.fixture(scope="module", autouse=True)
def _tables(server):
    server.do(
        "CREATE TYPE mood AS ENUM ('sad', 'happy')",
        TYPES,
        *ROWS,
        "CREATE TABLE reviews AS "
        "SELECT i AS id, 'review ' || i AS body, mod(i, 5) AS stars FROM generate_series(1, 9999) i",
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.orders AS SELECT 7 AS id",
        "CREATE SEQUENCE numbers",
        "CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM reviews; SELECT 1'",
    )


@pytest.fixture(params=ENGINES)
def engine(request):
    if request.param == "adbc":
        pytest.importorskip("adbc_driver_postgresql", reason="ADBC's driver is not installed")
    return request.param


def test_each_type_as_the_other_sources_have_it(read, server, engine):
    outcome = read(url=server.url(), table="types", id=["id"], engine=engine)
    assert outcome.rejects == []
    one, two, three = outcome.rows
    assert one == EXPECTED
    assert two == dict.fromkeys(EXPECTED) | {"id": 2}
    assert [str(three[name]) for name in ("real_", "double_", "exact")] == ["nan", "-inf", "nan"]
    assert three["zoned"] == datetime(1800, 1, 1)  # for the server in Tokyo, it was 9:18:59 there
    assert outcome.schema.field("money_").type == pa.decimal128(10, 2)
    assert outcome.types["part_list"] == "vector"
    assert outcome.origins[1]["file"] == f"postgresql://127.0.0.1:{server.port}/postgres#types[id=2]"


def test_a_query_has_the_types_of_the_database_even_without_rows(read, server, engine):
    query = "SELECT id, money_, flag, words, at, day, raw, uuid_ FROM types WHERE id > 9"
    outcome = read(url=server.url(), query=query, engine=engine)
    assert outcome.rows == outcome.rejects == []
    assert dict(outcome.source.peek()) == {
        "id": "integer",
        "money_": "number",
        "flag": "boolean",
        "words": "text",
        "at": "time",
        "day": "time",
        "raw": "bytes",
        "uuid_": "text",
    }
    filled = read(url=server.url(), query=query.replace("> 9", "= 1"), engine=engine)
    assert filled.rows == [{name: EXPECTED[name] for name in filled.types} | {"money_": 12345678.90}]


def test_the_recipe_may_have_other_types(read, server, engine):
    types = {"tree": "text", "whole_list": "text", "money_": "number", "words": "json", "hour": "text", "day": "text"}
    query = "SELECT tree, whole_list, money_, '[1, 2.5]' AS words, hour, day FROM types WHERE id = 1"
    outcome = read(url=server.url(), query=query, types=types, engine=engine)
    assert outcome.rows == [
        {
            "tree": '{"a": [1, 2.5], "b": null}',
            "whole_list": "[1,null,3]",
            "money_": 12345678.90,
            "words": [1.0, 2.5],
            "hour": "24:00:00",
            "day": "1931-05-11",
        }
    ]


def test_rows_that_cannot_be_are_rejected_and_the_rest_is_read(read, server, engine):
    query = """
        SELECT * FROM (VALUES
            (1, timestamp '2024-05-31', 1::numeric, '{"a": 1}'::json),
            (2, 'infinity', 1, '{"a": 2}'),
            (3, '0044-03-15 BC', 1, '{"a": 3}'),
            (4, '10000-01-01', 1, '{"a": 4}'),
            (5, '0001-01-01', 1, '{"a": 5}'),
            (6, '2024-05-31', 12345678901234567890, '{"a": 6}'),
            (7, '2024-05-31', 1e400, '{"a": 7}'),
            (8, '2024-05-31', 12345678901234567890.5, '{"a": 8, "a": 9}')
        ) AS odd (id, at, number, tree) ORDER BY id
    """
    outcome = read(url=server.url(), query=query, engine=engine, id=["id"])
    assert outcome.values("id") == [1, 5]
    assert [(reject.line, reject.rule) for reject in outcome.rejects] == [
        (2, "bad-time"),
        (3, "bad-time"),
        (4, "bad-time"),
        (6, "inexact-number"),
        (7, "number-too-large"),
        (8, "bad-json"),
    ]
    assert (
        outcome.rejects[1].reason
        == 'column `at`: "0044-03-15 00:00:00 BC" is no time in ISO 8601, of the years 1 to 9999'
    )
    assert outcome.rejects[1].file.endswith("/postgres[id=3]")
    assert b'"at": "0044-03-15 00:00:00 BC"' in outcome.rejects[1].raw


def test_parameters_are_bound(read, server):
    outcome = read(
        url=server.url(),
        query="""SELECT id, :text AS "a:b", id::text AS text FROM reviews
            WHERE id IN :ids AND id < :large AND body LIKE 'review 1%' AND body <> ':x' ORDER BY id -- 100%""",
        parameters={"text": "'; DROP TABLE reviews; --", "ids": [1, 2, 10], "large": 3_000_000_000},
    )
    assert outcome.rows == [{"id": id_, "a:b": "'; DROP TABLE reviews; --", "text": str(id_)} for id_ in (1, 10)]


def test_both_engines_give_the_same_rows_in_the_same_order(read, server):
    pytest.importorskip("adbc_driver_postgresql", reason="ADBC's driver is not installed")
    query = "SELECT *, '%' AS percent, ':x' AS colon FROM reviews ORDER BY body DESC"
    one, other = (read(url=server.url(), query=query, engine=engine) for engine in ENGINES)
    assert len(one.rows) == 9999
    assert one.rows == other.rows
    assert one.origins == other.origins


def test_a_table_of_another_schema(read, refused, server):
    url = server.url()
    assert read(url=url, table="orders", schema="shop").rows == [{"id": 7}]
    assert refused(url=url, table="shop.orders").help == 'write schema = "shop", table = "orders"'
    error = refused(url=url, table="orders", schema="shp")
    assert (str(error), error.option, error.help) == ("no schema `shp`", "schema", "did you mean `shop`?")


def test_who_may_not_in(refused, server):
    error = refused(url=server.url("another battery"), table="reviews")
    place = f"postgresql://127.0.0.1:{server.port}"
    assert str(error) == f'cannot connect to {place}/postgres: password authentication failed for user "reader"'
    error = refused(url=server.url(database="shop"), table="reviews")
    assert str(error) == f'cannot connect to {place}/shop: database "shop" does not exist'
    assert error.option == "url"


@pytest.mark.parametrize(
    ("query", "message", "help"),
    [
        ("SELECT * FROM reviws", 'relation "reviws" does not exist', "did you mean `reviews`?"),
        ("SELECT boddy FROM reviews", 'column "boddy" does not exist', "did you mean `body`?"),
        ("SELECT r.star FROM reviews r", "column r.star does not exist", "did you mean `stars`?"),
        ("SELECT body FROM reviews WERE id", 'syntax error at or near "id"', ""),
        ("SELECT body FROM", 'syntax error at or near ")"', "the query may end too early"),
        ("SELECT 1 / 0 AS x", "division by zero", ""),
        ("SELECT nextval('numbers')", "cannot execute nextval() in a read-only transaction", ""),
        ("SELECT wipe()", "cannot execute DELETE in a read-only transaction", ""),
        (
            "WITH gone AS (DELETE FROM reviews RETURNING id) SELECT * FROM gone",
            "WITH clause containing a data-modifying statement must be at the top level",
            "",
        ),
    ],
)
def test_queries_that_the_server_refuses(refused, server, query, message, help):
    error = refused(url=server.url(), query=query)
    assert str(error) == f"postgresql://127.0.0.1:{server.port}/postgres says: {message}"
    assert (error.option, error.help) == ("query", help)


def test_adbc_only_reads_too(server):
    pytest.importorskip("adbc_driver_postgresql", reason="ADBC's driver is not installed")
    source = Sql.model_validate({"url": server.url(), "query": "SELECT wipe()", "engine": "adbc"})
    with pytest.raises(OptionError, match="cannot execute DELETE in a read-only transaction"):
        list(source.read())


def test_a_query_that_fails_half_way(server):
    """Of what libraries log at that, nothing comes to the terminal: hence a process of its own."""
    code = """
import sys
from ladle import OptionError
from ladle_sql.source import Sql
try:
    list(Sql.model_validate({"url": sys.argv[1], "query": sys.argv[2]}).read())
except OptionError as error:
    print(error, error.help, sep="; ", end="")
"""
    query = "SELECT 1 / (i - 6000) AS x FROM generate_series(1, 9000) i"
    done = subprocess.run(
        [sys.executable, "-c", code, server.url(), query], capture_output=True, text=True, check=False
    )
    place = f"postgresql://127.0.0.1:{server.port}/postgres"
    help = "none of them is kept; run again if the connection was lost"
    assert done.stdout == f"reading {place} ended after 4,096 rows: division by zero; {help}"
    assert done.stderr == ""


def test_a_connection_that_is_lost(server, engine):
    columns = "i AS id, repeat('long ', 200) AS body"
    source = Sql.model_validate(
        {"url": server.url(), "query": f"SELECT {columns} FROM generate_series(1, 100000) i", "engine": engine}
    )
    items = source.read()
    assert next(items).num_rows == 4096
    server.do(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
    )
    with pytest.raises(OptionError, match=r"reading postgresql://[^ ]+ ended after [\d,]+ rows: ") as caught:
        assert all(not isinstance(item, Reject) for item in items)
    assert "\n" not in str(caught.value)


def test_a_query_that_takes_long_is_not_waited_for(server):
    query = "SELECT count(*) AS rows, max(i) AS last FROM generate_series(1, 1000000000) i"
    source = Sql.model_validate({"url": server.url(), "query": query})
    assert source.peek() == {"rows": "integer", "last": "integer"}
    assert source.first_rows(5) is None


def test_no_connection_is_left(read, server, engine):
    read(url=server.url(), table="reviews", engine=engine)
    items = Sql.model_validate({"url": server.url(), "table": "reviews", "engine": engine}).read()
    next(items)
    items.close()
    end = time.monotonic() + 5
    while others := server.ask("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'") - 1:
        assert time.monotonic() < end, f"{others} connections are left"


def test_a_fingerprint_changes_with_the_data(server):
    source = Sql.model_validate(
        {
            "url": server.url(),
            "table": "orders",
            "schema": "shop",
            "fingerprint": "SELECT max(id), count(*) FROM shop.orders",
        }
    )
    assert source.version_of_data() == ["7", "1"]
    server.do("INSERT INTO shop.orders VALUES (9)")
    assert source.version_of_data() == ["9", "2"]
    server.do("DELETE FROM shop.orders WHERE id = 9")
    assert source.version_of_data() == ["7", "1"]
    wrong = Sql.model_validate({"url": server.url(), "table": "reviews", "fingerprint": "SELECT max(idd) FROM reviews"})
    with pytest.raises(OptionError, match='column "idd" does not exist') as caught:
        wrong.version_of_data()
    assert caught.value.option == "fingerprint"
