"""`ladle store`: what it lists, what it removes, and how it says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

CLEAN = '[[data.r.clean]]\nuse = "{}"\n'


@pytest.fixture
def abandoned(ladle, recipe):
    """Two runs of which the first one's folder is gone."""
    for use in ("shout", "shout", "centre"):
        options = 'column = "n"\n' if use == "centre" else ""
        assert ladle("run", recipe(CLEAN.format(use) + options)).code == 0
    shutil.rmtree("runs/recipe-1")


def test_an_empty_store(ladle, folder):
    assert ladle("store") == (0, "the store in runs is empty\n", "")
    assert ladle("store", "--json").json == []
    assert ladle("store", "prune") == (0, "removed nothing\nfreed 0 B\n", "")
    assert not Path("runs").exists()


def test_the_store_is_listed(ladle, abandoned):
    answer = ladle("store")
    head, first, second, third, empty, total, hint = answer.out.splitlines()
    assert answer.code == 0
    assert head.split("  ")[0] == "key"
    assert {first.split()[1], second.split()[1]} == {"source", "clean"}
    assert {first.split()[-1], second.split()[-1]} == {"recipe-2"}
    assert third.split()[1:5] == ["clean", "r.clean.1", "shout", "40"]
    assert third.endswith("no run")
    assert (empty, total.partition(":")[0]) == ("", "3 outcomes")
    assert hint.startswith("no run uses ")
    assert hint.endswith(" of it: `ladle store prune` removes that")


def test_the_store_is_listed_for_programs(ladle, abandoned):
    listed = ladle("store", "--json").json
    assert list(listed[0]) == [
        "key", "state", "stage", "kind", "use", "rows", "size", "frees", "last_used", "runs",
    ]  # fmt: skip
    assert [(one["use"], one["runs"]) for one in listed if not one["runs"]] == [("shout", [])]
    assert ladle("store", "--runs", "elsewhere", "--json").json == []


def test_prune_tells_what_would_go_and_what_went(ladle, abandoned):
    for arguments, does, freed in ((["--dry-run"], "would remove", "would free"), ([], "removed", "freed")):
        answer = ladle("store", "prune", *arguments)
        head, line, empty, removed, free = answer.out.splitlines()
        assert (answer.code, head.split()[0], line.split()[3], empty) == (0, "key", "shout", "")
        assert removed.startswith(f"{does} 1 outcome: ")
        assert free.startswith(f"{freed} ")
        assert not free.endswith(" 0 B")
    assert ladle("store", "prune").out == "removed nothing\nfreed 0 B\n"


def test_prune_tells_it_to_programs(ladle, abandoned):
    would = ladle("store", "prune", "--dry-run", "--json").json
    done = ladle("store", "prune", "--json").json
    assert would == done | {"dry_run": True}
    assert list(done) == ["held", "leftovers", "hash_notes", "freed", "dry_run"]
    assert [one["use"] for one in done["held"]] == ["shout"]


def test_prune_of_all_leaves_runs_that_can_be_shown(ladle, abandoned):
    assert len(ladle("store", "prune", "--all", "--json").json["held"]) == 3
    assert ladle("store", "--json").json == []
    assert ladle("show", "recipe-2").code == 0


@pytest.mark.parametrize(("age", "count"), [("0h", 1), ("1h", 0), ("30d", 0), ("4w", 0)])
def test_prune_of_what_was_not_used_for_long(ladle, abandoned, age, count):
    assert len(ladle("store", "prune", "--older-than", age, "--json").json["held"]) == count


@pytest.mark.parametrize("age", ["30", "d", "-1d", "30 d", "1.5h"])
def test_a_time_that_is_none(ladle, folder, age):
    answer = ladle("store", "prune", f"--older-than={age}")
    assert answer.code == 2
    assert f"`{age}` is no time: give a number and h, d or w, like 30d" in answer.err
