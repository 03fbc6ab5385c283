"""Keeping a data set in a file that the recipe names."""

from __future__ import annotations

from ..components import Writer
from ..store import in_place_of
from .work import Outcome, Work


def write(work: Work) -> Outcome:
    """Write all rows beside the file, then move them into place."""
    writer = work.stage.component
    assert isinstance(writer, Writer)
    rows = work.rows()
    writer.path.parent.mkdir(parents=True, exist_ok=True)
    with in_place_of(writer.path) as beside:
        writer.write(rows, beside)
    count = work.rows_in()
    [content] = work.store.hash_files([writer.path])
    return Outcome(count, count, 0, {"path": str(writer.path), "content": content})
