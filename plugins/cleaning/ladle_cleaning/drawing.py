"""Rows drawn from many, so that neither their order nor their batches decide which."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from ladle import Rows


def drawn(data: Rows, count: int, choose: Callable[[pa.RecordBatch], pa.RecordBatch]) -> pa.RecordBatch:
    """As many as `count` of the rows that `choose` leaves of batches, with `_id`, in an order that ids decide alone."""
    import pyarrow as pa

    kept: pa.Table | None = None
    for batch in data.batches("arrow"):
        chosen = choose(batch)
        places = [
            int.from_bytes(hashlib.blake2b(i.encode(), digest_size=8).digest()) for i in chosen["_id"].to_pylist()
        ]
        placed = pa.table(chosen).append_column("_place", pa.array(places, pa.uint64()))
        kept = placed if kept is None else pa.concat_tables([kept, placed])
        if len(kept) > 2 * count:
            kept = kept.sort_by("_place").slice(0, count)
    if kept is None:
        return pa.RecordBatch.from_pylist([], pa.schema([data.schema.field(name) for name in ("_id", *data.columns)]))
    found = kept.sort_by("_place").slice(0, count).drop_columns(["_place"]).combine_chunks()
    return found.to_batches()[0] if len(found) else pa.RecordBatch.from_pylist([], found.schema)
