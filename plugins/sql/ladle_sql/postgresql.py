"""PostgreSQL gives columns in the form that is asked for: one that all drivers read alike, and read fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .naming import check_names
from .values import Column, Kind, KindName

if TYPE_CHECKING:
    import sqlalchemy as sa

_KINDS: dict[str, KindName] = {
    "bool": "boolean",
    "bytea": "bytes",
    "date": "time",
    "float4": "number",
    "float8": "number",
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "json": "json",
    "jsonb": "json",
    "numeric": "decimal",
    "oid": "integer",
    "timestamp": "time",
    "timestamptz": "time",
}
_TEXTS = {"bpchar", "char", "name", "text", "uuid", "varchar"}
_ARRAYS = {f"_{type_}" for type_ in _KINDS.keys() | _TEXTS}


def asked_for(
    connection: sa.Connection,
    query: sa.TextClause | sa.Select[Any],
    told: Mapping[str, Kind | None],
    types: Mapping[str, KindName],
) -> tuple[sa.Select[Any], list[Column]]:
    """The query with each column in its form, and the columns; for that it is planned, and not run.

    `told` is what a table says, which alone knows the digits of exact numbers; `types` what the recipe says. Times,
    exact numbers, JSON, arrays and all that ladle has no type for come as text: drivers differ in what they make of
    them, and some fail at infinity, at years before Christ or at 24:00.
    """
    import sqlalchemy as sa

    described = _described(connection, query)
    names = [name for name, _ in described]
    inner = query.columns(*map(sa.column, names)) if isinstance(query, sa.TextClause) else query
    columns, forms = [], []
    for (name, type_), given in zip(described, inner.subquery("result").c, strict=True):
        kind = Kind("json") if type_ in _ARRAYS else Kind(_KINDS.get(type_, "text"))
        wanted = types.get(name, kind.name)
        forms.append(_form(given, type_, wanted if wanted in ("text", "json", "time") else kind.name).label(name))
        if kind.name == "decimal" and wanted in ("decimal", "number"):
            columns.append(Column(name, (wanted == "decimal" and told.get(name)) or kind))
        else:
            columns.append(Column(name, Kind(wanted)))
    return sa.select(*forms), columns


def _described(connection: sa.Connection, query: sa.TextClause | sa.Select[Any]) -> list[tuple[str, str]]:
    """The names and types of a query's columns. Raises OptionError for names that rows cannot have."""
    import sqlalchemy as sa

    whole = query.columns() if isinstance(query, sa.TextClause) else query
    none = sa.select(sa.literal_column("*")).select_from(whole.subquery("result")).limit(0)
    described = [(name, oid) for name, oid, *_ in connection.execute(none).cursor.description]
    check_names([name for name, _ in described], "query")
    types = sa.text("SELECT oid, typname FROM pg_catalog.pg_type WHERE oid IN :oids")
    oids = sa.bindparam("oids", sorted({oid for _, oid in described}), expanding=True)
    called = {oid: type_ for oid, type_ in connection.execute(types.bindparams(oids))}  # noqa: C416 - these are rows
    return [(name, called[oid]) for name, oid in described]


def _form(column: sa.ColumnElement[Any], type_: str, kind: KindName) -> sa.ColumnElement[Any]:
    import sqlalchemy as sa

    if kind == "integer":
        return sa.cast(column, sa.BigInteger)
    if kind == "number":
        return sa.cast(column, sa.Double)
    if kind in ("boolean", "bytes"):
        return column
    if type_ in _ARRAYS:
        column = sa.func.to_json(column)
    elif type_ == "timestamptz":
        column = sa.func.timezone(sa.literal_column("'UTC'"), column)
    return sa.cast(column, sa.Text)
