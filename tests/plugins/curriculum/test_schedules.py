"""The order that schedules make of rows, for any difficulties."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle.errors import OptionError
from ladle.training import shuffled
from ladle_curriculum.batches import batches_of
from ladle_curriculum.callbacks import Memory
from ladle_curriculum.curriculum import Curriculum
from ladle_curriculum.difficulty import Difficulty
from ladle_curriculum.measures import Column, Random
from ladle_curriculum.schedules import SelfPaced


def schedule_of(setting, rows: Dataset, batch_size: int = 4, difficulty: Difficulty | None = None, **options):
    inner = functools.partial(shuffled, batch_size=batch_size, seed=setting.seed)
    given_options = {"difficulty": difficulty or Column(column="hardness")} | options
    return Curriculum.model_validate(given_options).within(setting).sampler(inner, rows)


def epoch_of(schedule, epoch: int) -> list[list[int]]:
    schedule.set_epoch(epoch)
    return list(schedule)


def flat(batches) -> list[int]:
    return [row for batch in batches for row in batch]


# few values, so that many rows are equally difficult; two of them differ
difficulties = st.lists(st.integers(-3, 9), min_size=2, max_size=60).map(lambda found: [-4, *found])


@settings(max_examples=40, deadline=None)
@given(
    hardness=difficulties,
    batch_size=st.integers(1, 9),
    seed=st.integers(0, 99),
    epoch=st.integers(0, 3),
    lengths=st.booleans(),
    reverse=st.booleans(),
)
def test_sorted_goes_from_the_easiest_to_the_hardest_row_in_each_epoch(
    hardness, batch_size, seed, epoch, lengths, reverse, setting
):
    rows = Dataset.from_dict({"hardness": hardness} | ({"length": hardness[::-1]} if lengths else {}))
    schedule = schedule_of(setting(seed), rows, batch_size, schedule="sorted", reversed=reverse)
    batches = epoch_of(schedule, epoch)
    assert sorted(flat(batches)) == list(range(len(rows)))
    assert [hardness[row] for row in flat(batches)] == sorted(hardness, reverse=reverse)
    assert [len(batch) for batch in batches] == sorted(map(len, batches), reverse=True)
    assert len(batches) == len(schedule) == math.ceil(len(rows) / batch_size)
    assert epoch_of(schedule, epoch) == batches


def test_rows_of_equal_difficulty_come_in_another_order_each_epoch(setting):
    rows = Dataset.from_dict({"hardness": [0] * 30 + [1] * 30})
    schedule = schedule_of(setting(), rows, schedule="sorted")
    first, second = (flat(epoch_of(schedule, epoch)) for epoch in (0, 1))
    assert first != second
    assert set(first[:30]) == set(second[:30]) == set(range(30))


@settings(max_examples=40, deadline=None)
@given(
    hardness=difficulties,
    batch_size=st.integers(1, 9),
    seed=st.integers(0, 99),
    epochs=st.integers(1, 4),
    until=st.floats(0.1, 1),
    start=st.floats(0.01, 0.9),
    pace=st.sampled_from(["linear", "root"]),
    lengths=st.booleans(),
    reverse=st.booleans(),
)
def test_competence_draws_from_the_share_of_rows_that_it_tells(
    hardness, batch_size, seed, epochs, until, start, pace, lengths, reverse, setting
):
    rows = Dataset.from_dict({"hardness": hardness} | ({"length": [h % 4 for h in hardness]} if lengths else {}))
    options = {"until": until, "start": start, "pace": pace, "reversed": reverse}
    schedule = schedule_of(setting(seed, epochs), rows, batch_size, **options)
    ordered = sorted(hardness, reverse=reverse)
    shares = []
    for epoch in range(epochs):
        batches = epoch_of(schedule, epoch)
        assert epoch_of(schedule, epoch) == batches
        assert len(batches) == len(schedule) == math.ceil(len(rows) / batch_size)
        for number, batch in enumerate(batches):
            told = schedule.told(number)
            shares.append(told["share_of_rows"])
            hardest = ordered[round(told["share_of_rows"] * len(rows)) - 1]
            assert all(hardness[row] >= hardest if reverse else hardness[row] <= hardest for row in batch)
            assert len(set(batch)) == len(batch)
            assert told["difficulty"] == pytest.approx(np.mean([hardness[row] for row in batch]))
        if epoch * len(schedule) >= until * epochs * len(schedule):
            assert sorted(flat(batches)) == list(range(len(rows)))  # all take part: each once
    assert set(shares[math.ceil(until * len(shares)) :]) <= {1.0}
    for share, later in itertools.pairwise(shares[:-1]):
        assert share <= later


def test_competence_follows_the_formula_of_the_paper(setting):
    """1,000 rows in batches of 10, 4 epochs, of which half are the time T of the paper: 200 batches."""
    rows = Dataset.from_dict({"hardness": list(range(1000))})
    for pace, power in (("linear", 1), ("root", 2)):
        schedule = schedule_of(setting(), rows, 10, pace=pace, start=0.1)
        for epoch in (0, 1):
            epoch_of(schedule, epoch)
            for batch in range(0, 100, 7):
                passed = (epoch * 100 + batch) / 200
                wanted = (passed * (1 - 0.1**power) + 0.1**power) ** (1 / power)
                assert schedule.told(batch)["share_of_rows"] == math.ceil(round(wanted * 1000, 6)) / 1000
        assert epoch_of(schedule, 2)
        assert schedule.told(0)["share_of_rows"] == 1


def test_all_rows_below_the_competence_are_as_likely(setting):
    rows = Dataset.from_dict({"hardness": list(range(40))})
    schedule = schedule_of(setting(epochs=1e6), rows, 5, start=0.5)  # it hardly grows
    counts = np.bincount(flat(flat([epoch_of(schedule, epoch) for epoch in range(400)])), minlength=40)
    assert counts[21:].sum() == 0
    assert counts[:20].min() > 0.85 * 800
    assert counts[:20].max() < 1.15 * 800


@settings(max_examples=40, deadline=None)
@given(
    hardness=difficulties,
    batch_size=st.integers(1, 5),
    buckets=st.one_of(st.none(), st.integers(2, 7)),
    keep=st.booleans(),
)
def test_buckets_are_added_one_after_another_and_equal_rows_stay_together(hardness, batch_size, buckets, keep, setting):
    rows = Dataset.from_dict({"hardness": hardness})
    options = {"schedule": "buckets", "keep_easier": keep} | ({"buckets": buckets} if buckets else {})
    schedule = schedule_of(setting(epochs=3), rows, batch_size, **options)
    batches = [batch for epoch in range(3) for batch in epoch_of(schedule, epoch)]
    ordered = sorted(hardness)
    hardest = set(hardness)  # rows of each bucket
    if buckets or len(hardest) > 10:
        count = buckets or 5
        hardest = {ordered[math.ceil(len(ordered) * part / count) - 1] for part in range(1, count + 1)}
    ends = sorted(sum(h <= mark for h in hardness) for mark in hardest)
    for number, batch in enumerate(batches):
        passed = number / (0.5 * len(batches))
        bucket = int(passed * len(ends) + 1e-9)
        low, high = (0, len(rows)) if passed >= 1 else (0 if keep or not bucket else ends[bucket - 1], ends[bucket])
        low = max(0, min(low, len(rows) - len(batches[0])))
        high = max(high, low + len(batches[0]))  # no batch holds a row twice
        assert {hardness[row] for row in batch} <= set(ordered[low:high])


def test_one_bucket_in_the_place_of_another_leaves_the_easier_rows_behind(setting):
    rows = Dataset.from_dict({"hardness": [0] * 8 + [1] * 16 + [2] * 24})
    options = {"schedule": "buckets", "keep_easier": False, "until": 1.0}
    schedule = schedule_of(setting(epochs=1), rows, 4, **options)
    values = [{rows["hardness"][row] for row in batch} for batch in epoch_of(schedule, 0)]
    assert values == [{0}] * 4 + [{1}] * 4 + [{2}] * 4


@pytest.mark.parametrize("options", [{}, {"schedule": "buckets", "buckets": 5}, {"schedule": "sorted"}])
def test_the_random_control_has_the_same_pacing_and_no_order(options, setting):
    hardness = np.random.default_rng(1).random(3000)
    rows = Dataset.from_dict({"hardness": hardness})
    shares, rises = [], []
    for difficulty in (None, Random()):
        schedule = schedule_of(setting(), rows, 50, difficulty, **options)
        means = [hardness[batch].mean() for batch in epoch_of(schedule, 0)]
        rises.append(np.corrcoef(means, np.arange(len(means)))[0, 1])
        shares.append([schedule.told(batch).get("share_of_rows") for batch in range(len(schedule))])
    assert shares[0] == shares[1]
    assert rises[0] > 0.8
    assert abs(rises[1]) < 0.4
    other = schedule_of(setting(seed=4), rows, 50, Random(), **options)
    assert epoch_of(schedule, 0) != epoch_of(other, 0)


def test_rows_of_like_length_share_batches(setting):
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 200, 8000)
    plain = Dataset.from_dict({"hardness": generator.random(8000)})
    padded = {}
    for name, rows in (("alike", plain.add_column("length", lengths)), ("mixed", plain)):
        schedule = schedule_of(setting(), rows, 16)
        for part, epoch in (("rising", 1), ("all", 3)):
            batches = epoch_of(schedule, epoch)
            padded[name, part] = sum(len(b) * lengths[b].max() for b in batches) / lengths[flat(batches)].sum()
    assert padded["mixed", "rising"] > 1.7
    assert padded["alike", "rising"] < 1.2
    assert padded["alike", "all"] < 1.1


def test_epochs_can_be_counted_in_steps_and_parts(setting):
    rows = Dataset.from_dict({"hardness": list(range(100))})
    half = schedule_of(setting(epochs=0.5), rows, 10, start=0.1, pace="linear")  # of 5 batches
    epoch_of(half, 0)
    assert [half.told(batch)["share_of_rows"] for batch in range(4)] == pytest.approx([0.1, 0.46, 0.82, 1])
    here = setting()
    here.plan.trainer.arguments["max_steps"] = 10
    here.plan.trainer.accumulate = 2
    ten = schedule_of(here, rows, 10, start=0.1, pace="linear")
    epoch_of(ten, 0)
    assert ten.told(5)["share_of_rows"] == pytest.approx(0.55)
    epoch_of(ten, 1)
    assert ten.told(0)["share_of_rows"] == 1


def test_rows_that_do_not_differ_have_no_order(setting):
    rows = Dataset.from_dict({"hardness": [2, 2, 2]})
    with pytest.raises(OptionError, match=r"every row is as difficult as the others \(2\)") as raised:
        schedule_of(setting(), rows)
    assert raised.value.option == ("difficulty",)


def self_paced(setting, losses, batch_size=4, lengths=None, **options):
    rows = Dataset.from_dict({"number": range(len(losses[0]))} | ({} if lengths is None else {"length": lengths}))
    batches = batches_of(functools.partial(shuffled, batch_size=batch_size, seed=1), rows, None)
    given_losses = iter(losses)
    schedule = SelfPaced(batches, 1, lengths, lambda: np.array(next(given_losses)), **options)
    schedule.memory = Memory()
    return schedule


@settings(max_examples=40, deadline=None)
@given(
    losses=st.lists(st.lists(st.integers(0, 40), min_size=13, max_size=13), min_size=3, max_size=3),
    start=st.sampled_from([0.25, 0.5, 0.75, 1.0]),  # each at a row, of 13
    growth=st.sampled_from([1.1, 1.5, 2.0]),
    has_lengths=st.booleans(),
)
def test_self_paced_goes_through_the_rows_below_a_threshold_that_grows(losses, start, growth, has_lengths, setting):
    lengths = np.arange(13) * 7 % 5 if has_lengths else None
    losses = (np.array(losses) / 8).tolist()
    schedule = self_paced(setting, losses, lengths=lengths, start=start, growth=growth)
    assert sorted(flat(epoch_of(schedule, 0))) == list(range(13))
    first = sorted(losses[0])[int(12 * start)]
    for epoch, now in enumerate(losses, 1):
        threshold = max(first * growth ** (epoch - 1), sorted(now)[3])
        seen = flat(epoch_of(schedule, epoch))
        easy = {row for row, loss in enumerate(now) if loss <= threshold}
        assert len(seen) == 13
        assert set(seen) <= easy
        counts = [seen.count(row) for row in easy]
        assert schedule.told(0)["share_of_rows"] == len(easy) / 13
        assert schedule.told(0)["threshold"] == first * growth ** (epoch - 1)
        assert max(counts) - min(counts) <= 1  # all of them as often


def test_rows_without_a_loss_always_take_part(setting):
    losses = [[5.0, 4.0, 3.0, 2.0, 1.0, math.nan, math.nan, 0.5]]
    schedule = self_paced(setting, losses, batch_size=2, start=0.5, growth=1.3)
    epoch_of(schedule, 0)
    assert set(flat(epoch_of(schedule, 1))) == {3, 4, 5, 6, 7}
