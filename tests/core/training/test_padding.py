"""Rows of unequal length in one tensor."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ladle.training import left_padded


@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=6), min_size=1, max_size=6))
def test_rows_end_together_and_the_mask_tells_them_from_padding(rows):
    batch = left_padded(rows, 7)
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (len(rows), max(map(len, rows)))
    for row, ids, mask in zip(rows, batch["input_ids"].tolist(), batch["attention_mask"].tolist(), strict=True):
        gap = len(ids) - len(row)
        assert ids == [7] * gap + row
        assert mask == [0] * gap + [1] * len(row)
    assert batch["counts"] == {"rows": len(rows)}
