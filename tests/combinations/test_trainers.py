"""Every technique with every trainer: it trains and does what it promises, or is refused with the reason."""

from __future__ import annotations

import pytest

from ladle.errors import RecipeError
from ladle.registry import installed

from .promises import PROMISES, check_training
from .refused import REFUSED
from .tables import TECHNIQUES, TRAINERS

CELLS = [(trainer, technique) for trainer in TRAINERS for technique in TECHNIQUES]


def test_no_trainer_and_no_technique_is_left_out():
    offers = [offer for offer in installed().offers if offer.plugin.name.startswith("ladle-")]
    assert {offer.use for offer in offers if offer.kind == "trainer"} == {*TRAINERS}
    techniques = {offer.use for offer in offers if offer.kind == "technique"}
    assert techniques == {technique["use"] for technique in TECHNIQUES.values()} == {*PROMISES}


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_trainer_alone_learns(trainer, train, untrained):
    check_training(train(trainer), untrained(trainer))


@pytest.mark.parametrize(("trainer", "technique"), [cell for cell in CELLS if cell not in REFUSED])
def test_a_technique_does_what_it_promises(trainer, technique, train, untrained):
    check_training(train(trainer, technique), untrained(trainer))


@pytest.mark.parametrize(("trainer", "technique"), REFUSED)
def test_what_does_not_go_together_is_refused(trainer, technique, read):
    with pytest.raises(RecipeError) as refused:
        read(trainer, technique)
    messages = [problem.message for problem in refused.value.problems if problem.severity == "error"]
    assert any(REFUSED[trainer, technique] in message for message in messages), messages
