"""`ladle schema`: the schema for programs on standard output, or whole in a file."""

from __future__ import annotations

import json

from ladle.registry import installed
from ladle.schema import recipe_schema


def test_it_prints_the_schema_and_nothing_else(ladle):
    answer = ladle("schema")
    assert (answer.code, answer.err) == (0, "")
    assert answer.json == recipe_schema(installed())


def test_it_writes_a_file_and_says_how_to_use_it(ladle, folder):
    (folder / "ladle.schema.json").write_text("old")
    answer = ladle("schema", "--output", "ladle.schema.json")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err == "ladle.schema.json: begin a recipe with the line `#:schema ./ladle.schema.json`\n"
    assert json.loads((folder / "ladle.schema.json").read_text()) == recipe_schema(installed())
    assert sorted(path.name for path in folder.iterdir()) == ["ladle.schema.json", "rows.jsonl"]


def test_a_folder_that_is_not_there_is_told(ladle, folder):
    answer = ladle("schema", "--output", "no/ladle.schema.json")
    assert answer.code == 1
    assert answer.err.startswith("error: ")
    assert "no/" in answer.err


def test_broken_plugins_do_no_harm(ladle, install):
    install("ladle-broken", "import no_such_module")
    assert ladle("schema").code == 0
