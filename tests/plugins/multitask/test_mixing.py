"""How many batches of an epoch are of each task, and which rows stand in them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from accelerate.data_loader import BatchSamplerShard
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle.training import LengthBuckets, Shuffled
from ladle_multitask.mixing import Mixture, Passes, shares

SIZES = st.lists(st.integers(1, 40), min_size=2, max_size=5)


def mixture(rows: list[int], exponents: list[float], batch_size: int = 4, seed: int = 0) -> Mixture:
    """Tasks of so many rows, one after another in one data set."""
    starts = itertools.accumulate([0, *rows[:-1]])
    tasks = [
        Passes(Shuffled(count, batch_size, seed), np.arange(start, start + count))
        for start, count in zip(starts, rows, strict=True)
    ]
    return Mixture(tasks, exponents, seed)


def epochs_of(mixed: Mixture, count: int) -> list[list[list[int]]]:
    found = []
    for epoch in range(count):
        mixed.set_epoch(epoch)
        found.append(list(mixed))
    return found


def test_shares_are_powers_of_sizes():
    assert shares([100, 400], 1.0).tolist() == pytest.approx([0.2, 0.8])
    assert shares([100, 400], 0.0).tolist() == pytest.approx([0.5, 0.5])
    assert shares([100, 400], 0.5).tolist() == pytest.approx([1 / 3, 2 / 3])  # 10 to 20
    assert shares([100, 400], 0.2).tolist() == pytest.approx([1 / (1 + 4**0.2), 4**0.2 / (1 + 4**0.2)])


@given(SIZES, st.floats(0, 1), st.integers(0, 10))
@settings(max_examples=60, deadline=None)
def test_an_epoch_has_each_task_as_often_as_its_share_says_up_to_one(rows, exponent, epoch):
    mixed = mixture(rows, [exponent])
    counts = np.bincount(mixed.drawn(epoch), minlength=len(rows))
    assert counts.sum() == len(mixed) == sum(-(-count // 4) for count in rows)
    expected = len(mixed) * shares([-(-count // 4) for count in rows], exponent)
    assert np.abs(counts - expected).max() <= 1 + 1e-6


def test_in_the_long_run_shares_are_met():
    mixed = mixture([30, 90, 200], [0.5])
    epochs = 400
    mean = sum(np.bincount(mixed.drawn(epoch), minlength=3) for epoch in range(epochs)) / epochs
    expected = len(mixed) * shares([8, 23, 50], 0.5)
    # the number of an epoch is one of two beside each other: its deviation is at most 1/2
    assert np.abs(mean - expected).max() < 4 * 0.5 / epochs**0.5


@given(SIZES, st.integers(0, 4))
@settings(max_examples=40, deadline=None)
def test_in_proportion_each_row_is_there_once_an_epoch(rows, epoch):
    mixed = mixture(rows, [1.0])
    mixed.set_epoch(epoch)
    assert sorted(row for batch in mixed for row in batch) == list(range(sum(rows)))


@given(SIZES, st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_batch_has_rows_of_one_task_which_come_again_when_all_of_it_have_been_there(rows, exponent):
    ends = np.cumsum(rows)
    streams: dict[int, list[int]] = {}
    for batch in itertools.chain(*epochs_of(mixture(rows, [exponent]), 3)):
        (task,) = {int(np.searchsorted(ends, row, side="right")) for row in batch}
        streams.setdefault(task, []).extend(batch)
    for task, stream in streams.items():
        whole = [stream[at : at + rows[task]] for at in range(0, len(stream), rows[task])]
        assert all(len(set(one)) == len(one) for one in whole)
    orders = [stream[: rows[t]] != stream[rows[t] : 2 * rows[t]] for t, stream in streams.items() if rows[t] > 12]
    assert all(orders)  # each pass is shuffled anew


def test_exponents_change_from_epoch_to_epoch():
    mixed = mixture([40, 360], [1.0, 0.6, 0.2])
    small = [int((mixed.drawn(epoch) == 0).sum()) for epoch in range(4)]
    expected = [100 * shares([10, 90], exponent)[0] for exponent in (1.0, 0.6, 0.2, 0.2)]
    assert small == pytest.approx(expected, abs=1)
    assert small[0] == 10


def test_batches_depend_on_seed_and_epoch_alone():
    straight = epochs_of(mixture([10, 50], [0.3]), 3)
    mixed = mixture([10, 50], [0.3])
    mixed.set_epoch(2)  # as a training does that goes on
    assert list(mixed) == straight[2]
    assert straight[0] != straight[1]
    assert epochs_of(mixture([10, 50], [0.3], seed=1), 1) != straight[:1]


def test_rows_of_like_length_share_batches():
    lengths = np.random.default_rng(0).integers(1, 100, 400)
    mixed = Mixture([Passes(LengthBuckets(lengths, 8, 0), np.arange(400))] * 2, [0.0], 0)
    spread = [int(np.ptp(lengths[batch])) for batch in mixed]
    assert np.mean(spread) < 5


@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_share_one_list_of_batches(processes):
    whole = list(mixture([22, 51], [0.5]))
    parts = [list(BatchSamplerShard(mixture([22, 51], [0.5]), processes, at)) for at in range(processes)]
    assert len({len(part) for part in parts}) == 1
    turns = [batch for step in zip(*parts, strict=True) for batch in step]
    assert turns[: len(whole)] == whole
    assert turns[len(whole) :] == whole[: -len(whole) % processes]  # so that all make as many steps
