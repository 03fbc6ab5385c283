from __future__ import annotations

import subprocess
import sys

import pytest

from ladle import registry

MODULES = {"transfer": "transfer", "lora": "lora", "unfreeze": "unfreeze", "layer-rates": "layer_rates"}


@pytest.mark.parametrize("name", MODULES)
def test_recipes_find_the_technique_and_its_documentation(name):
    offer = registry.installed().find("technique", name)
    assert offer.plugin.name == "ladle-transfer"
    technique = offer.load()
    assert technique.__module__ == f"ladle_transfer.{MODULES[name]}"
    assert technique.summary()
    assert all(field.description for field in technique.model_fields.values())


def test_techniques_load_without_heavy_imports():
    heavy = {"numpy", "pyarrow", "torch", "transformers", "datasets", "peft"}
    modules = ", ".join(f"ladle_transfer.{module}" for module in [*MODULES.values(), "starts"])
    code = f"import sys, {modules}; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
