"""`ladle rejects` and `ladle trace`: what became of rows."""

from __future__ import annotations

from pathlib import Path

import pytest

CLEAN = """
[[data.r.clean]]
use = "shout"

[[data.r.clean]]
use = "drop"
word = "7"

[data.r.split]
test = 0.5

[[train]]
use = "guess"
data = "r"

"""


@pytest.fixture
def done(ladle, recipe, folder):
    """A run in which one line could not be read, four rows were dropped, and the others changed."""
    with Path("rows.jsonl").open("a") as file:
        file.write("no JSON\n")
    assert ladle("run", recipe(CLEAN)).code == 0
    return {reject["raw"]: reject for reject in ladle("rejects", "recipe", "--json").json}


def test_rejects_are_counted_and_shown(ladle, done):
    answer = ladle("rejects", "recipe", "--limit", "2")
    first, second, empty, unread, raw, dropped, row, _, more = answer.out.splitlines()
    assert (answer.code, empty) == (0, "")
    assert first.split() == ["1", "json", "in", "r.source"]
    assert second.split() == ["4", "word", "in", "r.clean.2"]
    assert (unread.endswith("rows.jsonl:41  json: this is no JSON"), raw) == (True, "    no JSON")
    assert dropped.endswith("  lines:8  word: holds `7`")
    assert row == '    {"text": "ROW 7", "n": 7}'
    assert more == "3 more: --limit 0 shows all"


def test_rejects_of_one_stage_or_rule(ladle, done):
    for option, value in (("--stage", "r.clean.2"), ("--rule", "word")):
        found = ladle("rejects", "recipe", option, value, "--limit", "0", "--json").json
        assert [reject["rule"] for reject in found] == ["word"] * 4
    assert ladle("rejects", "recipe", "--stage", "r.clean.1").out == "nothing was rejected\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stage", "r.clan.2"], "recipe-1 has no stage of data `r.clan.2`\n  help: did you mean `r.clean.2`?"),
        (["--rule", "wort"], "no row was rejected by the rule `wort`\n  help: did you mean `word`?"),
        (
            ["--rule", "word", "--stage", "r.source"],
            "no row was rejected by the rule `word`\n  help: the rules are: json",
        ),
    ],
)
def test_what_there_is_not(ladle, done, arguments, message):
    answer = ladle("rejects", "recipe", *arguments)
    assert (answer.code, answer.err.strip()) == (2, f"error: {message}")


def test_the_way_of_a_row_that_was_learnt_from(ladle, done):
    ways = [ladle("trace", "recipe", f"lines:{line}", "--json").json for line in range(1, 41)]
    splits = {way["split"]: way for way in ways if way["steps"][-1]["reject"] is None}
    way = ladle("trace", "recipe", splits["train"]["id"])
    head, source, number, split, changed, unchanged, trained = way.out.splitlines()
    line = splits["train"]["origin"]["line"]
    assert head == f"row {splits['train']['id']} (lines, line {line})"
    assert source.split("  ")[1].strip() == "r.source"
    assert source.endswith(f'  lines: text = "row {line - 1}"')
    assert number.strip() == f"n = {line - 1}"
    assert split.endswith("split: train split")
    assert changed.endswith(f'shout: text: "row {line - 1}" -> "ROW {line - 1}"')
    assert unchanged.endswith("drop: unchanged")
    assert trained.endswith("guess: learnt from")
    assert ladle("trace", "recipe", splits["test"]["id"]).out.endswith("guess: of the test split\n")


def test_the_way_of_a_rejected_row_ends_there(ladle, done):
    reject = done['{"text": "ROW 7", "n": 7}']
    way = ladle("trace", "recipe", reject["id"])
    assert way.code == 0
    assert [line.strip() for line in way.out.splitlines()[-2:]] == [
        "r.clean.2  drop: rejected: word: holds `7`",
        '{"text": "ROW 7", "n": 7}',
    ]
    steps = ladle("trace", "recipe", "lines:8", "--json").json["steps"]
    assert [step["stage"] for step in steps] == ["r.source", "r.split", "r.clean.1", "r.clean.2"]
    assert steps[-1]["reject"]["rule"] == "word"
    assert steps[-2]["changed"] == {"text": ["row 7", "ROW 7"]}


def test_the_way_of_what_could_not_be_read(ladle, done):
    path = done["no JSON"]["file"]
    assert ladle("trace", "recipe", "rows.jsonl:41").out.splitlines() == [
        f"no row ({path}, line 41, byte 0)",
        "  r.source  lines: rejected: json: this is no JSON",
        "            no JSON",
    ]


def test_rows_that_are_not_there_or_not_told_apart(ladle, done):
    answer = ladle("trace", "recipe", "lines:99")
    assert answer.code == 2
    assert answer.err.startswith("error: recipe-1 has no row `lines:99`\n  help: rows are named by id")
    answer = ladle("trace", "recipe", "")
    assert answer.err.startswith("error: `` stands for 40 rows of recipe-1\n  help: name one by its id: ")


def test_what_the_store_has_no_more(ladle, done):
    ladle("store", "prune", "--all")
    for verb in (["rejects", "recipe"], ["trace", "recipe", "lines:8"]):
        answer = ladle(*verb)
        assert answer.code == 2
        assert answer.err == (
            "error: what r.source of recipe-1 made is not in the store\n"
            "  help: run the recipe again: it is worked out again\n"
        )
