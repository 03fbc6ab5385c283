"""Databases by their URLs: connections that only read, and what goes wrong with them in plain words."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ladle import OptionError
from ladle.errors import did_you_mean, nearest

if TYPE_CHECKING:
    import sqlalchemy as sa

_READ_ONLY = ("postgresql", "mysql", "mariadb", "oracle")  # what keeps a transaction from changing data if it is told
_DIALECTS = {  # what pip calls the packages of databases that SQLAlchemy does not know by itself
    "bigquery": "sqlalchemy-bigquery",
    "clickhouse": "clickhouse-sqlalchemy",
    "cockroachdb": "sqlalchemy-cockroachdb",
    "databricks": "databricks-sqlalchemy",
    "duckdb": "duckdb-engine",
    "redshift": "sqlalchemy-redshift",
    "snowflake": "snowflake-sqlalchemy",
    "trino": "trino",
}
_BUILT_IN = ("mariadb", "mssql", "mysql", "oracle", "postgresql", "sqlite")
_DRIVERS = {"MySQLdb": "mysqlclient", "psycopg": '"psycopg[binary]"', "psycopg2": "psycopg2-binary"}
_CONNECT = "is the server running, and are host, port, user, password and the database's name right?"
_SECRET = 4  # characters: a shorter password is in too many other words to be taken out of a message
_MOST = 20  # names that a message lists
_NO_TABLE = re.compile(r"no such table: (\S+)|relation \"([^\"]+)\" does not exist|Table '([^']+)' doesn't exist")
_NO_COLUMN = re.compile(r"no such column: (\S+)|column \"?([^\"\s]+)\"? does not exist|Unknown column '([^']+)'")

logging.getLogger("sqlalchemy.pool").addHandler(logging.NullHandler())  # that a connection is lost is told by us


class Database:
    """A database to read from. Raises OptionError for a URL that means none."""

    def __init__(self, text: str, folder: Path | None) -> None:
        import sqlalchemy as sa

        try:
            self.url = sa.make_url(text)
            self.kind = self.url.get_backend_name()
        except (sa.exc.ArgumentError, ValueError):
            raise OptionError(
                "this is no URL of a database",
                option="url",
                help='write "sqlite:///shop.db", or "postgresql+pg8000://user:${PASSWORD}@host/shop"',
            ) from None
        self.file = self._file(folder) if self.kind == "sqlite" else None
        """The file that is the whole database, if it is one."""

    def _file(self, folder: Path | None) -> Path:
        name = self.url.database
        if not name or name == ":memory:" or name.startswith("file:"):
            raise OptionError("this names no file", option="url", help='write "sqlite:///shop.db"')
        path = Path(name) if folder is None else folder / name
        if not path.is_file():
            names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
            near = nearest(path.name, names)
            raise OptionError(
                f"no such file: {name}",
                option="url",
                help=f"did you mean `sqlite:///{Path(name).with_name(near).as_posix()}`?"
                if near
                else f"looked in {path.parent.absolute()}; paths are relative to the recipe",
                code="missing-file",
            )
        return path

    @property
    def name(self) -> str:
        """What origins and messages call it: the URL without driver, user, password and query."""
        import sqlalchemy as sa

        url = self.url
        return str(sa.URL.create(self.kind, host=url.host, port=url.port, database=url.database))

    @property
    def identity(self) -> str:
        """The URL as keys and locks have it: without password, and without the path of a file, whose content counts."""
        import sqlalchemy as sa

        url = self.url
        database = url.database if self.file is None else None
        return str(sa.URL.create(url.drivername, url.username, None, url.host, url.port, database, url.query))

    def has_open_password(self) -> bool:
        """Whether there is a password that no environment variable holds: then it was written into the recipe."""
        held = "\n".join(os.environ.values())
        forms = _written(self.url.password)
        return bool(forms) and not any(form in held for form in forms)

    def files(self) -> list[Path]:
        """The files that hold the data: of SQLite also what is written, and not yet moved to the database itself."""
        if self.file is None:
            return []
        log = self.file.with_name(f"{self.file.name}-wal")
        return [self.file, log] if log.is_file() and log.stat().st_size else [self.file]

    @contextmanager
    def reading(self, patience: float | None = None) -> Iterator[sa.Connection]:
        """A connection with a transaction that cannot change data, or is never committed where that can't be had.

        PostgreSQL and SQLite end a statement that takes more than `patience` seconds. Raises OptionError if there is no
        way to connect.
        """
        engine = self._engine()
        connection = None
        try:
            try:
                connection = engine.connect()
                if self.kind == "sqlite":
                    connection.exec_driver_sql("PRAGMA schema_version")  # it has not looked into the file before
            except Exception as error:  # drivers also raise errors of their own, of sockets and of TLS
                help = "name a database file of SQLite" if self.file else _CONNECT
                raise self.problem(f"cannot connect to {self.name}", error, "url", help, code="connection") from None
            if self.kind in _READ_ONLY:
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            if patience is not None:
                self._limit(connection, patience)
            yield connection
        finally:
            with suppress(Exception):  # nothing is lost with a connection that cannot be closed any more
                if connection:
                    connection.invalidate()  # closes it as it is: some drivers would first fetch all rows that are left
                    connection.close()
            engine.dispose()

    def _engine(self) -> sa.Engine:
        import sqlalchemy as sa

        url = self.url
        if self.file is not None and url.get_driver_name() == "pysqlite":
            url = url.set(database=self.file.absolute().as_uri())
            url = url.update_query_pairs([("mode", "ro"), ("uri", "true")])
        try:
            engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True)
        except sa.exc.NoSuchModuleError:
            package = _DIALECTS.get(self.kind)
            raise OptionError(
                f"SQLAlchemy knows no database, or driver, `{url.drivername}`",
                option="url",
                help=f"pip install {package}" if package else did_you_mean(self.kind, _BUILT_IN, "it knows"),
            ) from None
        except ImportError as error:
            raise self._no_driver(error) from None
        except (sa.exc.ArgumentError, TypeError, ValueError) as error:
            raise self.problem("this URL cannot be used", error, "url") from None
        if self.kind == "sqlite":
            sa.event.listen(engine, "connect", _tolerate_bad_text)
        return engine

    def _no_driver(self, error: ImportError) -> OptionError:
        module = (error.name or "").partition(".")[0] or self.url.get_driver_name()
        help = f"pip install {_DRIVERS.get(module, module)}"
        if self.url.drivername == "postgresql":
            help += ", or name another driver: postgresql+pg8000://…"
        return OptionError(f"the driver `{module}` is not installed", option="url", help=help, code="driver")

    def _limit(self, connection: sa.Connection, seconds: float) -> None:
        if self.kind == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
        elif self.kind == "sqlite":
            end = time.monotonic() + seconds
            connection.connection.driver_connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)

    def problem(
        self, what: str, error: BaseException, option: str, help: str = "", code: str = "database"
    ) -> OptionError:
        """A driver's error as the reader of the recipe meets it: one line, and no password."""
        said, advice = _said(error)
        for secret in _written(self.url.password):
            said, advice = said.replace(secret, "***"), advice.replace(secret, "***")
        return OptionError(f"{what}: {said}", option=option, help=advice or help, code=code)

    def refused(self, error: BaseException, option: str, query: str = "") -> OptionError:
        """What to say of a query that the database does not take, with the name that was meant if one is near."""
        problem = self.problem(f"{self.name} says", error, option)
        if str(problem).endswith('near ")"'):  # PostgreSQL sees the query in parentheses
            problem.help = "the query may end too early"
        table, column = _NO_TABLE.search(str(problem)), _NO_COLUMN.search(str(problem))
        with suppress(Exception):  # the names are a help, and no more
            if table:
                problem.help = _did_you_mean(_last(table), self._tables(), "its tables are")
            elif column:
                problem.help = _did_you_mean(_last(column), self._columns_of(query), "the columns are")
        return problem

    def _tables(self) -> list[str]:
        with self.reading() as connection:
            return _tables(connection, None)

    def _columns_of(self, query: str) -> list[str]:
        """The columns of the tables that a query names."""
        import sqlalchemy as sa

        words = set(re.findall(r"\w+", query.lower()))
        with self.reading() as connection:
            named = [table for table in _tables(connection, None) if table.lower() in words]
            found = [sa.inspect(connection).get_columns(table) for table in named]
        return sorted({column["name"] for columns in found for column in columns})


