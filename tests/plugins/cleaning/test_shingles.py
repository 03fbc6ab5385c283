"""Texts as sets of shingles: what plain Python makes of them, without its objects."""

from __future__ import annotations

from itertools import chain, pairwise

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ladle_cleaning import shingles as module
from ladle_cleaning.shingles import Shingles


def by_hash(texts: list[str | None], unit: str, length: int) -> list[list[int]]:
    """The hashes of the shingles of each text, in order."""
    found = []
    for first, hashes, ends in Shingles(unit, length).of([pa.array(texts, pa.string())]):
        assert first == len(found)
        found += [hashes[start:end].tolist() for start, end in pairwise(ends)]
    return found


def by_python(text: str | None, unit: str, length: int) -> list[tuple[str, ...]]:
    units = list(text or "")
    if unit == "words":
        units = "".join(char if char > " " else " " for char in text or "").split()
    return [tuple(units[at : at + length]) for at in range(max(len(units) - length + 1, min(len(units), 1)))]


TEXTS = st.lists(st.none() | st.text() | st.text("ab \u00a0\u2003\u3000\u205f\u0085é元\0"), min_size=1, max_size=8)


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.sampled_from(["words", "characters"]), st.integers(1, 6), st.integers(1, 40))
@example(["a\0", "a", "\0", "\0\0", ""], "characters", 2, 40)
@example(["ab c", "a bc", "abc", "cb a", "c ba"], "words", 2, 40)
def test_two_shingles_have_one_hash_if_they_are_the_same(texts, unit, length, slice_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SLICE_BYTES", slice_bytes)
        module._usual_powers.cache_clear()
        hashes = by_hash(texts, unit, length)
    module._usual_powers.cache_clear()
    expected = [by_python(text, unit, length) for text in texts]
    assert [len(one) for one in hashes] == [len(one) for one in expected]
    pairs = set(zip(chain(*expected), chain(*hashes), strict=True))
    assert len(pairs) == len(set(chain(*expected))) == len(set(chain(*hashes)))


def test_a_hash_is_the_same_wherever_the_shingle_is():
    [alone] = by_hash(["the wide world"], "words", 3)
    long = by_hash([f"{'x' * 300_000} the wide world", "in the wide world"], "words", 3)
    assert alone == [long[0][-1]] == [long[1][-1]]
    assert alone == [14553172836643173115]


def test_columns_are_one_text():
    columns = [pa.array(["a", None, "c"]), pa.array([1, 2, None]), pa.array(["x", "y", "z"]).dictionary_encode()]
    [(_, hashes, ends)] = Shingles("words", 9).of(columns)
    assert [[hash] for hash in hashes.tolist()] == by_hash(["a 1 x", "2 y", "c z"], "words", 9)
    assert ends.tolist() == [0, 1, 2, 3]


def test_no_rows_have_no_shingles():
    assert not list(Shingles("words", 5).of([pa.array([], pa.string())]))
