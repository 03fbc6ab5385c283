"""Which rows come first: each once, the most telling in front, those to measure by as drawn."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from ladle_annotation.ordering import by_centres, by_margin, drawn
from ladle_annotation.table import RowTable

SPLITS = (["train"] * 4 + ["test"]) * 20


@pytest.fixture
def table(rows_of):
    """A hundred rows with vectors in four heaps, of 40, 30, 20 and 10."""
    generator = np.random.default_rng(0)
    heaps = [0] * 40 + [1] * 30 + [2] * 20 + [3] * 10
    random.Random(1).shuffle(heaps)
    centres = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])
    vectors = centres[heaps] + generator.normal(0, 0.1, (100, 2))
    vectors = pa.array(vectors.tolist(), pa.list_(pa.float32()))
    return RowTable(rows_of({"vector": vectors, "heap": heaps}, SPLITS))


def heaps_of(table, places):
    return [table.row(place, ["heap"])["heap"] for place in places]


def test_drawn_rows_are_all_rows_and_the_same_each_time(table):
    order = drawn(table, 5)
    assert sorted(order.places) == list(range(100))
    assert order == drawn(table, 5) != drawn(table, 6)


def test_centres_of_clusters_come_first_the_largest_in_front(table):
    order = by_centres(table, "vector", 4, 0)
    assert sorted(order.places) == list(range(100))
    learning = [place for place in order.places if SPLITS[place] == "train"]
    assert heaps_of(table, learning[:4]) == [0, 1, 2, 3]
    assert order == by_centres(table, "vector", 4, 0)
    assert order.how == "the centres of clusters first, then drawn at random"


def test_rows_to_measure_by_are_spread_over_all_and_drawn_alike_whatever_comes_first(table):
    orders = [
        by_centres(table, "vector", 4, 0),
        by_margin(table, lambda ids: {i: {"a": 1.0, "b": 0.0} for i in ids}, 0, "it"),
    ]
    measuring = [[place for place in order.places if SPLITS[place] == "test"] for order in orders]
    assert measuring[0] == measuring[1]
    for order in orders:
        at = [position for position, place in enumerate(order.places) if SPLITS[place] == "test"]
        assert np.abs(np.diff(at) - 5).max() <= 1


def test_what_a_model_is_least_sure_of_comes_first(table):
    def probabilities(ids):
        return {i: {"a": 0.5 + int(i[1:]) / 200, "b": 0.5 - int(i[1:]) / 200} for i in ids}

    order = by_margin(table, probabilities, 0, "the model `m` of the run r-1")
    learning = [place for place in order.places if SPLITS[place] == "train"]
    assert learning == sorted(learning)
    assert order.how == "those that the model `m` of the run r-1 is least sure of first"


def test_a_model_that_tells_no_probabilities_orders_nothing(table):
    assert by_margin(table, lambda ids: {}, 0, "it") is None


def test_rows_without_a_vector_follow(rows_of):
    vectors = pa.array([[0.0, 0.0], None, [1.0, 1.0], [float("nan"), 0.0], [5.0, 5.0], [1.0]], pa.list_(pa.float32()))
    table = RowTable(rows_of({"vector": vectors}, cut=2))
    order = by_centres(table, "vector", 2, 0)
    assert sorted(order.places) == list(range(6))
    assert set(order.places[:2]) <= {0, 2, 4}
    assert by_centres(table, "vector", 3, 0) is None  # no fewer clusters than rows