def columns_of(connection: sa.Connection, table: str, schema: str | None) -> dict[str, sa.types.TypeEngine[Any]]:
    """The columns of a table or view, and their types. Raises OptionError if there is none of this name."""
    import sqlalchemy as sa

    inspector = sa.inspect(connection)
    try:
        if columns := inspector.get_columns(table, schema=schema):
            return {column["name"]: column["type"] for column in columns}
    except sa.exc.NoSuchTableError:
        pass
    if schema is not None and schema not in (schemas := inspector.get_schema_names()):
        raise OptionError(f"no schema `{schema}`", option="schema", help=_did_you_mean(schema, schemas, "there are"))
    before, _, after = table.rpartition(".")
    help = _did_you_mean(table, _tables(connection, schema), "its tables are")
    raise OptionError(
        f"no table `{table}`",
        option="table",
        help=f'write schema = "{before}", table = "{after}"' if before and schema is None else help,
        code="missing-table",
    )


def _tables(connection: sa.Connection, schema: str | None) -> list[str]:
    import sqlalchemy as sa

    inspector = sa.inspect(connection)
    return [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]


def _did_you_mean(name: str, known: list[str], what: str) -> str:
    is_helpful = len(known) <= _MOST or nearest(name, known)
    return did_you_mean(name, known, what) if is_helpful else f"{what} {len(known)}, and none is called alike"


def _last(found: re.Match[str]) -> str:
    """The name in a message, without the schema or table before it."""
    return next(filter(None, found.groups())).rpartition(".")[2]


def _tolerate_bad_text(connection: Any, _record: Any) -> None:
    """Let SQLite give text that is no UTF-8, so that only its row is rejected."""
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")


def _written(password: Any) -> set[str]:
    """A password in the ways in which messages may have it."""
    from urllib.parse import quote, quote_plus

    text = str(password or "")
    if len(text) < _SECRET:
        return set()
    return {text, quote(text, safe=""), quote(text, safe=" +"), quote_plus(text), repr(text)[1:-1]}


def _said(error: BaseException) -> tuple[str, str]:
    """What a driver says in one line, and what it advises; each has its own way of saying it."""
    error = getattr(error, "orig", None) or error  # SQLAlchemy's own tells the statement too
    first = error.args[0] if error.args else ""
    told = getattr(error, "diag", None)
    advice = ""
    if isinstance(first, dict):  # pg8000
        said, advice = first.get("M", ""), first.get("H", "")
    elif getattr(told, "message_primary", None):  # psycopg
        said, advice = told.message_primary, told.message_hint or ""
    elif isinstance(first, int) and len(error.args) > 1:  # drivers of MySQL
        said = str(error.args[1])
    else:
        said = str(error)
    inner: BaseException | None = error
    while inner:  # of what the network says, drivers tell little
        if isinstance(inner, OSError) and inner.strerror:
            said = inner.strerror
        inner = inner.__cause__ or inner.__context__
    return next(iter(said.strip().splitlines()), type(error).__name__), advice
