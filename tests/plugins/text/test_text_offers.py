from __future__ import annotations

import subprocess
import sys

import pytest

from ladle import registry


@pytest.mark.parametrize("use", ["text-statistics", "sentence-embedding"])
def test_recipes_find_the_component_and_its_documentation(use):
    offer = registry.installed().find("extract", use)
    component = offer.load()
    assert offer.plugin.name == "ladle-text"
    assert component.summary()
    assert all(field.description for field in component.model_fields.values())


def test_components_load_without_heavy_imports():
    heavy = {"numpy", "pyarrow", "torch", "transformers"}
    code = f"import sys, ladle_text.statistics, ladle_text.embedding; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
