"""Every pair of techniques, in both orders, with a trainer that takes both: both promises hold, or it is refused."""

from __future__ import annotations

import itertools

import pytest

from ladle.errors import RecipeError, StageError

from .promises import check_training
from .refused import REFUSED_ORDERS, REFUSED_PAIRS, home_of
from .tables import TECHNIQUES

PAIRS = [pair for pair in itertools.combinations(TECHNIQUES, 2) if home_of(pair)]
REVERSED = [(second, first) for first, second in PAIRS]


def going_together(pairs):
    return [pair for pair in pairs if pair not in REFUSED_ORDERS and not {pair, pair[::-1]} & {*REFUSED_PAIRS}]


@pytest.mark.parametrize("pair", going_together(PAIRS), ids=" and ".join)
def test_both_promises_hold(pair, train, untrained):
    check_training(train(home_of(pair), *pair), untrained(home_of(pair)))


@pytest.mark.slow
@pytest.mark.parametrize("pair", going_together(REVERSED), ids=" and ".join)
def test_both_promises_hold_in_the_other_order(pair, train, untrained):
    check_training(train(home_of(pair), *pair), untrained(home_of(pair)))


@pytest.mark.parametrize("is_reversed", [False, True], ids=["in order", "reversed"])
@pytest.mark.parametrize("pair", REFUSED_PAIRS, ids=" and ".join)
def test_what_does_not_go_together_is_refused(pair, is_reversed, read):
    with pytest.raises(RecipeError) as refused:
        read(home_of(pair), *pair[:: -1 if is_reversed else 1])
    messages = [problem.message for problem in refused.value.problems if problem.severity == "error"]
    assert any(REFUSED_PAIRS[pair] in message for message in messages), messages


@pytest.mark.parametrize("pair", REFUSED_ORDERS, ids=" and ".join)
def test_an_order_in_which_one_cannot_see_the_other_s_work_is_refused(pair, train):
    with pytest.raises(StageError, match=REFUSED_ORDERS[pair]):
        train(home_of(pair), *pair)
