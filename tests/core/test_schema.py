"""The JSON Schema of recipes: made for what is installed, and of one mind with `ladle check`."""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import tomli

from ladle.errors import RecipeError
from ladle.recipe import load
from ladle.recipe.load import TOP_KEYS
from ladle.registry import About, Offer, Plugin, Registry, installed
from ladle.schema import recipe_schema

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


def as_json(value):
    """What a TOML value is for an editor's validator."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return list(map(as_json, value))
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value


def mistakes(schema, text):
    validator = jsonschema.Draft7Validator(schema)
    return [error.json_path for error in validator.iter_errors(as_json(tomli.loads(text)))]


@pytest.fixture
def schema(registry):
    return recipe_schema(registry)


@pytest.fixture
def installed_schema():
    return recipe_schema(installed())


def test_it_is_a_schema_and_says_all_top_keys(installed_schema):
    jsonschema.Draft7Validator.check_schema(installed_schema)
    assert list(installed_schema["properties"]) == TOP_KEYS
    assert json.loads(json.dumps(installed_schema)) == installed_schema


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_every_recipe_of_ours_is_right(installed_schema, path):
    assert mistakes(installed_schema, path.read_text()) == []


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_an_editor_takes_every_recipe_of_ours(installed_schema, path, tmp_path):
    done = lint(installed_schema, path.read_text(), tmp_path)
    assert done.returncode == 0, done.stderr


def test_an_editor_finds_a_misspelt_option(installed_schema, tmp_path):
    done = lint(installed_schema, '[data.r.source]\nuse = "csv"\npath = "x"\ndelimitre = ","\n', tmp_path)
    assert done.returncode == 1
    assert "delimitre" in done.stderr


def lint(schema, text, folder):
    """The recipe `text` as Taplo sees it, with its schema beside it."""
    if not (taplo := shutil.which("taplo", path=Path(sys.executable).parent) or shutil.which("taplo")):
        pytest.skip("the command `taplo` is not installed")
    (folder / "ladle.schema.json").write_text(json.dumps(schema))
    (folder / "recipe.toml").write_text(f"#:schema ./ladle.schema.json\n{text}")
    command = [taplo, "lint", "recipe.toml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


GOOD = {
    "a source": "",
    "an array of sources": '[[data.s.source]]\nuse = "lines"\npath = "rows.jsonl"',
    "inline tables": '[data.s]\nsource = { use = "lines", path = "rows.jsonl" }\nclean = [{ use = "shout" }]',
    "the package with the name": '[[data.r.clean]]\nuse = "ladle-toys:shout"',
    "a split": '[data.r.split]\ntest = 0.25\nby = ["text"]',
    "a nested model": '[[data.r.label]]\nuse = "bands"\nbands = [{ label = "low", below = 3 }]',
    "a whole number for a number": '[data.r.split]\ntest = 0\nvalidation = 0.5',
    "a trainer": '[[train]]\nuse = "guess"\ndata = "r"\nname = "first"\nepochs = 0\n'
    '[[train]]\nuse = "guess"\ndata = "r"\nmodel = { stage = "first" }',
    "techniques": '[[train]]\nuse = "guess"\ndata = "r"\n'
    '[[train.technique]]\nuse = "sort"\n[[train.technique]]\nuse = "weigh"',
    "anything where anything goes": '[[train]]\nuse = "guess"\ndata = "r"\n'
    'arguments = { label_smoothing_factor = 0.1 }',
}  # fmt: skip
BAD = {
    "a top key": "sed = 3",
    "a seed in quotes": 'seed = "3"',
    "a seed too large": "seed = 4294967296",
    "a name that is no folder": 'name = "a/b"',
    "a data set's key": '[data.r.sources]\nuse = "lines"',
    "a data set's name": '[data."a/b".source]\nuse = "lines"\npath = "rows.jsonl"',
    "no source": '[data.s.split]\ntest = 0.2',
    "a cleaner as a table": '[data.r.clean]\nuse = "shout"',
    "no use": '[[data.r.clean]]\ncolumn = "text"',
    "an unknown use": '[[data.r.clean]]\nuse = "shoot"',
    "a use of another kind": '[[data.r.extract]]\nuse = "shout"',
    "another package": '[[data.r.clean]]\nuse = "ladle-gone:shout"',
    "a broken component": '[[data.r.clean]]\nuse = "gone"',
    "what is no component": '[[data.r.clean]]\nuse = "liar"',
    "an option": '[[data.r.clean]]\nuse = "shout"\ncolum = "text"',
    "an option of another component": '[[data.r.clean]]\nuse = "shout"\nword = "a"',
    "a type": '[[data.r.clean]]\nuse = "shout"\ncolumn = 3',
    "a needed option": '[[data.r.clean]]\nuse = "drop"',
    "a choice": '[[data.r.clean]]\nuse = "bad"\nhow = "well"',
    "a number out of range": '[data.s.source]\nuse = "lines"\npath = "rows.jsonl"\nthreads = 9',
    "too short a list": '[[data.r.label]]\nuse = "bands"\nbands = []',
    "a key of a nested model": '[[data.r.label]]\nuse = "bands"\nbands = [{ label = "low", below = 3, above = 1 }]',
    "a needed key of a nested model": '[[data.r.label]]\nuse = "bands"\nbands = [{ label = "low" }]',
    "a split's key": "[data.r.split]\ntests = 0.2",
    "a split's share": "[data.r.split]\ntest = 1.5",
    "a train stage as a table": '[train]\nuse = "guess"\ndata = "r"',
    "a trainer without data": '[[train]]\nuse = "guess"',
    "an alias": '[[train]]\nuse = "guess"\ndata = "r"\nstart = { stage = "x" }',
    "a technique's option": '[[train]]\nuse = "guess"\ndata = "r"\n[[train.technique]]\nuse = "sort"\nby = "n"',
    "a technique without use": '[[train]]\nuse = "guess"\ndata = "r"\n[[train.technique]]\nby = "n"',
}  # fmt: skip
FIRST = '\n[data.r.source]\nuse = "lines"\npath = "rows.jsonl"\n'


def whole(text):
    """A recipe with a source: keys at its top come before the first table."""
    return FIRST + text if text.startswith("[") else text + FIRST


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_what_is_right_is_right_for_the_check_as_well(schema, registry, recipe, text):
    assert mistakes(schema, whole(text)) == []
    load(recipe(whole(text), source=False), registry)


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_is_wrong_is_wrong_for_the_check_as_well(schema, registry, recipe, text):
    assert mistakes(schema, whole(text))
    with pytest.raises(RecipeError):
        load(recipe(whole(text), source=False), registry)


def test_no_data_set_is_wrong(schema):
    assert mistakes(schema, "seed = 1") == ["$"]
    assert mistakes(schema, "[data]") == ["$.data"]


def option(schema, kind, use, name):
    choices = schema["definitions"][f"use-{kind}"]["oneOf"]
    return next(choice for choice in choices if choice["title"] == use)["properties"][name]


def test_options_have_their_descriptions_and_defaults(schema):
    assert option(schema, "clean", "shout", "use") == {
        "description": "Write a text column in capitals.",
        "type": "string",
        "enum": ["shout", "ladle-toys:shout"],
    }
    assert option(schema, "clean", "shout", "column") == {"type": "string", "default": "text"}
    assert option(schema, "source", "lines", "path") == {
        "type": "string",
        "format": "path",
        "description": "The file to read.",
    }
    assert option(schema, "trainer", "guess", "early_stopping")["description"].startswith("Epochs without a better")


def test_there_is_no_null(schema):
    assert option(schema, "trainer", "guess", "target") == {"type": "string"}
    stopping = option(schema, "trainer", "guess", "early_stopping")
    assert (stopping["type"], stopping["exclusiveMinimum"], "default" in stopping) == ("integer", 0, False)
    assert '"null"' not in json.dumps(schema["definitions"]["use-trainer"])


def test_an_option_with_a_model_inside_keeps_its_description(schema):
    assert option(schema, "trainer", "guess", "model") == {
        "anyOf": [{"$ref": "#/definitions/ModelChoice"}],
        "description": "Where the model starts.",
    }


def test_every_option_and_component_of_ours_is_described(installed_schema):
    for name, kind in installed_schema["definitions"].items():
        for component in kind["oneOf"] if name.startswith("use-") else ():
            if component["properties"]["use"]["enum"][-1].startswith(("ladle:", "ladle-toys:")):
                continue
            assert component["description"]
            assert all(about.get("description") for key, about in component["properties"].items() if key != "technique")


TWIN = """
    from pydantic import BaseModel
    from ladle import Cleaner, hookimpl

    class Band(BaseModel):
        {field}: int

    class Other(Cleaner):
        \"\"\"Has a model of its own that is called as another's.\"\"\"
        band: Band

    @hookimpl
    def ladle_cleaners():
        return {{"{use}": Other}}
