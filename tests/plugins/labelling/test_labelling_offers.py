from __future__ import annotations

import subprocess
import sys

import pytest

from ladle import registry


@pytest.mark.parametrize("use", ["keywords", "ranges"])
def test_recipes_find_the_component_and_its_documentation(use):
    offer = registry.installed().find("label", use)
    component = offer.load()
    assert offer.plugin.name == "ladle-labelling"
    assert component.summary()
    assert all(field.description for field in component.model_fields.values())


def test_components_load_without_heavy_imports():
    modules = "ladle_labelling.keywords, ladle_labelling.ranges"
    code = f"import sys, {modules}; sys.exit(bool({{'numpy', 'pyarrow', 'pandas'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
