"""The order of rows: every row once an epoch, another order each epoch, rows of like length together."""

from __future__ import annotations

import numpy as np
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from ladle.training import LengthBuckets, Shuffled, shuffled
from ladle.training.samplers import TokenBudget


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


@given(
    lengths=st.lists(st.integers(1, 500), max_size=300),
    tokens=st.integers(1, 3000),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 100),
)
def test_batches_of_a_token_budget_hold_every_row_once_and_keep_to_it(lengths, tokens, seed, epoch):
    sampler = TokenBudget(lengths, tokens, seed)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert len(batches) == len(sampler)
    assert all(len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= tokens for batch in batches)
    assert list(sampler) == batches


def test_batches_of_a_token_budget_pad_little_are_full_and_mix_rows_anew():
    lengths = np.random.default_rng(0).integers(1, 200, 20_000)
    sampler = TokenBudget(lengths, 4096, seed=0)
    batches = list(sampler)
    padded = np.array([len(batch) * lengths[batch].max() for batch in batches])
    assert padded.sum() < lengths.sum() * 1.1
    assert len(batches) < lengths.sum() / 4096 * 1.15
    assert padded[0] == padded.max()
    means = np.array([lengths[batch].mean() for batch in batches])
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.15
    beside = next(set(batch) for batch in batches if 0 in batch)
    sampler.set_epoch(1)
    assert len(beside & next(set(batch) for batch in sampler if 0 in batch)) < len(beside) / 2


def test_several_processes_share_the_batches_of_a_token_budget():
    from accelerate.data_loader import BatchSamplerShard

    lengths = [3 + number % 9 for number in range(100)]
    sampler = TokenBudget(lengths, 30, seed=0)
    shards = [list(BatchSamplerShard(sampler, num_processes=2, process_index=index)) for index in (0, 1)]
    assert len(shards[0]) == len(shards[1])
    assert {row for shard in shards for batch in shard for row in batch} == set(range(100))
