from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from ladle import Columns, OptionError
from ladle_semisupervised.graph import neighbour_graph, packed, sharpened, spread, unpacked
from ladle_semisupervised.propagation import LabelPropagation


def labeler(**options) -> LabelPropagation:
    return LabelPropagation.model_validate(options)


def two_rings(rows: int = 200, known: int = 20, seed: int = 0):
    """Points of two classes on two rings, one within the other: no line tells them apart, neighbours do."""
    random = np.random.default_rng(seed)
    classes = np.arange(rows) % 2
    angles = random.uniform(0, 2 * np.pi, rows)
    points = (1 + classes)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1) + random.normal(0, 0.05, (rows, 2))
    names = np.array(["inner", "outer"])[classes].tolist()
    return {
        "embedding": pa.array(points.astype(np.float32).tolist(), pa.list_(pa.float32())),
        "label": pa.array(names[:known] + [None] * (rows - known), pa.string()),
        "truth": pa.array(names),
    }


def test_labels_go_from_neighbour_to_neighbour(rows_of, labelled):
    done = labelled(labeler(neighbours=5), rows_of(two_rings()))
    assert done["label"] == done["truth"]
    assert done["label_origin"] == ["given"] * 20 + ["propagation"] * 180
    assert done["label_confidence"][:20] == [None] * 20
    assert all(0.8 <= sure <= 1 for sure in done["label_confidence"][20:])


def test_rows_that_no_label_reaches_have_none(rows_of, labelled):
    columns = two_rings()
    far = [[100.0 + at, 100.0] for at in range(8)]
    columns["embedding"] = pa.array(columns["embedding"].to_pylist() + far, pa.list_(pa.float32()))
    for name in ("label", "truth"):
        columns[name] = pa.array(columns[name].to_pylist() + [None] * 8, pa.string())
    done = labelled(labeler(neighbours=5, threshold=0), rows_of(columns))
    assert None not in done["label"][:200]
    assert done["label"][200:] == done["label_origin"][200:] == done["label_confidence"][200:] == [None] * 8


def test_rows_that_are_held_out_teach_nothing_and_new_ones_get_what_their_neighbours_have(rows_of, learnt, labelled):
    columns, held, new = two_rings(), two_rings(seed=1, known=100), two_rings(rows=60, known=0, seed=2)
    held["label"] = pa.array(["outer"] * 100 + [None] * 100)  # wrong for half of them
    both = {name: pa.concat_arrays([columns[name], held[name], new[name]]) for name in columns}
    splits = ["train"] * 200 + ["validation", "test"] * 100 + ["predict"] * 60
    chosen = labeler(neighbours=5, held_out=True)
    assert learnt(chosen, rows_of(both, splits)).state == learnt(chosen, rows_of(columns)).state
    done = labelled(chosen, rows_of(both, splits))
    assert done["label"][:200] == done["truth"][:200]
    assert done["label"][200:300] == ["outer"] * 100
    assert done["label"][300:] == done["truth"][300:]
    assert labelled(labeler(neighbours=5), rows_of(both, splits))["label"][300:400] == [None] * 100


def test_confidence_is_a_probability_that_hits_bear_out(rows_of, labelled):
    random = np.random.default_rng(3)
    numbers = np.arange(900) % 2
    points = random.normal(size=(900, 2)) + np.outer(numbers * 2 - 1, [0.6, 0])
    columns = {
        "embedding": pa.array(points.astype(np.float32).tolist(), pa.list_(pa.float32())),
        "label": pa.array([None if at >= 150 else int(number) for at, number in enumerate(numbers)]),
    }
    done = labelled(labeler(threshold=0), rows_of(columns))
    right, sure = np.array(done["label"][150:]) == numbers[150:], np.array(done["label_confidence"][150:])
    assert sure.mean() == pytest.approx(right.mean(), abs=0.06)
    assert right[sure > 0.75].mean() > right[sure < 0.65].mean() + 0.1


def test_labels_without_meaning_convince_of_nothing(rows_of, labelled):
    columns = two_rings(known=60)
    known = np.random.default_rng(1).permutation(["inner"] * 30 + ["outer"] * 30).tolist()
    columns["label"] = pa.array(known + [None] * 140)
    assert labelled(labeler(), rows_of(columns))["label"][60:] == [None] * 140


def test_the_notes_count_and_check_what_was_labelled(rows_of, learnt):
    done = learnt(labeler(neighbours=5, truth="truth"), rows_of(two_rings()))
    assert done.notes == {"labelled in round 1": "180, 100.0% of them right by `truth`", "left without a label": "0"}


def test_more_rows_than_are_allowed_are_refused_before_any_work(rows_of):
    with pytest.raises(
        OptionError, match="the train split has 200 rows for the graph, more than max_rows = 199"
    ) as error:
        labeler(max_rows=199).fit(rows_of(two_rings()))
    assert (error.value.option, error.value.help.split(",")[0]) == (
        "max_rows",
        "write max_rows = 200 if there is memory for it",
    )


def test_columns_are_declared():
    after = labeler(into="mood").columns_after(Columns({"embedding": "vector", "mood": "integer"}))
    assert dict(after) == {
        "embedding": "vector",
        "mood": "integer",
        "mood_confidence": "number",
        "mood_origin": "text",
    }


# What it is made of


def test_the_graph_joins_nearest_neighbours_both_ways():
    line = np.array([[0.0], [1.0], [3.0], [7.0]])
    wanted = [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
    assert neighbour_graph(line, 1).toarray().tolist() == wanted
    assert neighbour_graph(line, 50).toarray().tolist() == (1 - np.eye(4)).tolist()


def test_spreading_agrees_with_its_formula():
    """Zhou et al. (2004): F = (1 - a) (1 - a S)^-1 Y, S = D^-1/2 W D^-1/2, here by solving it."""
    random = np.random.default_rng(4)
    graph = (random.random((9, 9)) < 0.3).astype(float)
    graph = np.maximum(graph, graph.T)
    np.fill_diagonal(graph, 0)
    graph[0, 1:3] = graph[1:3, 0] = 1
    roots = np.sqrt(graph.sum(1))
    assert all(roots > 0)
    numbers = np.array([0, -1, 1, -1, -1, 2, -1, -1, -1])
    known = np.eye(3)[numbers] * (numbers >= 0)[:, None]
    for reach in (0.3, 0.8, 0.99):
        solved = (1 - reach) * np.linalg.solve(np.eye(9) - reach * graph / np.outer(roots, roots), known)
        wanted = solved / solved.sum(1, keepdims=True)
        np.testing.assert_allclose(spread(sparse.csr_matrix(graph), numbers, reach), wanted, atol=1e-4)


def test_two_rows_and_what_lies_between_by_hand():
    """A row between one row of each class has half of either; sharpened by 2, shares of 3:1 become 9:1."""
    between = sparse.csr_matrix(np.array([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]))
    np.testing.assert_allclose(spread(between, np.array([0, -1, 1]), 0.5)[1], [0.5, 0.5])
    np.testing.assert_allclose(sharpened(np.array([[0.75, 0.25], [0.0, 0.0]]), 2.0), [[0.9, 0.1], [0, 0]])


def test_what_is_kept_as_text_comes_back():
    matrix = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_array_equal(unpacked(packed(matrix)), matrix)
