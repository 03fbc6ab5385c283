from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from ladle_supervised.tokens.measures import always, measure_tags, surest_rows, told_mistake
from ladle_supervised.tokens.tags import entities

BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
POS = ["DET", "NOUN", "VERB"]


def pairs_of(tags: list[str]):
    """Rows with the predicted and the true tags of their words."""
    row = st.lists(st.tuples(st.sampled_from(tags), st.sampled_from(tags)), max_size=6)
    return st.lists(row, min_size=1, max_size=8).map(
        lambda rows: ([[said for said, _ in row] for row in rows], [[there for _, there in row] for row in rows])
    )


def share(part, whole):
    return part / whole if whole else 0


@settings(deadline=None, max_examples=15)
@given(pairs_of(BIO))
def test_entities_are_counted_as_by_hand(both):
    said, there = both
    found, wanted = (
        [(row, entity) for row, tags in enumerate(side) for entity in entities(tags)] for side in (said, there)
    )
    hits = [one for one in found if one in wanted]
    measured = measure_tags(said, there, BIO, loss=0.5)
    assert measured.metrics == {
        "f1": pytest.approx(share(2 * len(hits), len(found) + len(wanted))),
        "precision": pytest.approx(share(len(hits), len(found))),
        "recall": pytest.approx(share(len(hits), len(wanted))),
        "accuracy": pytest.approx(
            share(
                sum(a == b for x, y in zip(*both, strict=True) for a, b in zip(x, y, strict=True)), sum(map(len, there))
            )
        ),
        "loss": 0.5,
        "rows": len(there),
    }
    assert set(measured.intervals) == {"f1", "precision", "recall", "accuracy"}
    for name, (low, high) in measured.intervals.items():
        assert 0 <= low <= measured.metrics[name] <= high <= 1
    for line in measured.tables["per_class"]:
        own = [one for one in wanted if one[1].type == line["class"]]
        assert line["entities"] == len(own)
        assert line["recall"] == pytest.approx(share(len([one for one in own if one in found]), len(own)))
        assert line["precision"] == pytest.approx(
            share(len([one for one in own if one in found]), len([f for f in found if f[1].type == line["class"]]))
        )


@settings(deadline=None, max_examples=15)
@given(pairs_of(POS).filter(lambda both: any(both[1])))
def test_plain_tags_are_measured_as_by_sklearn(both):
    said, there = ([tag for row in side for tag in row] for side in both)
    measured = measure_tags(*both, POS, loss=0.0)
    assert measured.metrics["accuracy"] == pytest.approx(metrics.accuracy_score(there, said))
    assert measured.metrics["macro_f1"] == pytest.approx(
        metrics.f1_score(there, said, average="macro", zero_division=0)
    )
    assert sum(line["words"] for line in measured.tables["per_class"]) == len(there)


def rows_of(seed: int, count: int = 200):
    """Rows of unequal length with tags that are right in four of five words."""
    random = np.random.default_rng(seed)
    there = [[POS[n] for n in random.integers(3, size=random.integers(1, 9))] for _ in range(count)]
    said = [[tag if random.random() < 0.8 else POS[random.integers(3)] for tag in row] for row in there]
    return said, there


@pytest.mark.parametrize("name", ["accuracy", "macro_f1"])
def test_intervals_are_those_of_many_samples_of_rows(name):
    low, high = measure_tags(*rows_of(0), POS, 0.0).intervals[name]
    fresh = []
    for seed in range(1, 100):
        said, there = ([tag for row in side for tag in row] for side in rows_of(seed))
        scores = {
            "accuracy": metrics.accuracy_score(there, said),
            "macro_f1": metrics.f1_score(there, said, average="macro"),
        }
        fresh.append(scores[name])
    assert high - low == pytest.approx(np.subtract(*np.percentile(fresh, [97.5, 2.5])), rel=0.3)


def test_a_word_without_a_tag_is_wrong_and_of_no_class():
    measured = measure_tags([["NOUN", ""]], [["NOUN", "VERB"]], POS, 0.0)
    assert measured.metrics["accuracy"] == 0.5
    assert [line["class"] for line in measured.tables["per_class"]] == ["NOUN", "VERB"]


def test_one_tag_for_all_is_measured_like_any_other():
    there = [["O", "B-PER", "I-PER"], ["O"]]
    assert always("O", there, BIO) == {"f1": 0, "precision": 0, "recall": 0, "accuracy": 0.5}
    assert always("NOUN", [["NOUN", "VERB"]], POS) == {"accuracy": 0.5, "macro_f1": pytest.approx(1 / 3)}


def test_mistakes_are_the_surest_wrong_rows_with_what_was_missed_and_made_up():
    there = [["B-PER", "I-PER", "O"], ["O", "O"], ["I-LOC", "O"]]
    said = [["B-PER", "O", "O"], ["O", "B-LOC"], ["B-LOC", "O"]]
    sure = [np.array([0.9, 0.6, 0.9]), np.array([0.9, 0.7]), np.array([0.99, 0.9])]
    rows = surest_rows(said, there, sure, BIO)
    assert rows == [1, 0]  # in the last row another tag tells the same entity
    assert told_mistake(said[0], there[0], sure[0], ["Ada", "King", "spoke"], BIO) == {
        "truth": "Ada King (PER)",
        "predicted": "Ada (PER)",
        "probability": 0.6,
    }
    assert told_mistake(said[1], there[1], sure[1], ["in", "May"], BIO)["truth"] == "nothing"
