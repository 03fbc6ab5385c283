"""Going on with some of the rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle_cleaning.sampling import Sample


def test_about_the_share_stays_and_the_others_are_rejected(rows, clean):
    done = clean(Sample(share=0.25), rows({"n": list(range(2000))}, per_batch=300))
    assert len(done.kept) == pytest.approx(500, abs=80)  # four deviations
    assert len(done.kept) + len(done.rejects) == 2000
    [reject] = set(done.rejects.values())
    assert (reject.rule, reject.reason) == ("sample", "not among the 0.25 of the rows that were drawn")


def test_one_split_alone_may_be_sampled(rows, clean):
    splits = ["train", "validation", "test"] * 200
    data = rows({"n": list(range(600))}, splits=splits, per_batch=100)
    kept = clean(Sample(share=0.1, split="train"), data).values("n")
    assert [n for n in kept if n % 3] == [n for n in range(600) if n % 3]
    assert 5 <= len([n for n in kept if not n % 3]) <= 40
    assert len(clean(Sample(share=0.1), data).kept) < 120


def test_rows_to_predict_all_stay(rows, clean):
    assert len(clean(Sample(share=0.001), rows({"n": list(range(50))}, splits=["predict"] * 50)).kept) == 50


@given(st.floats(0.01, 0.98), st.floats(0.01, 0.98), st.integers(1, 200), st.integers(0, 5))
def test_what_was_drawn_stays_when_more_is_drawn_or_more_data_comes(rows, clean, one, other, count, seed):
    less, more = sorted((one, other))
    data = rows({"n": list(range(count))}, per_batch=64)
    few, many = (set(clean(Sample(share=share, seed=seed), data).kept) for share in (less, more))
    assert few <= many
    grown = clean(Sample(share=less, seed=seed), rows({"n": list(range(count + 20))}, per_batch=50))
    assert few == {row for row in grown.kept if int(row[1:]) < count}


def test_another_seed_draws_other_rows(rows, clean):
    data = rows({"n": list(range(300))})
    assert set(clean(Sample(share=0.5), data).kept) != set(clean(Sample(share=0.5, seed=1), data).kept)


@pytest.mark.parametrize("share", [0, 1, -0.5])
def test_a_share_is_between_none_and_all(share):
    with pytest.raises(ValueError, match=r"(greater|less) than"):
        Sample(share=share)
