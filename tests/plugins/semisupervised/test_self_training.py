from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ladle import Columns, OptionError
from ladle_semisupervised.calibration import best_factor, fifths
from ladle_semisupervised.linear import Linear
from ladle_semisupervised.self_training import SelfTraining, surest


def labeler(**options) -> SelfTraining:
    return SelfTraining.model_validate(options)


def two_clouds(rows: int = 120, known: int = 12, apart: float = 3.0, seed: int = 0):
    """Vectors of two classes around two points, as columns: every class has known labels, and all have a truth."""
    random = np.random.default_rng(seed)
    classes = np.arange(rows) % 2
    vectors = random.normal(size=(rows, 4)) + np.outer(classes * 2 - 1, [apart / 2, 0, 0, 0])
    names = np.array(["cat", "dog"])[classes]
    return {
        "embedding": pa.array(vectors.astype(np.float32).tolist(), pa.list_(pa.float32())),
        "label": pa.array([name if at < known else None for at, name in enumerate(names)], pa.string()),
        "truth": pa.array(names.tolist()),
    }


def test_rows_near_known_ones_get_their_label_and_known_labels_stay(rows_of, labelled):
    columns = two_clouds()
    done = labelled(labeler(rounds=10, max_share=0.3, threshold=0.7), rows_of(columns))
    assert done["label"][:12] == done["truth"][:12]
    assert done["label_origin"] == ["given"] * 12 + [
        None if label is None else "self-training" for label in done["label"][12:]
    ]
    assert done["label_confidence"][:12] == [None] * 12
    new = [at for at in range(12, 120) if done["label"][at]]
    assert len(new) > 70
    assert np.mean([done["label"][at] == done["truth"][at] for at in new]) > 0.9


def test_what_is_not_sure_enough_has_neither_label_nor_confidence(rows_of, labelled):
    done = labelled(labeler(threshold=0.9, rounds=10, max_share=1.0), rows_of(two_clouds(apart=2.0, known=40)))
    new = [(label, sure) for label, sure in zip(done["label"][40:], done["label_confidence"][40:], strict=True)]
    assert any(label is None for label, _ in new)
    assert any(label is not None for label, _ in new)
    assert all((label is None) == (sure is None) for label, sure in new)
    assert all(sure >= 0.9 for _, sure in new if sure is not None)


def test_confidence_is_a_probability_that_hits_bear_out(rows_of, labelled):
    """Of labels that are said to be right with a probability of p, about p are, over clouds that overlap."""
    right, said = [], []
    for seed in range(3):
        columns = two_clouds(rows=800, known=100, apart=1.5, seed=seed)
        done = labelled(labeler(threshold=0.5, rounds=1, max_share=1.0, balance="none"), rows_of(columns))
        right += [label == true for label, true in zip(done["label"][100:], done["truth"][100:], strict=True)]
        said += done["label_confidence"][100:]
    right, said = np.array(right), np.array(said)
    for low, high in ((0.5, 0.7), (0.7, 0.85), (0.85, 0.95), (0.95, 1)):
        within = (said >= low) & (said < high)
        assert right[within].mean() == pytest.approx(said[within].mean(), abs=0.07)


def test_labels_without_meaning_convince_of_nothing(rows_of, labelled):
    columns = two_clouds(known=40)
    known = np.random.default_rng(5).permutation(["cat"] * 20 + ["dog"] * 20).tolist()
    columns["label"] = pa.array(known + [None] * 80)
    assert labelled(labeler(), rows_of(columns))["label"][40:] == [None] * 80


def test_a_round_labels_at_most_its_share_and_the_notes_count_them(rows_of, learnt):
    done = learnt(labeler(rounds=3, max_share=0.1, threshold=0.6, truth="truth"), rows_of(two_clouds()))
    assert [list(done.notes)] == [
        ["labelled in round 1", "labelled in round 2", "labelled in round 3", "left without a label"]
    ]
    assert done.notes["labelled in round 1"] == "10, 100.0% of them right by `truth`"
    assert done.notes["left without a label"] == "78"  # of 108
    assert len(done.state["rows"]) == 30


