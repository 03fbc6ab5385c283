"""However many rows there are, few of them are in memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CODE = """
import json, resource, sys
from ladle_sql.source import Sql

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20

source = Sql.model_validate(json.loads(sys.argv[1]))
source.peek()
rows, size, first = 0, 0, 0
for batch in source.read():
    rows += batch.num_rows
    size += batch.nbytes / 2**20
    first = first or peak()
print(json.dumps([rows, size, peak() - first]))
"""
ROWS = 60_000


def measured(**options):
    """Rows, their size, and by how much memory has grown since the first of them, in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(options)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_sqlite_is_streamed(sqlite, tmp_path):
    sqlite("CREATE TABLE empty (x)")
    query = f"""
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {ROWS})
        SELECT i, printf('%02000d', i) AS body FROM n
    """
    rows, size, growth = measured(url=f"sqlite:///{(tmp_path / 'shop.db').as_posix()}", query=query)
    assert rows == ROWS
    assert size > 110
    assert growth < 50


@pytest.mark.parametrize(("engine", "bound"), [("sqlalchemy", 60), ("adbc", 110)])
def test_postgresql_is_streamed(server, engine, bound):
    """ADBC has 16 MB of the wire, and what becomes of them, in memory at a time."""
    if engine == "adbc":
        pytest.importorskip("adbc_driver_postgresql", reason="ADBC's driver is not installed")
    query = f"SELECT i, repeat('ten chars ', 200) AS body FROM generate_series(1, {ROWS}) i"
    rows, size, growth = measured(url=server.url(), query=query, engine=engine)
    assert rows == ROWS
    assert size > 110
    assert growth < bound