"""


def test_models_and_components_of_one_name_do_not_clash(install):
    install("ladle-one", TWIN.format(field="high", use="one"))
    install("ladle-two", TWIN.format(field="low", use="two"))
    schema = recipe_schema(installed())
    assert mistakes(schema, whole('[[data.r.clean]]\nuse = "one"\nband = { high = 1 }')) == []
    assert mistakes(schema, whole('[[data.r.clean]]\nuse = "two"\nband = { low = 1 }')) == []
    assert mistakes(schema, whole('[[data.r.clean]]\nuse = "two"\nband = { high = 1 }'))
    assert mistakes(schema, whole('[[data.r.label]]\nuse = "bands"\nbands = [{ label = "low", below = 3 }]')) == []


def test_a_name_that_two_packages_offer_needs_its_package(install):
    install("ladle-one", TWIN.format(field="high", use="same"))
    install("ladle-two", TWIN.format(field="low", use="same"))
    schema = recipe_schema(installed())
    assert mistakes(schema, whole('[[data.r.clean]]\nuse = "ladle-two:same"\nband = { low = 1 }')) == []
    assert mistakes(schema, whole('[[data.r.clean]]\nuse = "same"\nband = { low = 1 }'))


ODD = """
    from typing import Annotated, Any
    from pydantic import BeforeValidator, ConfigDict
    from ladle import Cleaner, hookimpl

    class Colour:
        def __init__(self, name):
            self.name = name

    class Paint(Cleaner):
        \"\"\"Has an option of a class that JSON Schema does not know.\"\"\"
        model_config = ConfigDict(arbitrary_types_allowed=True)
        colour: Annotated[Colour, BeforeValidator(Colour)]

    class Tree(Cleaner):
        \"\"\"Has an option that no type belongs to.\"\"\"
        leaf: "Leaf"

    @hookimpl
    def ladle_cleaners():
        return {"paint": Paint, "tree": Tree}
