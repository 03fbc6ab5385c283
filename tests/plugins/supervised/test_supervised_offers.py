from __future__ import annotations

from ladle import registry


def test_both_tabular_trainers_keep_the_defaults_of_small_networks():
    for use in ("tabular-classification", "tabular-regression"):
        trainer = registry.installed().find("trainer", use).load().model_validate({"data": "rows"})
        assert (trainer.epochs, trainer.batch_size, trainer.learning_rate, trainer.target) == (20, 256, 2e-3, "label")