def test_the_truth_is_told_only_where_it_is_known_and_teaches_nothing(rows_of, learnt):
    columns = two_clouds()
    without = learnt(labeler(rounds=2), rows_of(columns))
    columns["truth"] = pa.array([None] * 110 + ["cat"] * 10)
    half = learnt(labeler(rounds=2, truth="truth"), rows_of(columns))
    assert half.state["rows"] == without.state["rows"]
    assert without.notes["labelled in round 1"] == "10"
    columns["truth"] = pa.nulls(120, pa.string())
    assert learnt(labeler(rounds=2, truth="truth"), rows_of(columns)).notes == without.notes


def test_rows_that_are_held_out_teach_nothing_and_get_nothing(rows_of, learnt, labelled):
    columns, other = two_clouds(), two_clouds(seed=9, apart=-6.0)  # as if all were the other way round
    both = {name: pa.concat_arrays([columns[name], other[name], other[name]]) for name in columns}
    splits = ["train"] * 120 + ["validation"] * 120 + ["test"] * 120
    assert learnt(labeler(), rows_of(both, splits)).state == learnt(labeler(), rows_of(columns)).state
    done = labelled(labeler(), rows_of(both, splits))
    assert done["label"][120:] == both["label"].to_pylist()[120:]
    assert done["label_origin"][132:240] == [None] * 108
    assert done["label_confidence"][120:] == [None] * 240


def test_held_out_rows_get_labels_where_that_is_wanted_and_rows_to_predict_always(rows_of, labelled):
    columns = two_clouds(known=120, rows=240)
    splits = ["train"] * 120 + ["validation", "test", "predict"] * 40
    found = {held_out: labelled(labeler(held_out=held_out), rows_of(columns, splits)) for held_out in (True, False)}
    assert found[True]["label"][122::3] == found[False]["label"][122::3]
    assert sum(label is not None for label in found[True]["label"][122::3]) > 25
    assert sum(label is not None for label in found[True]["label"][121::3]) > 25
    assert not any(found[False]["label"][121::3])
    sure = [at for at in range(120, 240) if found[True]["label"][at]]
    assert np.mean([found[True]["label"][at] == found[True]["truth"][at] for at in sure]) > 0.9


def test_rows_without_a_vector_teach_nothing_and_get_no_label(rows_of, labelled):
    columns = two_clouds()
    vectors = columns["embedding"].to_pylist()
    vectors[3] = vectors[50] = None
    vectors[51] = [1.0, float("nan"), 0.0, 0.0]
    columns["embedding"] = pa.array(vectors, pa.list_(pa.float32()))
    done = labelled(labeler(threshold=0.5, max_share=1.0), rows_of(columns))
    assert (done["label"][3], done["label_origin"][3]) == ("dog", "given")
    assert (done["label"][50], done["label"][51]) == (None, None)
    assert done["label"][52] is not None