"""


def test_what_cannot_be_described_may_be_anything_and_what_is_broken_is_left_out(install, recipe, folder):
    install("ladle-odd", ODD)
    schema = recipe_schema(installed())
    paint = whole('[[data.r.clean]]\nuse = "paint"\ncolour = "red"')
    assert mistakes(schema, paint) == []
    load(recipe(paint, source=False))
    assert mistakes(schema, whole('[[data.r.clean]]\nuse = "tree"\nleaf = 1'))


def test_a_kind_without_components_takes_none():
    lines = next(offer for offer in installed().offers if offer.use == "lines")
    schema = recipe_schema(Registry([lines.plugin], [lines]))
    jsonschema.Draft7Validator.check_schema(schema)
    assert mistakes(schema, whole("")) == []
    assert mistakes(schema, whole('[[data.r.clean]]\nuse = "shout"'))


def test_a_class_offered_by_two_names_is_both():
    shout = next(offer for offer in installed().offers if offer.use == "shout").load()
    lines = next(offer for offer in installed().offers if offer.use == "lines")
    plugin = Plugin(About("p", "1"))
    registry = Registry([plugin], [lines, *(Offer(use, "clean", plugin, shout) for use in ("loud", "louder"))])
    schema = recipe_schema(registry)
    assert mistakes(schema, whole('[[data.r.clean]]\nuse = "loud"\n[[data.r.clean]]\nuse = "p:louder"')) == []


def test_nothing_heavy_is_imported(environment):
    code = """
import sys
from ladle.registry import installed
from ladle.schema import recipe_schema
recipe_schema(installed())
sys.exit(", ".join({"torch", "transformers", "datasets", "pandas", "sklearn", "pyarrow"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
