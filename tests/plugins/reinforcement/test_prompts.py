"""The order of prompts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle_reinforcement.prompts import Prompts


@given(
    rows=st.integers(1, 40),
    prompts=st.integers(1, 9),
    group=st.integers(2, 4),
    repeats=st.integers(1, 4),
    processes=st.integers(1, 3),
    epoch=st.integers(0, 3),
)
def test_every_prompt_comes_in_whole_groups_and_none_is_left_out(rows, prompts, group, repeats, processes, epoch):
    order = Prompts(rows, prompts, group, repeats, processes, seed=3)
    order.set_epoch(epoch)
    batches = list(order)
    assert len(batches) == len(order)
    assert batches == list(order)
    assert {row for batch in batches for row in batch} == set(range(rows))
    for batch in batches:
        assert len(batch) == prompts * group
        assert all(len(set(batch[at : at + group])) == 1 for at in range(0, len(batch), group))
    once = [batch for at in range(0, len(batches), repeats * processes) for batch in batches[at : at + processes]]
    for at in range(0, len(batches), repeats * processes):  # each process gets its own batch again and again
        block = batches[at : at + repeats * processes]
        assert block == block[:processes] * repeats
    counts = [sum(batch.count(row) for batch in once) // group for row in range(rows)]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) - rows < prompts * processes or prompts * processes > rows


@pytest.mark.parametrize("epoch", [0, 1])
def test_each_epoch_has_its_order(epoch):
    one, other = Prompts(20, 5, 2, 1, 1, seed=1), Prompts(20, 5, 2, 1, 1, seed=1)
    one.set_epoch(epoch)
    other.set_epoch(epoch + 1)
    assert list(one) != list(other)
