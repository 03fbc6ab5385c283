"""What a model is worth is measured without techniques: they are there for the training alone."""

from __future__ import annotations

import pytest

from .refused import home_of
from .tables import TECHNIQUES

HARDLY = 1e-12  # a learning rate at which nothing is learnt


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_no_technique_touches_what_is_measured(technique, train, untrained):
    trainer = home_of((technique,))
    before = untrained(trainer).metrics["test"]
    metrics = train(trainer, technique, epochs=2, learning_rate=HARDLY, on_divergence="go-on").metrics["test"]
    assert {name: metrics[name] for name in before} == pytest.approx(before, abs=1e-5)
