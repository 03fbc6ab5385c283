"""Rows of two data sets that belong together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ladle.errors import RecipeError
from ladle.recipe import load
from ladle.rows import Rows
from ladle.runner import run
from ladle.runs import Runs

VERSES = [
    {"book": 1, "verse": "1", "en": "In the beginning"},
    {"book": 1, "verse": "2", "en": "Now the earth"},
    {"book": 2, "verse": "1", "en": "Now these are"},
    {"book": None, "verse": "1", "en": "of no book"},
    {"book": 3, "verse": "1", "en": "of two"},
]
OTHERS = [
    {"number": "1", "verse": 1, "text": "元始に"},
    {"number": "1", "verse": 2, "text": None},
    {"number": "3", "verse": 1, "text": "一"},
    {"number": "3", "verse": 1, "text": "二"},
]
JOIN = """
    [data.pairs.source]
    use = "join"
    left = "verses"
    right = "others"
    on = {{ book = "number", verse = "verse" }}
    columns = {columns}
    """


@pytest.fixture
def recipe(tmp_path: Path):
    def write(join: str = JOIN.format(columns='{ text = "ja" }')) -> Path:
        for name, rows in (("verses", VERSES), ("others", OTHERS)):
            (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        path = tmp_path / "recipe.toml"
        sources = "".join(
            f'[data.{name}.source]\nuse = "jsonl"\npath = "{name}.jsonl"\n' for name in ("verses", "others")
        )
        path.write_text(f"{sources}[data.verses.split]\ntest = 0.4\n{join}")
        return path

    return write


def test_rows_join_with_their_ids_and_splits(recipe, tmp_path):
    done = run(load(recipe())[0], Runs(tmp_path / "runs"))
    keys = {stage["name"]: stage["key"] for stage in done.lock["stages"]}
    store = Runs(tmp_path / "runs").store

    def rows(stage: str):
        batches = Rows.of_stages([store.folder(keys[stage])]).whole_batches()
        return {row["_id"]: row for batch in batches for row in batch.to_pylist()}

    joined, before = rows("pairs.source"), rows("verses.split")
    assert sorted((row["en"], row["ja"]) for row in joined.values()) == [
        ("In the beginning", "元始に"),
        ("Now the earth", None),
    ]
    for id_, row in joined.items():
        assert {name: value for name, value in row.items() if name != "ja"} == before[id_]
    details = store.outcome(keys["pairs.source"])["details"]
    assert details["rejects_by_rule"] == {"no-match": 2, "several-matches": 1}
    reasons = [example["reason"] for example in details["reject_examples"]]
    assert "`others` has no row for `book` = 2, `verse` = '1'" in reasons
    assert "`others` has 2 rows for `book` = 3, `verse` = '1'" in reasons
    assert {example["file"] for example in details["reject_examples"]} == {"verses.jsonl"}


def test_a_row_without_a_partner_may_stay(recipe, tmp_path):
    done = run(load(recipe(JOIN.format(columns='{ text = "ja" }\n    unmatched = "keep"')))[0], Runs(tmp_path / "runs"))
    stage = next(stage for stage in done.lock["stages"] if stage["name"] == "pairs.source")
    store = Runs(tmp_path / "runs").store
    assert [(row["en"], row["ja"]) for row in Rows.of_stages([store.folder(stage["key"])])] == [
        ("In the beginning", "元始に"),
        ("Now the earth", None),
        ("Now these are", None),
        ("of no book", None),
    ]
    assert store.outcome(stage["key"])["details"]["rejects_by_rule"] == {"several-matches": 1}


@pytest.mark.parametrize(
    ("join", "message", "line"),
    [
        (JOIN.format(columns='["txt"]'), "no column `txt` at this point", 'columns = ["txt"]'),
        (JOIN.format(columns='{ text = "en" }'), "`verses` has a column `en` already", 'columns = { text = "en" }'),
        (
            JOIN.format(columns='["text"]').replace("number", "numbr"),
            "no column `numbr` at this point",
            'on = { book = "numbr", verse = "verse" }',
        ),
        (
            JOIN.format(columns='["text"]').replace('"others"', '"verses"'),
            "a data set cannot be joined with itself",
            'right = "verses"',
        ),
        (
            JOIN.format(columns='["text"]').replace('"others"', '"other"'),
            "no data set `other`",
            'right = "other"',
        ),
    ],
)
def test_what_cannot_be_joined_is_found_by_the_check(recipe, join, message, line):
    with pytest.raises(RecipeError) as caught:
        load(recipe(join))
    [problem] = [problem for problem in caught.value.problems if problem.severity == "error"]
    assert problem.message == message
    assert problem.span.text.strip() == line