@pytest.mark.parametrize("type_", [pa.int64(), pa.bool_(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_labels_keep_their_type(rows_of, labelled, type_):
    columns = two_clouds()
    names = {"cat": 0, "dog": 1} if type_ != pa.dictionary(pa.int32(), pa.string()) else {"cat": "cat", "dog": "dog"}
    for name in ("label", "truth"):
        columns[name] = pa.array([names.get(value) for value in columns[name].to_pylist()]).cast(type_)
    done = labelled(labeler(truth="truth"), rows_of(columns))
    new = {done["label"][at] for at in range(12, 120)} - {None}
    assert new == set(done["truth"])


def test_a_second_labeler_keeps_what_the_first_one_said(rows_of, labelled):
    columns = two_clouds(known=20)
    first = labelled(labeler(rounds=1), rows_of(columns))
    between = {name: pa.array(first[name], pa.string()) for name in ("label", "truth", "label_origin")}
    between |= {"embedding": columns["embedding"], "label_confidence": pa.array(first["label_confidence"])}
    second = labelled(labeler(rounds=5, threshold=0.6), rows_of(between))
    for at, label in enumerate(first["label"]):
        if label is not None:
            assert second["label"][at] == label
            assert second["label_origin"][at] == first["label_origin"][at]
            assert second["label_confidence"][at] == first["label_confidence"][at]
    assert second["label"].count(None) < first["label"].count(None)


def test_columns_of_numbers_count_alike_whatever_their_units(rows_of, labelled):
    columns = two_clouds()
    numbers = np.array(columns["embedding"].to_pylist())
    small = columns | {"a": pa.array(numbers[:, 0]), "b": pa.array(numbers[:, 1])}
    large = columns | {"a": pa.array(numbers[:, 0] * 1e6 + 5e8), "b": pa.array(numbers[:, 1])}
    one, other = (labelled(labeler(columns=["a", "b"]), rows_of(rows)) for rows in (small, large))
    assert one["label"] == other["label"]
    assert one["label"].count(None) < 100


def test_columns_are_declared_and_named_after_the_label():
    given_ = Columns({"vector": "vector", "age": "integer", "mood": "boolean"})
    after = labeler(into="mood", columns=["vector", "age"]).columns_after(given_)
    assert dict(after) == dict(given_) | {"mood_confidence": "number", "mood_origin": "text"}
    assert given_.read == {"vector", "age", "mood"}
    named = labeler(into="mood", columns=["age"], confidence="sure", origin="by").columns_after(given_.fresh())
    assert dict(named) == dict(given_) | {"sure": "number", "by": "text"}


@pytest.mark.parametrize(
    ("options", "option", "message"),
    [
        ({"columns": ["text"]}, "columns", "column `text` holds text, expected vector or number"),
        ({"into": "none"}, "into", "no column `none` at this point"),
        ({"truth": "trut"}, "truth", "no column `trut` at this point"),
        ({"confidence": "text"}, "confidence", "column `text` holds text, expected number"),
        ({"origin": "age"}, "origin", "column `age` holds integer, expected text"),
    ],
)
def test_columns_that_do_not_fit_are_refused_by_the_check(options, option, message):
    given_ = Columns({"embedding": "vector", "text": "text", "age": "integer", "label": "text", "truth": "text"})
    with pytest.raises(OptionError, match=message) as raised:
        labeler(**options).columns_after(given_)
    assert raised.value.option == option


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([None] * 6, "column `label` has no class in the train split"),
        (["cat"] * 5 + [None], "has only the class `cat` in the train split: there is nothing to learn to tell apart"),
        (["cat"] * 4 + ["dog", None], "the class `dog` has only one known label in the train split"),
    ],
)
def test_too_few_known_labels_are_refused(rows_of, labels, message):
    vectors = pa.array([[float(at)] for at in range(6)], pa.list_(pa.float32()))
    rows = rows_of({"embedding": vectors, "label": pa.array(labels, pa.string())})
    with pytest.raises(OptionError, match=message) as raised:
        labeler().fit(rows)
    assert raised.value.option == "into"


def test_vectors_that_differ_in_length_or_are_nowhere_are_refused(rows_of, learnt):
    columns = {"embedding": pa.array([[1.0], [1.0, 2.0]], pa.list_(pa.float32())), "label": ["a", "b"]}
    with pytest.raises(OptionError, match="the vectors of `embedding` differ in length"):
        labeler().fit(rows_of(columns))
    nowhere = {"embedding": pa.array([None, None], pa.list_(pa.float32())), "label": ["a", "b"]}
    with pytest.raises(OptionError, match="no row of the train split has a number in every place of embedding"):
        labeler().fit(rows_of(nowhere))
    ready = learnt(labeler(held_out=True), rows_of(two_clouds()))
    wider = rows_of({"embedding": pa.array([[1.0] * 5], pa.list_(pa.float32())), "label": pa.nulls(1, pa.string())},
                    ["test"])  # fmt: skip
    with pytest.raises(OptionError, match="the vectors of `embedding` differ in length"):
        list(ready.work(wider))


def test_in_a_recipe_new_labels_are_trained_on_and_measuring_is_on_given_ones(train):
    """Of 80 rows to train on 20 have a label, of 20 to test on 10."""
    columns = two_clouds(rows=100, apart=6.0)
    numbers, names = np.array(columns["embedding"].to_pylist()), columns["truth"].to_pylist()
    rows = [
        {"a": float(numbers[at, 0]), "b": float(numbers[at, 1]), "label": name if at < 20 or at >= 90 else None}
        | {"split": "train" if at < 80 else "test"}
        for at, name in enumerate(names)
    ]
    recipe = """
[[data.rows.label]]
use = "self-training"
columns = ["a", "b"]
max_share = 0.5
threshold = 0.6

[[train]]
use = "tabular-classification"
data = "rows"
columns = ["a", "b"]
epochs = 30
learning_rate = 0.02
device = "cpu"
"""
    trained = train(recipe, rows=rows)
    assert trained.notes.get("train rows left out, without `label`", 0) < 10
    assert trained.notes["test rows left out, without `label`"] == 10
    assert trained.metrics["test"]["rows"] == 10
    assert trained.metrics["test"]["accuracy"] > 0.8


# What it is made of


@given(
    shares=st.lists(st.tuples(*[st.floats(0.01, 1)] * 3), max_size=30),
    threshold=st.floats(0, 1),
    most=st.integers(1, 20),
    is_balanced=st.booleans(),
)
def test_a_round_takes_the_surest_within_all_limits(shares, threshold, most, is_balanced):
    found = np.array(shares).reshape(-1, 3)
    found = found / found.sum(1, keepdims=True)
    wanted = np.array([0.5, 0.3, 0.2]) if is_balanced else None
    chosen = surest(found, threshold, most, wanted)
    numbers, sure = found.argmax(1), found.max(1)
    assert len(chosen) <= most
    assert all(sure[chosen] >= threshold)
    counts = np.bincount(numbers[chosen], minlength=3)
    limits = np.ceil(wanted * most) if is_balanced else np.full(3, most)
    assert all(counts <= limits)
    for left in set(range(len(found))) - set(chosen.tolist()):  # there is a reason for each that is not chosen
        surer = [at for at in chosen if sure[at] >= sure[left]]
        assert (
            sure[left] < threshold
            or len(surer) == most
            or sum(numbers[at] == numbers[left] for at in surer) == limits[numbers[left]]
        )


def test_the_factor_is_the_one_of_least_loss():
    """Of four rows with one logit three are right: the best probability is theirs, a little less than three in four."""
    logits = np.array([[0.0, 1.0]] * 4)
    factor = best_factor(logits, np.array([1, 1, 1, 0]))
    wrong = 1 / 6
    right = (3 * (1 - wrong) + wrong) / 4
    assert factor == pytest.approx(np.log(right / (1 - right)), rel=1e-3)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(counts=st.lists(st.integers(2, 9), min_size=2, max_size=4), gaps=st.integers(0, 5))
def test_each_known_row_is_in_one_part_and_no_part_has_all_of_a_class(counts, gaps):
    numbers = np.concatenate([np.repeat(np.arange(len(counts)), counts), np.full(gaps, -1)])
    np.random.default_rng(1).shuffle(numbers)
    parts = fifths(numbers, range(len(counts)))
    assert sorted(np.concatenate(parts).tolist()) == np.flatnonzero(numbers >= 0).tolist()
    for part in parts:
        assert all(np.bincount(numbers[part], minlength=len(counts)) < counts)


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_those_of_scikit_learn(classes):
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(2)
    matrix, numbers = random.normal(size=(60, 3)), random.integers(classes, size=60)
    wanted = LogisticRegression(max_iter=1000).fit(matrix, numbers).predict_proba(matrix)
    found = Linear.fitted(matrix, numbers, None)
    np.testing.assert_allclose(found.shares(matrix), wanted, atol=1e-12)
    np.testing.assert_allclose(Linear.from_json(found.as_json()).shares(matrix), wanted, atol=1e-12)


def test_with_shares_a_rare_class_weighs_as_they_say():
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(2)
    numbers = np.array([0] * 50 + [1] * 10)
    matrix = random.normal(size=(60, 2)) + numbers[:, None]
    even = Linear.fitted(matrix, numbers, np.array([0.5, 0.5])).shares(matrix)
    wanted = LogisticRegression(max_iter=1000, class_weight="balanced").fit(matrix, numbers).predict_proba(matrix)
    np.testing.assert_allclose(even, wanted, atol=1e-12)
