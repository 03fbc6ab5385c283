"""SQLite files, a PostgreSQL server of the tests' own, and sources that read them as the core would."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from ladle import OptionError, Reject
from ladle.rows import column_type
from ladle_sql.source import Sql

PASSWORD = "corréct horse/battery?"


@dataclass
class Outcome:
    """What a source gave."""

    source: Sql
    rows: list[dict[str, Any]] = field(default_factory=list)
    origins: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    schema: pa.Schema | None = None

    def values(self, column: str) -> list[Any]:
        return [row[column] for row in self.rows]

    @property
    def types(self) -> dict[str, str]:
        return {field.name: column_type(field.type) for field in self.schema}


def read_all(folder: Path, **options: Any) -> Outcome:
    """Read a source; the types and first rows it told before have to come true."""
    source = Sql.model_validate(options, context={"folder": folder})
    declared = source.peek()
    sample = source.first_rows(7)
    outcome = Outcome(source)
    for item in source.read():
        if isinstance(item, Reject):
            outcome.rejects.append(item)
            continue
        assert 0 < item.num_rows <= 4096
        item.validate(full=True)
        outcome.origins += item["_origin"].to_pylist()
        batch = item.drop_columns(["_origin"])
        if outcome.schema is None and declared is not None:
            assert {field.name: column_type(field.type) for field in batch.schema} == dict(declared)
        outcome.schema = batch.schema
        outcome.rows += batch.to_pylist()
    if sample is not None:
        assert repr(sample.rows) == repr(outcome.rows[: len(sample)])
        assert not sample.is_whole or len(sample) == len(outcome.rows)
    return outcome


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Outcome]:
    """Read a source whose paths are relative to the test's own folder."""
    return lambda **options: read_all(tmp_path, **options)


@pytest.fixture
def sqlite(tmp_path: Path) -> Callable[..., str]:
    """Make an SQLite file in the test's own folder by statements, or add to it; the answer is its URL."""

    def make(*statements: str | tuple[str, Any], name: str = "shop.db") -> str:
        with closing(sqlite3.connect(tmp_path / name)) as connection, connection:
            for statement in statements:
                if isinstance(statement, str):
                    connection.execute(statement)
                else:
                    connection.executemany(*statement)
        return f"sqlite:///{name}"

    return make


def _use(source: Sql) -> None:
    source.peek()
    list(source.read())


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., OptionError]:
    """The error with which a source refuses its options, when it is made, when it is looked into, or when it reads."""

    def error_of(**options: Any) -> OptionError:
        try:
            made = Sql.model_validate(options, context={"folder": tmp_path})
        except ValidationError as caught:
            (error,) = caught.errors()
            return error["ctx"]["error"]
        with pytest.raises(OptionError) as caught:
            _use(made)
        assert "battery" not in f"{caught.value} {caught.value.help}"  # however the rest of the password is written
        return caught.value

    return error_of


class Server:
    """A PostgreSQL server with one user, who may do everything."""

    def __init__(self, binaries: Path, folder: Path, user: str | None) -> None:
        self.binaries = binaries
        self.folder = folder
        self.user = user
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def start(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        if self.user:
            shutil.chown(password, self.user)
        data = str(self.folder / "data")
        self._call(
            "initdb",
            "-D",
            data,
            "-U",
            "reader",
            "-A",
            "scram-sha-256",
            "--pwfile",
            str(password),
            "-E",
            "UTF8",
            "--no-sync",
        )
        settings = f"-h 127.0.0.1 -p {self.port} -k {self.folder} -F -c shared_buffers=16MB -c timezone=Asia/Tokyo"
        self._call("pg_ctl", "-D", data, "-w", "-l", str(self.folder / "log"), "-o", settings, "start")

    def stop(self) -> None:
        self._call("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")

    def _call(self, binary: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.binaries / binary), *arguments],
            user=self.user,
            env={**os.environ, "LC_ALL": "C"},
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def url(self, password: str = PASSWORD, database: str = "postgres", **query: str) -> str:
        made = sa.URL.create("postgresql+pg8000", "reader", password, "127.0.0.1", self.port, database, query)
        return made.render_as_string(hide_password=False)

    def ask(self, query: str) -> Any:
        """The one value that a query gives."""
        with sa.create_engine(self.url(), poolclass=sa.NullPool).connect() as connection:
            return connection.exec_driver_sql(query).scalar()

    def do(self, *statements: str) -> None:
        engine = sa.create_engine(self.url(), poolclass=sa.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


def _binaries() -> Path | None:
    """Where the programs of PostgreSQL are: the newest ones, where distributions put several."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version)
    return places[-1] if places else None


def _version(binaries: Path) -> float:
    return float(binaries.parent.name)


def _unprivileged() -> str | None:
    """A user for the server, which refuses to be run by root."""
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server that is empty at first, on a port of its own."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: no initdb on the path, nor in /usr/lib/postgresql")
    user = _unprivileged() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="ladle-postgresql-"))  # not pytest's: the server's user could not get in
    try:
        if user:
            shutil.chown(folder, user)
        server = Server(binaries, folder, user)
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
