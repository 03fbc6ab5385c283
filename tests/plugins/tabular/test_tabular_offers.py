from __future__ import annotations

import subprocess
import sys

import pytest

from ladle import registry


@pytest.mark.parametrize("use", ["bins", "scale", "one-hot", "ordinal"])
def test_recipes_find_the_component_and_its_documentation(use):
    offer = registry.installed().find("extract", use)
    component = offer.load()
    assert offer.plugin.name == "ladle-tabular"
    assert component.summary()
    assert all(field.description for field in component.model_fields.values())


def test_components_load_without_heavy_imports():
    modules = "ladle_tabular.binning, ladle_tabular.scaling, ladle_tabular.onehot, ladle_tabular.ordinal"
    code = f"import sys, {modules}; sys.exit(bool({{'numpy', 'pyarrow', 'pandas'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
