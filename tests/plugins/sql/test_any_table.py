"""Whatever a table holds comes out the same, or is rejected."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import Reject
from ladle_sql.source import Sql

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
INTEGERS = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.floats(allow_nan=False)
TIMES = st.datetimes(datetime(1, 1, 1))
KINDS = {
    "INTEGER": INTEGERS,
    "DOUBLE PRECISION": NUMBERS,
    "TEXT": TEXTS,
    "BLOB": st.binary(),
    "BOOLEAN": st.booleans(),
    "TIMESTAMP": TIMES,
}


@st.composite
def tables(draw):
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=5))
    return kinds, draw(st.lists(st.tuples(*(st.none() | KINDS[kind] for kind in kinds)), max_size=12))


def written(value):
    return value.isoformat(" ") if isinstance(value, datetime) else value


def read(declared, rows, **options):
    """What comes of a table `t` with columns c0, c1, … in batches of three rows: rows as tuples, and rejects."""
    with tempfile.TemporaryDirectory() as folder, patch("ladle.rows.BATCH_ROWS", 3):
        names = [f"c{place}" for place in range(len(declared))]
        with closing(sqlite3.connect(Path(folder) / "t.db")) as connection, connection:
            columns = ", ".join(f"{name} {type_}" for name, type_ in zip(names, declared, strict=True))
            connection.execute(f"CREATE TABLE t ({columns})")
            marks = ", ".join("?" * len(names))
            connection.executemany(f"INSERT INTO t VALUES ({marks})", [tuple(map(written, row)) for row in rows])
        options = options or {"table": "t"}
        source = Sql.model_validate({"url": "sqlite:///t.db"} | options, context={"folder": Path(folder)})
        items = list(source.read())
    rejects = [item for item in items if isinstance(item, Reject)]
    kept = [row for item in items if not isinstance(item, Reject) for row in item.to_pylist()]
    return [tuple(row[name] for name in names) for row in kept], rejects, kept


@given(tables())
@settings(max_examples=40, deadline=None)
def test_values_of_the_declared_types_come_out_the_same(table):
    declared, rows = table
    assert read(declared, rows)[:2] == (rows, [])


@given(st.lists(st.tuples(st.none() | INTEGERS, TEXTS)))
@settings(max_examples=20, deadline=None)
def test_a_query_gives_what_the_table_holds(rows):
    assert read(["INTEGER", "TEXT"], rows, query="SELECT * FROM t")[:2] == (rows, [])


ANYTHING = st.none() | INTEGERS | NUMBERS | TEXTS | st.binary()


@given(st.sampled_from([*KINDS, "JSON", "", "NUMERIC(4, 2)"]), st.lists(ANYTHING, max_size=12))
@settings(max_examples=60, deadline=None)
def test_every_row_is_kept_or_rejected(declared, values):
    _, rejects, kept = read([declared], [(value,) for value in values])
    assert len(kept) + len(rejects) == len(values)
    lines = [row["_origin"]["line"] for row in kept] + [reject.line for reject in rejects]
    assert sorted(lines) == list(range(1, len(values) + 1))
    assert all(reject.rule and reject.raw and reject.reason.startswith("column `c0`: ") for reject in rejects)
