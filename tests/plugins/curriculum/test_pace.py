"""How fast difficulty rises, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ladle_curriculum.pace import Buckets, Competence, bucket_ends, competence


@pytest.mark.parametrize(
    ("passed", "pace", "share"),
    [
        (0.0, "linear", 0.2),
        (0.5, "linear", 0.6),
        (1.0, "linear", 1.0),
        (3.0, "linear", 1.0),
        (0.0, "root", 0.2),
        (0.25, "root", 0.28**0.5),  # 0.25 * (1 - 0.04) + 0.04
        (0.5, "root", 0.52**0.5),
        (1.0, "root", 1.0),
        (3.0, "root", 1.0),
    ],
)
def test_competence(passed, pace, share):
    assert competence(passed, 0.2, pace) == pytest.approx(share)
    assert Competence(1000, 0.2, pace)(passed) == (0, np.ceil(round(share * 1000, 6)))


def test_buckets_have_equal_parts_of_the_time():
    stay, replace = Buckets([2, 5, 9], True), Buckets([2, 5, 9], False)
    assert [stay(passed)[1] for passed in (0, 0.33, 0.34, 0.66, 0.67, 0.99, 1, 2)] == [2, 2, 5, 5, 9, 9, 9, 9]
    assert [replace(passed) for passed in (0, 0.34, 0.67, 1)] == [(0, 2), (2, 5), (5, 9), (0, 9)]


@pytest.mark.parametrize(
    ("scores", "count", "ends"),
    [
        ([3, 1, 2, 1], None, [2, 3, 4]),  # one for each value
        (range(11), None, [3, 5, 7, 9, 11]),  # five
        (range(10), 2, [5, 10]),
        ([0, 0, 0, 0, 1, 2], 3, [4, 6]),  # equal ones stay together
        ([0, 1], 7, [1, 2]),
    ],
)
def test_the_ends_of_buckets(scores, count, ends):
    assert bucket_ends(np.array(list(scores), float), count) == ends
