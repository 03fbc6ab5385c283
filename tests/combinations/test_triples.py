"""Three techniques at once of those that change data, their order or what layers see of them; and all at once."""

from __future__ import annotations

import itertools

import pytest

from .promises import check_training
from .refused import REFUSED_PAIRS, home_of

CHANGING = ("transfer", "curriculum", "curriculum, self-paced", "adversarial", "perturb", "consistency")
TRIPLES = [
    triple
    for triple in itertools.combinations(CHANGING, 3)
    if not {*itertools.combinations(triple, 2)} & {*REFUSED_PAIRS}
]
MORE = [
    ("transfer, kept", "lora", "curriculum"),
    ("transfer, kept", "unfreeze", "curriculum, self-paced"),
    ("transfer, kept", "layer-rates", "robustness"),
]  # with what is kept of layers; what else changes data cannot have it


@pytest.mark.slow
@pytest.mark.parametrize("triple", TRIPLES + MORE, ids=" and ".join)
def test_all_promises_hold(triple, train, untrained):
    check_training(train(home_of(triple), *triple), untrained(home_of(triple)))


ALL_TOGETHER = {
    "text-classification": "transfer lora unfreeze layer-rates curriculum adversarial perturb robustness consistency",
    "multi-task": "transfer lora unfreeze layer-rates adversarial pcgrad",
}


@pytest.mark.parametrize("trainer", ALL_TOGETHER)
def test_all_promises_hold_of_all_that_go_together(trainer, train, untrained):
    check_training(train(trainer, *ALL_TOGETHER[trainer].split()), untrained(trainer))
