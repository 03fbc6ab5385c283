"""Keeping a data set in a file that the recipe names."""

from __future__ import annotations

import os

from ..components import Writer
from .work import Outcome, Work


def write(work: Work) -> Outcome:
    """Write all rows beside the file, then move them into place."""
    writer = work.stage.component
    assert isinstance(writer, Writer)
    rows = work.rows()
    writer.path.parent.mkdir(parents=True, exist_ok=True)
    beside = writer.path.with_name(f".{writer.path.name}.{os.getpid()}")
    try:
        writer.write(rows, beside)
        os.replace(beside, writer.path)
    finally:
        beside.unlink(missing_ok=True)
    count = work.rows_in()
    [content] = work.store.hash_files([writer.path])
    return Outcome(count, count, 0, {"path": str(writer.path), "content": content})
