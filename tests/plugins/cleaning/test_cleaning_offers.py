"""What the plugin offers, and how light it is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ladle import registry

USES = ["convert", "deduplicate", "filter", "missing", "normalise", "select"]


@pytest.mark.parametrize("use", USES)
def test_recipes_find_the_cleaner_and_its_documentation(use):
    offer = registry.installed().find("clean", use)
    component = offer.load()
    assert offer.plugin.name == "ladle-cleaning"
    assert component.summary()
    assert all(field.description for field in component.model_fields.values())
    assert component.model_json_schema()["properties"]


def test_cleaners_load_without_heavy_imports():
    code = (
        "import sys; from ladle.registry import installed;"
        f"[installed().find('clean', use).load() for use in {USES}];"
        "sys.exit(bool({'numpy', 'pyarrow', 'polars'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
