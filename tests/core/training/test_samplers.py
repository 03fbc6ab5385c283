"""The order of rows: every row once an epoch, another order each epoch, rows of like length together."""

from __future__ import annotations

import numpy as np
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from ladle.training import LengthBuckets, Shuffled, shuffled


@given(
    lengths=st.lists(st.integers(1, 500), max_size=300),
    batch_size=st.integers(1, 40),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 100),
    in_buckets=st.booleans(),
)
def test_every_row_comes_once(lengths, batch_size, seed, epoch, in_buckets):
    sampler = LengthBuckets(lengths, batch_size, seed) if in_buckets else Shuffled(len(lengths), batch_size, seed)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert len(batches) == len(sampler)
    assert sum(len(batch) < batch_size for batch in batches) <= 1
    assert list(sampler) == batches


def test_each_epoch_has_an_order_of_its_own():
    for sampler in (Shuffled(1000, 8, seed=1), LengthBuckets(np.arange(1000) % 60, 8, seed=1)):
        orders = []
        for epoch in range(3):
            sampler.set_epoch(epoch)
            orders.append(tuple(row for batch in sampler for row in batch))
        assert len(set(orders)) == 3
        assert orders[0][:8] != tuple(range(8))


def test_length_buckets_pad_little_and_mix_short_and_long():
    lengths = np.random.default_rng(0).integers(1, 200, 20_000)
    batches = list(LengthBuckets(lengths, 32, seed=0))
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < lengths.sum() * 1.1  # in random order nearly twice as much
    means = np.array([lengths[batch].mean() for batch in batches])
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.1  # batches come in no order of length
    assert len({row // 1000 for row in batches[0]}) > 5  # and not from one corner of the data


def test_a_column_of_lengths_decides():
    rows = Dataset.from_dict({"length": [3, 1, 2], "x": [0, 0, 0]})
    assert isinstance(shuffled(rows, 2, 0), LengthBuckets)
    assert not isinstance(shuffled(rows.remove_columns("length"), 2, 0), LengthBuckets)
