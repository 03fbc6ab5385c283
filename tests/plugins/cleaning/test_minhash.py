"""Sketches agree as often as sets are alike, and bands find pairs as often as they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle_cleaning.clusters import Clusters
from ladle_cleaning.minhash import RECALL, Layout, band_keys, sketches


def sets(*elements: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(elements), np.cumsum([0, *map(len, elements)])


def pairs(shared: int, alone: int, count: int, seed: int = 0) -> list[np.ndarray]:
    """Sets, each of which has `shared` elements in common with the next one, and `alone` for itself."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        common, *own = (random.integers(0, 1 << 64, size, np.uint64) for size in (shared, alone, alone))
        found += [random.permutation(np.concatenate([common, one])) for one in own]
    return found


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize(
    ("shared", "alone"), [(1, 1), (4, 1), (9, 2), (40, 5), (80, 10), (300, 300), (800, 100), (10, 0)]
)
def test_sketches_agree_with_the_probability_of_the_jaccard_similarity(size, shared, alone):
    jaccard, count = shared / (shared + 2 * alone), 400
    made = sketches(*sets(*pairs(shared, alone, count)), size)
    agree = (made[::2] == made[1::2]).mean(1)
    # The mean of `count` pairs is off by no more than four times what that of independent draws would be.
    assert abs(agree.mean() - jaccard) <= 4 * agree.std() / math.sqrt(count) + 1e-12
    if shared > 100:  # places of a large set depend on each other less than those of as many hash functions
        assert agree.std() <= 1.1 * math.sqrt(jaccard * (1 - jaccard) / size)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**64 - 2), max_size=30), min_size=1, max_size=5), st.randoms())
def test_a_sketch_is_one_of_a_set_alone(lists, chosen):
    arrays = [np.array(numbers, np.uint64) for numbers in lists]
    made = sketches(*sets(*arrays), 64)
    for numbers, sketch in zip(lists, made, strict=True):
        other = [*numbers, *numbers[:3]]
        chosen.shuffle(other)
        assert (sketches(*sets(np.array(other, np.uint64)), 64) == sketch).all()
        is_filled = sketch != np.uint64(2**64 - 1)
        assert is_filled.all() if numbers else not is_filled.any()


@pytest.mark.parametrize("near", [0.1, 0.3, 0.5, 0.7, 0.74, 0.75, 0.8, 0.9, 0.95, 0.99])
def test_bands_find_what_is_near_enough(near):
    layout = Layout.finding(near)
    assert layout.bands * layout.values <= layout.size
    assert 1 - (1 - near**layout.values) ** layout.bands >= RECALL
    longer = layout.values + 1
    needed = math.log(1 - RECALL) / math.log(1 - near**longer)
    assert longer > 16 or math.ceil(needed) * longer > layout.size

    shared = 180
    alone = round(shared * (1 / near - 1) / 2)
    made = sketches(*sets(*pairs(shared, alone, 500)), layout.size)
    keys = band_keys(made, layout)
    assert keys.shape == (layout.bands, 1000)
    found = (keys[:, ::2] == keys[:, 1::2]).any(0).mean()
    jaccard = shared / (shared + 2 * alone)
    expected = 1 - (1 - jaccard**layout.values) ** layout.bands
    assert found >= expected - 0.02


def test_the_layout_at_the_usual_similarity():
    assert Layout.finding(0.8) == Layout(size=64, bands=12, values=5)
    assert Layout.finding(1.0) == Layout(size=64, bands=1, values=16)


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=15), max_size=4))
def test_clusters_are_what_is_connected(rounds):
    clusters = Clusters(20)
    members = {number: {number} for number in range(20)}
    for joined in rounds:
        one, other = np.array(joined, np.int64).reshape(-1, 2).T
        clusters.join(one, other)
        for a, b in joined:
            for number in members[a] | members[b]:
                members[number] = members[a] | members[b]
            for number in members[a]:
                members[number] = members[a]
        assert not clusters.apart(one, other).any()
        assert clusters.of.tolist() == [min(members[number]) for number in range(20)]
