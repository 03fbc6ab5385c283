"""Going on with some of the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ladle import Cleaner

if TYPE_CHECKING:
    from ladle import Cleaned, Rows


class Sample(Cleaner):
    """Keep a share of the rows, drawn at random.

    Whether a row stays depends on its id alone: not on the rows beside it, so that more data changes nothing of what
    was drawn, and a smaller share is a part of a larger one. New rows for a trained model all stay.
    """

    form = "arrow"

    share: float = Field(gt=0, lt=1, description="The share of rows that stays, such as 0.1.")
    split: Literal["train", "validation", "test"] | None = Field(
        default=None, description="The split to draw from, the others staying whole; all of them if left out."
    )
    seed: int = Field(default=0, ge=0, description="Another number draws other rows.")

    def clean_data(self, data: Rows) -> Iterable[Cleaned]:
        from ladle import Cleaned, Reject
        from ladle.rows import ID, SPLIT

        drawn_from = [self.split] if self.split else ["train", "validation", "test"]  # never what is to be predicted
        reject = Reject(rule="sample", reason=f"not among the {self.share:.4g} of the rows that were drawn")
        for whole in data.whole_batches():
            batch = whole.select([ID, *data.columns])
            rows = enumerate(zip(whole[ID].to_pylist(), whole[SPLIT].to_pylist(), strict=True))
            yield Cleaned(batch, {n: reject for n, (id, split) in rows if split in drawn_from and not self._stays(id)})

    def _stays(self, id: str) -> bool:
        digest = hashlib.blake2b(f"{self.seed} {id}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) < self.share * 2**64
