from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ladle.stages.occurrences import Occurrences

NUMBERS = st.integers(0, 6) | st.integers(2**64 - 3, 2**64 - 1)


@given(batches=st.lists(st.lists(NUMBERS, max_size=20), max_size=20))
def test_how_often_each_has_come(batches: list[list[int]]) -> None:
    seen: Counter[int] = Counter()
    occurrences = Occurrences()
    for batch in batches:
        expected = []
        for number in batch:
            seen[number] += 1
            expected.append(seen[number])
        assert occurrences.number(np.array(batch, np.uint64)).tolist() == expected


def test_many_in_little_memory() -> None:
    occurrences = Occurrences()
    random = np.random.default_rng(0)
    values = random.integers(0, 2**64, 200_000, np.uint64, endpoint=False)
    for start in range(0, len(values), 4096):
        assert (occurrences.number(values[start : start + 4096]) == 1).all()
    assert (occurrences.number(values[::-1]) == 2).all()
    assert sum(numbers.nbytes + times.nbytes for numbers, times in occurrences._runs) <= 12 * len(values)
