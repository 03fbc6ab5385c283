"""Whatever a trainer's batches are made of stays: repeats, budgets, sizes, processes."""

from __future__ import annotations

import functools
import itertools
import random

import numpy as np
import pytest
from accelerate.data_loader import BatchSamplerShard
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import BatchSampler

from ladle.training import shuffled
from ladle.training.packing import Packs, packs_of
from ladle.training.samplers import TokenBudget
from ladle_curriculum.curriculum import Curriculum
from ladle_curriculum.measures import Column


class Repeating:
    """The order of TRL's RepeatSampler: `prompts` at a time, each `generations` times, all of it `times` over."""

    def __init__(self, rows, prompts: int, generations: int, times: int) -> None:
        self.shape = len(rows), prompts, generations, times

    def __iter__(self):
        rows, prompts, generations, times = self.shape
        order = random.sample(range(rows), rows)
        for start in range(0, rows - rows % prompts, prompts):
            for _, row in itertools.product(range(times), order[start : start + prompts]):
                yield from [row] * generations


def curriculum(setting, inner, rows, **options):
    given_options = {"difficulty": Column(column="hardness")} | options
    return Curriculum.model_validate(given_options).within(setting).sampler(inner, rows)


SCHEDULES = [{"schedule": "sorted"}, {"start": 0.2}, {"schedule": "buckets"}, {"schedule": "sorted", "reversed": True}]


@pytest.mark.parametrize("options", SCHEDULES)
@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(6, 40),
    prompts=st.integers(1, 5),
    generations=st.integers(2, 4),
    times=st.integers(1, 3),
    epoch=st.integers(0, 3),
)
def test_prompts_are_reordered_and_their_groups_stay_whole(options, rows, prompts, generations, times, epoch, setting):
    data = Dataset.from_dict({"hardness": list(range(rows))}).shuffle(seed=1)

    def inner(rows):
        return BatchSampler(Repeating(rows, prompts, generations, times), prompts * generations, drop_last=False)

    schedule = curriculum(setting(), inner, data, **options)
    schedule.set_epoch(epoch)
    batches = list(schedule)
    assert len(batches) == len(schedule) == len(list(inner(data))) == rows // prompts * times
    groups = [[batch[at : at + generations] for at in range(0, len(batch), generations)] for batch in batches]
    assert all(len(set(group)) == 1 for batch in groups for group in batch)
    for start in range(0, len(batches), times):  # what was generated for a batch serves it again
        assert all(batch == batches[start] for batch in batches[start : start + times])
    hardness = [data["hardness"][group[0]] for batch in groups[::times] for group in batch]
    assert len(hardness) == rows // prompts * prompts
    if options.get("schedule") == "sorted":
        assert hardness == sorted(set(hardness), reverse="reversed" in options)
    if epoch >= 2:
        assert len(set(hardness)) == len(hardness)


def test_prompts_that_fill_no_batch_are_others_in_each_epoch(setting):
    data = Dataset.from_dict({"hardness": list(range(10))})
    schedule = curriculum(
        setting(), lambda rows: BatchSampler(Repeating(rows, 4, 2, 1), 8, drop_last=False), data, schedule="sorted"
    )
    left_out = []
    for epoch in range(6):
        schedule.set_epoch(epoch)
        left_out.append(frozenset(range(10)) - {row for batch in schedule for row in batch})
    assert {len(rows) for rows in left_out} == {2}
    assert len(set(left_out)) > 3


def packs(rows, capacity: int, sequences: int = 2):
    """Batches of sequences into which rows are packed."""
    return Packs(rows["length"][:], capacity, sequences, seed=5)


def like_lengths(rows, capacity: int):
    """Batches of rows that are padded up to a budget."""
    return TokenBudget(rows["length"][:], 2 * capacity, seed=5)


@pytest.mark.parametrize("inner", [packs, like_lengths])
@pytest.mark.parametrize("options", SCHEDULES)
@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=8, max_size=300),
    capacity=st.integers(60, 120),
    seed=st.integers(0, 9),
)
def test_batches_keep_the_budget_that_their_trainer_fills(inner, options, lengths, capacity, seed, setting):
    lengths = [1] * 8 + [60] * 8 + lengths
    hardness = np.random.default_rng(seed).random(len(lengths))
    data = Dataset.from_dict({"hardness": hardness, "length": lengths})
    inner = functools.partial(inner, capacity=capacity)
    schedule = curriculum(setting(seed), inner, data, **options)
    if options.get("schedule") == "sorted":  # which has to have every row in packs of like difficulty
        assert len(inner(data)) <= len(schedule) <= 1.4 * len(inner(data)) + 2
    else:
        assert len(schedule) == len(inner(data))
    for epoch in (0, 3):
        schedule.set_epoch(epoch)
        batches = list(schedule)
        assert len(batches) == len(schedule)
        for batch in batches:
            found = [lengths[row] for row in batch]
            assert len(packs_of(found, capacity)) <= 2 or len(found) * max(found) <= 2 * capacity
        if options.get("schedule") == "sorted" or epoch == 3:
            assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
        if options.get("schedule") == "sorted":
            means = [float(np.mean(hardness[batch])) for batch in batches]
            assert means == sorted(means, reverse="reversed" in options)


@pytest.mark.parametrize(("inner", "more"), [(packs, 1.03), (like_lengths, 1.15)])
def test_rows_of_like_difficulty_share_a_packed_batch(inner, more, setting):
    generator = np.random.default_rng(0)
    lengths, hardness = generator.integers(1, 60, 6000), generator.random(6000)
    data = Dataset.from_dict({"hardness": hardness, "length": lengths})
    inner = functools.partial(inner, capacity=256)
    for options in ({"schedule": "sorted"}, {"start": 0.1, "until": 1}):
        batches = list(curriculum(setting(), inner, data, **options))
        assert max(hardness[batches[0]]) < 0.25
        assert np.mean([np.ptp(hardness[batch]) for batch in batches]) < 0.13
        assert 1 <= len(batches) / len(inner(data)) < (more if "schedule" in options else 1.001)


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("rows", [40, 43, 45])
@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("options", SCHEDULES)
def test_several_processes_share_the_batches(options, has_length, rows, processes, setting):
    hardness = list(range(rows))
    data = Dataset.from_dict({"hardness": hardness} | ({"length": hardness} if has_length else {}))
    inner = functools.partial(shuffled, batch_size=4, seed=3)
    whole = curriculum(setting(), inner, data, **options)
    shards = [
        BatchSamplerShard(curriculum(setting(), inner, data, **options), processes, number)
        for number in range(processes)
    ]
    found = [list(shard) for shard in shards]
    assert {len(batches) for batches in found} == {len(shards[0])}
    together = [batch for step in zip(*found, strict=True) for batch in step]
    assert together[: len(whole)] == list(whole)
