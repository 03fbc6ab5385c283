from __future__ import annotations

import subprocess
import sys

import pytest

from ladle import registry


@pytest.mark.parametrize("use", ["text-classification", "tabular-classification", "tabular-regression"])
def test_recipes_find_the_trainer_and_its_documentation(use):
    offer = registry.installed().find("trainer", use)
    component = offer.load()
    assert offer.plugin.name == "ladle-supervised"
    assert component.summary()
    assert all(field.description for field in component.model_fields.values())


def test_trainers_load_without_heavy_imports():
    heavy = {"numpy", "pyarrow", "torch", "transformers", "datasets", "sklearn", "scipy"}
    code = f"import sys, ladle_supervised.text, ladle_supervised.tabular; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_both_tabular_trainers_keep_the_defaults_of_small_networks():
    for use in ("tabular-classification", "tabular-regression"):
        trainer = registry.installed().find("trainer", use).load().model_validate({"data": "rows"})
        assert (trainer.epochs, trainer.batch_size, trainer.learning_rate, trainer.target) == (20, 256, 2e-3, "label")
