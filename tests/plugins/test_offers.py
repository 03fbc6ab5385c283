"""What every plugin of ours offers: found by recipes, documented, and light to load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ladle import Usual
from ladle.options import marked
from ladle.registry import catalogue, installed

OFFERS = [offer for offer in installed().offers if offer.plugin.name.startswith("ladle-")]


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: f"{offer.kind} {offer.use}")
def test_recipes_find_the_component_and_its_documentation(offer):
    component = installed().find(offer.kind, f"{offer.plugin.name}:{offer.use}").load()
    assert component.summary().endswith((".", ";"))
    assert all(field.description for field in component.model_fields.values())
    assert "properties" in component.model_json_schema()


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: f"{offer.kind} {offer.use}")
def test_what_is_set_by_itself_is_usual_and_a_hundred_times_off_is_not(offer):
    component = installed().find(offer.kind, f"{offer.plugin.name}:{offer.use}").load()
    for field in component.model_fields.values():
        default = field.default if isinstance(field.default, list) else [field.default]
        for usual in marked(field.metadata, Usual):
            for value in filter(None, default if isinstance(default[0], int | float) else []):
                assert usual.low <= value <= usual.high
                assert value * 100 > usual.high
                assert value / 100 < usual.low or not usual.low


def test_components_load_without_heavy_imports():
    code = """
import sys
from ladle.registry import catalogue, installed
assert len([offer.load() for offer in installed().offers if offer.plugin.name.startswith("ladle-")]) > 20
heavy = {"numpy", "pyarrow", "polars", "pandas", "torch", "transformers", "datasets", "sklearn", "scipy"}
sys.exit(", ".join(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_the_catalogue_knows_what_each_package_offers():
    assert {(kind, use, package) for kind, uses in catalogue().items() for use, package in uses.items()} == {
        (offer.kind, offer.use, offer.plugin.name) for offer in OFFERS
    }
