"""Databases: tables and queries of whatever SQLAlchemy connects to, to read."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_data_sources() -> dict[str, str]:
    return {"sql": "ladle_sql.source:Sql"}
