"""Rows of PostgreSQL as Arrow from the start, through ADBC (Arrow Database Connectivity)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ladle import OptionError

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa

    from .database import Database

_SAME_URLS = ("psycopg", "psycopg2")  # drivers for which what stands behind `?` means what it does for ADBC's


def check_usable(database: Database) -> None:
    """Raises OptionError if rows of a database cannot come through ADBC."""
    from importlib.util import find_spec

    if database.kind != "postgresql":
        raise OptionError("ADBC is for PostgreSQL", option="engine", help="leave `engine` out")
    if find_spec("adbc_driver_postgresql") is None:
        raise OptionError(
            "the driver `adbc_driver_postgresql` is not installed",
            option="engine",
            help='pip install "ladle-sql[adbc]"',
            code="driver",
        )
    if database.url.query and database.url.get_driver_name() not in _SAME_URLS:
        raise OptionError(
            "ADBC does not know what stands behind the `?` of this URL",
            option="engine",
            help="leave `engine` out, or write the URL for psycopg",
        )


def fetched(database: Database, statement: sa.Select[Any]) -> Iterator[list[pa.Array]]:
    """The rows of a statement without parameters, column by column."""
    import adbc_driver_postgresql.dbapi as adbc
    from sqlalchemy.dialects import postgresql

    from ladle.rows import BATCH_ROWS

    dialect = postgresql.dialect(paramstyle="named")  # the driver's own, to which a percent sign means nothing
    text = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    with adbc.connect(_place(database.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute(text)
        for batch in cursor.fetch_record_batch():
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS).columns


def _place(url: sa.URL) -> str:
    """Where a database is, as libpq has it."""
    told = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": url.password,
        "dbname": url.database,
        **url.query,
    }
    escaped = {key: re.sub(r"(['\\])", r"\\\1", str(value)) for key, value in told.items() if value is not None}
    return " ".join(f"{key}='{value}'" for key, value in escaped.items())
