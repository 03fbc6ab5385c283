"""Dropping near duplicates among vectors."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import OptionError
from ladle_cleaning import near_vectors
from ladle_cleaning.duplicates import Deduplicate


def near(**options) -> Deduplicate:
    return Deduplicate.model_validate({"columns": ["vector"], "near": 0.9} | options)


def vectors(values) -> pa.Array:
    return pa.array(values, pa.list_(pa.float32()))


def test_a_vector_in_nearly_the_same_direction_is_a_near_duplicate(rows, clean):
    done = clean(near(), rows({"vector": vectors([[1, 0], [0, 1], [30, 3], [-1, 0]])}))
    assert list(done.kept) == ["r0", "r1", "r3"]
    reject = done.rejects["r2"]
    assert (reject.rule, reject.stays) == ("near-duplicate", "r0")
    assert reject.reason == "similarity 1.00 in `vector` to row r0"


def test_vectors_without_a_direction_are_near_to_none(rows, clean):
    values = [[0, 0], None, [math.nan, 1], [math.inf, 0], [1, 0], [None, 1], [0, 0], None]
    done = clean(near(near=0.1), rows({"vector": vectors(values)}))
    assert list(done.kept) == ["r0", "r1", "r2", "r3", "r4", "r5"]
    assert {reject.rule for reject in done.rejects.values()} == {"duplicate"}


@pytest.mark.parametrize(
    "values",
    [
        pa.nulls(3, pa.list_(pa.float32())),
        pa.array([[1.0, 0.0], None, [1.0, 0.1]], pa.list_(pa.float64(), 2)),
        pa.array([np.float16([1, 0]), None, np.float16([1, 0.1])], pa.list_(pa.float16())),
    ],
)
def test_vectors_of_all_kinds_are_compared(rows, clean, values):
    assert list(clean(near(), rows({"vector": values})).kept) == ["r0"] if values[0].is_valid is False else ["r0", "r1"]


def test_vectors_of_different_lengths_are_refused(rows, clean):
    data = rows({"vector": vectors([[1, 0], [1, 1], [2, 1], [1, 1, 1]])})
    with pytest.raises(OptionError) as caught:
        clean(near(), data)
    assert str(caught.value) == "the vectors of `vector` differ in length: 2 and 3 numbers"
    assert (caught.value.option, caught.value.item) == ("columns", "vector")


def clusters(matrix: np.ndarray, limit: float) -> list[set[int]]:
    """The cluster of each row of a matrix, by plain double precision."""
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    cluster = [{number} for number in range(len(matrix))]
    for one, other in zip(*np.nonzero(unit @ unit.T >= limit), strict=True):
        if cluster[one] is not cluster[other]:
            cluster[one] |= cluster[other]
            for number in cluster[other]:
                cluster[number] = cluster[one]
    return cluster


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.sampled_from([0.5, 0.9, 0.99]), st.sampled_from([1, 8, 2048]))
def test_each_is_compared_with_each(rows, clean, seed, count, limit, tile):
    random = np.random.default_rng(seed)
    matrix = random.standard_normal((max(1, count // 4), 3))[random.integers(0, max(1, count // 4), count)]
    matrix = (matrix + 0.2 * random.standard_normal((count, 3))).astype(np.float32)
    ranks = list(range(count))
    cleaner = near(near=limit, keep={"best": "rank"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_vectors, "TILE", tile)
        done = clean(cleaner, rows({"vector": vectors(matrix.tolist()), "rank": ranks}))
    expected = clusters(matrix.astype(np.float64), limit)
    assert done.values("rank") == sorted({max(cluster) for cluster in expected})
    assert all(f"r{max(expected[int(id_[1:])])}" == reject.stays for id_, reject in done.rejects.items())

    order = random.permutation(count)
    shuffled = rows({"vector": vectors(matrix[order].tolist()), "rank": order.tolist()}, per_batch=7)
    assert sorted(clean(cleaner, shuffled).values("rank")) == done.values("rank")
    kept = done.values("rank")
    assert not clean(cleaner, rows({"vector": vectors(matrix[kept].tolist()), "rank": kept})).rejects


def test_of_very_many_those_are_compared_that_lie_on_the_same_sides_of_planes(rows, clean, monkeypatch):
    monkeypatch.setattr(near_vectors, "EXACT", 100)
    monkeypatch.setattr(near_vectors, "TILE", 256)
    random = np.random.default_rng(5)
    count, length, limit = 2000, 32, 0.95
    one = random.standard_normal((count, length))
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    aside = random.standard_normal((count, length))
    aside -= (aside * one).sum(1, keepdims=True) * one
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    cosine = random.uniform(0.9, 1, (count, 1))
    other = cosine * one + np.sqrt(1 - cosine**2) * aside
    done = clean(near(near=limit), rows({"vector": vectors(np.concatenate([one, other]).tolist())}, per_batch=999))
    pairs = {frozenset([int(id_[1:]), int(reject.stays[1:])]) for id_, reject in done.rejects.items()}
    near_ones = {frozenset([at, at + count]) for at in np.flatnonzero(cosine[:, 0] >= limit + 1e-6).tolist()}
    assert pairs <= near_ones | {frozenset([at, at + count]) for at in np.flatnonzero(abs(cosine[:, 0] - limit) < 1e-6)}
    assert len(pairs & near_ones) >= near_vectors.RECALL * len(near_ones)
