"""Rows from a table or a query of a database."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field, PrivateAttr, ValidationInfo, field_serializer, field_validator, model_validator

from ladle import DataSource, NotInKey, OptionError, Reject, Sample

from . import adbc
from .database import Database, columns_of
from .naming import check_known, check_names
from .postgresql import asked_for
from .query import Query
from .values import Column, Kind, Values, kind_of, shown, tellable

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa

    from ladle.columns import ColumnType

SqlType = Literal["text", "integer", "number", "boolean", "time", "bytes", "json"]

_PATIENCE = 2.0  # seconds that a query may take when a recipe is checked
_PARAMETERS = (str, int, float, bool, datetime, date, time_of_day)


class _Part(NamedTuple):
    """Some rows of a result, as many as could be read, and those that could not."""

    batch: pa.RecordBatch
    rejects: list[Reject]
    rows: int
    """How many there were in all."""


class Sql(DataSource):
    """Read a table or a query of a database: whatever SQLAlchemy connects to, each with its own driver.

    Rows are streamed in a transaction that changes nothing. Types are those of the database, or of the values where it
    has none for a column (queries of SQLite, JSON, arrays): then the first 4,096 rows tell. Dates and times are times,
    in UTC where they had a zone; exact numbers stay exact in a `table` that says how many digits they have, and else
    become 64-bit numbers; JSON and arrays become lists and records, or stay text if they have no type in common; what
    else there is, becomes text.

    Rejected is a row with a value that its column's type does not have: wrong-type, bad-time, bad-json, undecodable
    text, integer-too-large, number-too-large, inexact-number, wrong-digits.

    A change of an SQLite file is seen. What a server's rows are does not show in its URL: they are read once and then
    used from the store until the recipe, `as_of` or what `fingerprint` tells is another.
    """

    url: str = Field(
        repr=False,
        description="The database, as SQLAlchemy has it: sqlite:///shop.db (relative to the recipe), "
        "postgresql+pg8000://user:${PASSWORD}@host/shop.",
    )
    query: str | None = Field(
        default=None, description="A query; `:name` in it is a parameter. Either this or `table`."
    )
    parameters: dict[str, Any] = Field(
        default={}, description="Values of the query's parameters; a list for the values behind an IN."
    )
    table: str | None = Field(default=None, description="A table or view, all of which is read.")
    schema_name: str | None = Field(
        default=None, alias="schema", description="The table's schema, if it is not the one that is searched anyway."
    )
    columns: list[str] = Field(default=[], description="The columns of the table to keep; all if none is named.")
    types: dict[str, SqlType] = Field(
        default={},
        description="Types of columns that are not to be the database's, by name. `json` reads text as JSON, `text` "
        "leaves JSON as it is.",
    )
    id: list[str] = Field(
        default=[],
        description="The columns that tell a row from all others. Rows are then traced by them, else by their number "
        "in the result.",
    )
    as_of: str | None = Field(
        default=None, description="Any text, such as a date; with another one the database is read anew."
    )
    fingerprint: str | None = Field(
        default=None,
        description="A quick query whose answer changes with the data, such as SELECT max(changed), count(*) FROM "
        "reviews. It is asked at the beginning of each run, which reads the database anew if the answer is another.",
    )
    engine: Annotated[Literal["sqlalchemy", "adbc"], NotInKey()] = Field(
        default="sqlalchemy",
        description="What fetches rows: `adbc` gives the same of PostgreSQL several times as fast.",
    )

    _database: Any = PrivateAttr(default=None)
    _query: Any = PrivateAttr(default=None)
    _looked: tuple[_Part | None] | None = PrivateAttr(default=None)
    """What `peek` has seen, for `first_rows`."""

    @field_validator("parameters")
    @classmethod
    def _bindable(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        for name, value in parameters.items():
            for one in value if isinstance(value, list) else [value]:
                if not isinstance(one, _PARAMETERS):
                    raise OptionError(
                        f"{shown(one)} is no value for a query",
                        option=name,
                        help="give a text, a number, a boolean, a time, or a list of them",
                    )
        return parameters

    @field_serializer("url")
    def _identity(self, url: str) -> str:
        return self._database.identity if self._database else url

    @model_validator(mode="after")
    def _whole(self, info: ValidationInfo) -> Sql:
        folder = (info.context or {}).get("folder")
        self._database = Database(self.url, None if folder is None else Path(folder))
        if (self.query is None) == (self.table is None):
            raise OptionError(
                "a source reads either a `query` or a `table`",
                option="query" if self.query is not None else "use",
                help='write query = "SELECT …" or table = "…"',
            )
        if self.query is None:
            if self.parameters:
                raise OptionError("a table has no parameters", option="parameters", help='write query = "SELECT …"')
        else:
            for option, value in (("columns", self.columns), ("schema", self.schema_name)):
                if value:
                    raise OptionError(
                        f"`{option}` belongs to a table", option=option, help="say it in the query: SELECT … FROM …"
                    )
            self._query = Query.of(self.query, "query")
            self._query.check(self.parameters)
        if self.fingerprint is not None:
            if self._database.file is not None:
                raise OptionError(
                    "a change of an SQLite file is seen without a fingerprint",
                    option="fingerprint",
                    help="leave it out",
                )
            Query.of(self.fingerprint, "fingerprint").check([])
        if self.engine == "adbc":
            adbc.check_usable(self._database)
            if self.parameters:
                raise OptionError(
                    "ADBC would hold all rows of a query with parameters in memory",
                    option="engine",
                    help="leave `engine` out, or write the values into the query",
                )
        return self

    def files(self) -> list[Path]:
        return self._database.files()

    def version_of_data(self) -> Any:
        """The answer to the fingerprint, as texts; None if the recipe has none."""
        if self.fingerprint is None:
            return None
        with self._database.reading() as connection:
            try:
                row = connection.execute(Query.of(self.fingerprint, "fingerprint").bound({})).first()
            except Exception as error:
                raise self._database.refused(error, "fingerprint", self.fingerprint) from None
        return [None if value is None else str(value) for value in row or ()]

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        if self._database.has_open_password():
            yield OptionError(
                "a password stands in the recipe, and so in each run's copy of it, and in its report",
                option="url",
                help="write ${NAME} in its place, and set the environment variable NAME",
                code="password",
            )
        if self._database.file is None and self.as_of is None and self.fingerprint is None:
            yield OptionError(
                "rows are read once and kept: later runs will not see what has changed in the database since",
                option="url",
                help="give a `fingerprint`, which tells whether something has, or an `as_of` to change when it has",
            )

    def peek(self) -> Mapping[str, ColumnType] | None:
        from ladle import columns_of as types_of

        self._looked = (self._look(),)
        [looked] = self._looked
        return None if looked is None else dict(types_of(looked.batch.schema))

    def first_rows(self, count: int) -> Sample | None:
        from ladle.rows import BATCH_ROWS

        [looked], self._looked = self._looked or (self._look(),), None
        if looked is None or not looked.rows:
            return None
        batch = looked.batch.drop_columns(["_origin"])
        is_whole = looked.rows < BATCH_ROWS and batch.num_rows <= count
        return Sample(batch.slice(0, count).to_pylist(), is_whole)

    def read(self) -> Iterator[pa.RecordBatch | Reject]:
        for part in self._parts():
            if part.batch.num_rows:
                yield part.batch
            yield from part.rejects

    def _look(self) -> _Part | None:
        """The first rows, or the columns alone where rows take too long; None where even these cannot be had soon."""
        if self._query is not None and self._database.kind not in ("postgresql", "sqlite"):
            return None  # nothing would end a query that takes hours
        begun, looked = time.monotonic(), None
        try:
            with closing(self._parts(_PATIENCE)) as parts:
                looked = next(parts)
                return next(parts, looked)
        except OptionError as error:
            if error.code != "database" or time.monotonic() - begun < _PATIENCE:
                raise
            return looked

    def _parts(self, patience: float | None = None) -> Iterator[_Part]:
        """The result in parts, of which the first has no rows: it only tells what is known of columns before."""
        seen = 0
        with self._database.reading(patience) as connection:
            try:
                columns, fetched = self._opened(connection, patience is not None)
            except OptionError:
                raise
            except Exception as error:
                raise self._refused(error) from None
            yield self._part(columns, [[] for _ in columns], seen)
            while True:
                try:
                    values = next(fetched, None)
                except Exception as error:
                    raise self._refused(error, seen) from None
                if values is None:
                    return
                yield (part := self._part(columns, values, seen))
                seen += part.rows

    def _opened(self, connection: sa.Connection, is_look: bool) -> tuple[list[Column], Iterator[Sequence[Values]]]:
        """The columns of the result, and its rows as lists of values or Arrow arrays, column by column."""
        from ladle.rows import BATCH_ROWS

        query, told = self._asked(connection, BATCH_ROWS if is_look else None)
        if self._database.kind == "postgresql":
            query, columns = asked_for(connection, query, told, self.types)
            use_adbc = self.engine == "adbc" and not is_look
            fetched = adbc.fetched(self._database, query) if use_adbc else _streamed(connection, query)
        else:
            result = _executed(connection, query)
            names = [name for name, *_ in result.cursor.description]
            check_names(names, "query")
            kinds = told | {name: Kind(type_) for name, type_ in self.types.items()}
            columns, fetched = [Column(name, kinds.get(name)) for name in names], _partitions(result)
        check_known(self.types, [column.name for column in columns], "types")
        check_known(self.id, [column.name for column in columns], "id")
        return columns, fetched

    def _asked(
        self, connection: sa.Connection, limit: int | None
    ) -> tuple[sa.TextClause | sa.Select[Any], dict[str, Kind | None]]:
        """What the database is asked, and what a table says of its columns."""
        import sqlalchemy as sa

        if self._query is not None:
            return self._query.bound(self.parameters), {}
        types = columns_of(connection, self.table, self.schema_name)
        check_known(self.columns, types, "columns")
        names = self.columns or list(types)
        check_names(names, "columns")
        table = sa.table(self.table, *map(sa.column, names), schema=self.schema_name)
        has_decimals = self._database.kind != "sqlite"
        return sa.select(table).limit(limit), {name: kind_of(types[name], has_decimals) for name in names}

    def _part(self, columns: list[Column], values: Sequence[Values], seen: int) -> _Part:
        """Some rows, the first of which has number `seen` + 1, in Arrow."""
        import pyarrow as pa

        from ladle.rows import as_json

        rows = len(values[0])
        arrays: list[pa.Array] = []
        faults: dict[int, list[tuple[str, str]]] = {}
        for column, given in zip(columns, values, strict=True):
            array, found = column.array(given)
            arrays.append(array)
            for row, fault in found.items():
                faults.setdefault(row, []).append((fault.rule, f"column `{column.name}`: {fault}"))
        names = [column.name for column in columns]
        places = self._places(dict(zip(names, values, strict=True)), rows)
        numbers = [None if self.id else seen + row + 1 for row in range(rows)]
        batch = pa.RecordBatch.from_arrays([*arrays, _origins(places, numbers)], names=[*names, "_origin"])
        rejects = []
        for row, found in sorted(faults.items()):
            raw = {name: tellable(given[row]) for name, given in zip(names, values, strict=True)}
            reason = "; ".join(reason for _, reason in found)
            rejects.append(Reject(found[0][0], reason, places[row], seen + row + 1, raw=as_json(raw)))
        if faults:
            batch = batch.take(pa.array([row for row in range(rows) if row not in faults], pa.int64()))
        return _Part(batch, rejects, rows)

    def _places(self, values: Mapping[str, Values], rows: int) -> list[str]:
        """Where each row is, apart from its number: by the columns that tell it from others, if these are named."""
        name = f"{self._database.name}#{self.table}" if self.table else self._database.name
        if not self.id:
            return [name] * rows
        told = zip(*([f"{column}={tellable(value)}" for value in values[column]] for column in self.id), strict=True)
        return [f"{name}[{', '.join(parts)}]" for parts in told]

    def _refused(self, error: Exception, seen: int = 0) -> OptionError:
        option = "query" if self.table is None else "table"
        if not seen:
            return self._database.refused(error, option, self.query or "")
        what = f"reading {self._database.name} ended after {seen:,} rows"
        return self._database.problem(what, error, option, "none of them is kept; run again if the connection was lost")


def _executed(connection: sa.Connection, query: sa.Executable) -> sa.CursorResult[Any]:
    from ladle.rows import BATCH_ROWS

    return connection.execution_options(stream_results=True, yield_per=BATCH_ROWS).execute(query)


def _streamed(connection: sa.Connection, query: sa.Executable) -> Iterator[Sequence[Values]]:
    yield from _partitions(_executed(connection, query))


def _partitions(result: sa.CursorResult[Any]) -> Iterator[Sequence[Values]]:
    from ladle.rows import BATCH_ROWS

    for rows in result.partitions(BATCH_ROWS):
        yield list(zip(*rows, strict=True))


def _origins(places: Sequence[str], numbers: Sequence[int | None]) -> pa.StructArray:
    import pyarrow as pa

    from ladle.rows import ORIGIN_TYPE

    columns = [places, numbers, [None] * len(places)]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, ORIGIN_TYPE, strict=True)]
    return pa.StructArray.from_arrays(arrays, fields=list(ORIGIN_TYPE))
