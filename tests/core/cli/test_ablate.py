"""`ladle ablate` and `ladle compare`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RECIPE = """
    [data.r.split]
    test = 0.3
    [[train]]
    use = "guess"
    name = "model"
    data = "r"
    {more}
    """
TECHNIQUE = '[[train.technique]]\nuse = "sort"\n'


def test_ablate(ladle, recipe):
    path = recipe(RECIPE.format(more=TECHNIQUE))
    answer = ladle("ablate", path, "--seeds", "2")
    assert answer.code == 0
    told = [line.strip() for line in answer.out.splitlines() if line]
    value = told[2].split()[1]
    assert told == [
        "model, test split, means of 2 seeds",
        "loss",
        f"all {value:>43}",
        f"none {value:>42}",
        "sort: can't be told apart (+0.0000 [+0.0000, +0.0000])",
        "report: runs/recipe-ablation.html",
    ]
    assert "recipe: 4 runs, 2 variants with 2 seeds each" in answer.err
    page = Path("runs/recipe-ablation.html").read_text()
    assert "can&#39;t be told apart" in page
    assert page.count("<svg") == 2
    kept = json.loads(Path("runs/recipe-ablation.json").read_text())
    assert kept == ladle("ablate", path, "--seeds", "2", "--json").json
    assert [variant["techniques"] for variant in kept["variants"]] == [["sort"], []]
    assert [run["recipe"] for run in ladle("runs", "--json").json] == ["recipe-none", "recipe-all"] * 2


def test_ablate_refuses_a_recipe_without_techniques(ladle, recipe):
    answer = ladle("ablate", recipe(RECIPE.format(more="")))
    assert answer.code == 2
    assert "uses no technique" in answer.err


def test_compare(ladle, recipe):
    ladle("run", recipe(RECIPE.format(more=""), "one.toml"))
    ladle("run", recipe(RECIPE.format(more="batch_size = 7"), "two.toml"))
    ladle("run", recipe(RECIPE.format(more=TECHNIQUE), "three.toml"))
    answer = ladle("compare", "one", "two", "three")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[1].split() == ["model", "one-1", "two-1", "three-1"]
    assert lines[2].split()[:2] == ["loss", "test"]
    assert len(set(lines[2].split()[2:])) == 1
    assert "  model.batch_size changed: 32 -> 7" in lines
    page = Path("runs/comparison.html").read_text()
    assert "model.batch_size" in page
    found = ladle("compare", "one", "two", "--json").json
    [loss] = [entry for entry in found["metrics"]["model"] if entry["metric"] == "loss"]
    assert set(loss["runs"]) == {"one-1", "two-1"}
    [change] = found["differences"]["two-1"]["options"]
    assert (change["name"], change["before"], change["after"]) == ("model.batch_size", 32, 7)


@pytest.mark.parametrize("names", [["one"], ["one", "one"]])
def test_compare_needs_two_runs(ladle, folder, names):
    answer = ladle("compare", *names)
    assert (answer.code, answer.err.splitlines()[-1]) == (2, "Error: name two runs or more")


def test_compare_names_a_run_that_is_not_there(ladle, recipe):
    ladle("run", recipe(RECIPE.format(more=""), "one.toml"))
    answer = ladle("compare", "one", "tow")
    assert answer.code == 2
    assert "no run `tow`" in answer.err
