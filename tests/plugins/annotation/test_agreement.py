"""Agreement: by hand, by the formulas of others, and where there is nothing to tell."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle_annotation.agreement import alpha, far_apart, kappa, unlike

# The example of Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": 12 units, 4 observers
OBSERVED = [
    [1, 1, None, 1],
    [2, 2, 3, 2],
    [3, 3, 3, 3],
    [3, 3, 3, 3],
    [2, 2, 2, 2],
    [1, 2, 3, 4],
    [4, 4, 4, 4],
    [1, 1, 2, 1],
    [2, 2, 2, 2],
    [None, 5, 5, 5],
    [None, None, 1, 1],
    [None, None, 3, None],
]
UNITS = [[value for value in unit if value is not None] for unit in OBSERVED]


def test_alpha_of_the_published_example():
    assert alpha(UNITS) == pytest.approx(0.743, abs=0.0005)
    assert alpha(UNITS, far_apart) == pytest.approx(0.849, abs=0.0005)


def test_alpha_worked_out_by_hand():
    # a a, b b, a b: six values, three of each. Within rows 2 ordered pairs differ, of all 30 there are 18 that do.
    assert alpha([["a", "a"], ["b", "b"], ["a", "b"]]) == pytest.approx(1 - 5 * 2 / 18)


def test_alpha_of_sets_counts_what_they_share():
    # distances 1/2 within the first row, 0 within the second; of all pairs: ab-a 1/2 (x2 x2), ab-c 1 (x1 x2), a-c 1 ...
    rows = [[["a", "b"], ["a"]], [["c"], ["c"]]]
    among_all = 2 * (unlike(["a", "b"], ["a"]) + 2 * unlike(["a", "b"], ["c"]) + 2 * unlike(["a"], ["c"]))
    assert alpha(rows, unlike) == pytest.approx(1 - 3 * (2 * 0.5) / among_all)
    assert unlike([], []) == 0
    assert unlike(["a"], []) == 1


def test_kappa_worked_out_by_hand():
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: observed 0.7, by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert kappa(pairs) == pytest.approx((0.7 - 0.5) / (1 - 0.5))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30))
def test_kappa_is_that_of_scikit_learn(pairs):
    import warnings

    from sklearn.metrics import cohen_kappa_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = cohen_kappa_score(*zip(*pairs, strict=True))
    found = kappa(pairs)
    if found is None:
        assert len({value for pair in pairs for value in pair}) == 1
    else:
        assert found == pytest.approx(expected)


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), max_size=12), st.randoms())
def test_alpha_depends_on_no_order(rows, random):
    shuffled = [random.sample(row, len(row)) for row in random.sample(rows, len(rows))]
    assert alpha(shuffled) == (None if alpha(rows) is None else pytest.approx(alpha(rows)))


@pytest.mark.parametrize("rows", [[], [["a"], ["b"]], [["a", "a"], ["a", "a", "a"]]])
def test_where_there_is_nothing_to_tell_nothing_is_told(rows):
    assert alpha(rows) is None
    assert kappa([(row[0], row[1]) for row in rows if len(row) > 1]) is None


def test_those_who_always_agree_agree():
    assert alpha([["a", "a"], ["b", "b"]]) == 1
    assert kappa([("a", "a"), ("b", "b")]) == 1
