from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle_supervised.answers.answers import Answer, answers_of, exact, normalised, overlap
from ladle_supervised.answers.measures import Found, found, measure_answers, scores, surest_mistakes


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("The  Cat, (sat)!", "cat sat"),
        ("an apple a day", "apple day"),
        ("theatre", "theatre"),
        ("U.S.A.", "usa"),
        ("the", ""),
        ("", ""),
    ],
)
def test_texts_are_compared_as_squad_compares_them(text, bare):
    assert normalised(text) == bare


@pytest.mark.parametrize(
    ("said", "right", "match", "f1"),
    [
        ("the Broncos", ["Denver Broncos", "Broncos"], 1, 1),
        ("Denver", ["Denver Broncos"], 0, 2 / 3),
        ("a b b c", ["b b d d"], 0, 2 * 2 / (3 + 4)),  # "a" is an article
        ("", [], 1, 1),
        ("Denver", [], 0, 0),
        ("", ["Denver"], 0, 0),
        ("the", ["a"], 1, 1),
        ("x", ["y", "x z"], 0, 2 / 3),
    ],
)
def test_matches_and_overlaps_by_hand(said, right, match, f1):
    assert exact(said, right) == match
    assert overlap(said, right) == pytest.approx(f1)


TEXTS = st.text("ab .", max_size=6)


@given(TEXTS, st.lists(TEXTS, max_size=3))
def test_an_exact_match_overlaps_wholly_and_shares_lie_between_0_and_1(said, right):
    assert exact(said, right) <= overlap(said, right) <= 1
    assert overlap(said, right) >= 0


@given(TEXTS, TEXTS)
def test_overlap_is_the_same_both_ways(one, other):
    assert overlap(one, [other]) == pytest.approx(overlap(other, [one]))


@pytest.mark.parametrize(
    ("value", "start", "found"),
    [
        ("bad", None, [("bad", None)]),
        ("bad", 3, [("bad", 3)]),
        (["bad", "bad day"], [3, 3], [("bad", 3), ("bad day", 3)]),
        (["bad", "day"], [3], [("bad", 3), ("day", None)]),
        ({"text": ["bad"], "answer_start": [3]}, None, [("bad", 3)]),
        ({"text": "bad", "answer_start": 3}, None, [("bad", 3)]),
        ({"text": [], "answer_start": []}, None, []),
        (None, None, []),
        ("  ", 3, []),
        ([], None, []),
        ([None, ""], None, []),
    ],
)
def test_answers_come_in_several_shapes(value, start, found):
    assert answers_of(value, start) == found


def test_an_answer_is_found_where_it_says_or_where_it_occurs_first():
    context = "day by day"
    assert Answer("day", None).place_in(context) == (0, 3)
    assert Answer("day", 7).place_in(context) == (7, 10)
    assert Answer("day", 6).place_in(context) is None
    assert Answer("night", None).place_in(context) is None
    assert Answer("day", -3).place_in(context) is None


def outputs(number, start, end, probability, none):
    return {"number": np.array(number), "start": np.array(start), "end": np.array(end)} | {
        "probability": np.array(probability),
        "none": np.array(none),
    }


def test_a_row_has_the_likeliest_answer_of_all_its_windows():
    both = outputs([0, 1, 0], [0, 3, 4], [2, 8, 6], [0.3, 0.6, 0.2], [0.1, 0.8, 0.7])
    contexts = ["at  home now", "away now"]
    assert found(both, contexts, unanswerable=False) == [Found("home", 4, 8, 0.6), Found("n", 5, 6, 0.2)]
    assert found(both, contexts, unanswerable=True) == [Found("home", 4, 8, 0.6), Found("", -1, -1, 0.7)]


def test_metrics_are_means_and_a_table_tells_questions_without_an_answer_apart():
    said, right = ["Denver", "", "x", ""], [["Denver Broncos"], [], [], ["y"]]
    measured = measure_answers(said, right, loss=1.5)
    assert measured.metrics == {"exact_match": 0.25, "f1": pytest.approx((2 / 3 + 1) / 4), "loss": 1.5, "rows": 4}
    assert scores(said, right) == {name: measured.metrics[name] for name in ("exact_match", "f1")}
    with_one, without = measured.tables["per_class"]
    assert with_one == {"class": "with an answer", "exact_match": 0, "f1": pytest.approx(1 / 3), "rows": 2}
    assert without == {"class": "without one", "exact_match": 0.5, "f1": 0.5, "rows": 2}
    for name, (low, high) in measured.intervals.items():
        assert 0 <= low <= measured.metrics[name] <= high <= 1
    assert measure_answers(["y"], [["y"]], 0.0).tables == {}


def test_mistakes_are_the_surest_answers_that_do_not_match():
    said = [Found("x", 0, 1, 0.4), Found("", -1, -1, 0.9), Found("y", 0, 1, 0.99)]
    rows, mistakes = surest_mistakes(said, [[], ["y", "the y"], ["Y."]])
    assert rows == [1, 0]
    assert mistakes[0] == {"truth": "y | the y", "predicted": "no answer", "probability": 0.9}
    assert mistakes[1]["truth"] == "no answer"
