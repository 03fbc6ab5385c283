"""A fingerprint decides whether a server is read again."""

from __future__ import annotations

import pytest

from ladle.errors import LadleError
from ladle.explain import explain
from ladle.graph import stages_of
from ladle.locked import load_locked
from ladle.recipe import load
from ladle.runner import run
from ladle.runs import Runs

pytest.importorskip("pg8000", reason="the driver pg8000 is not installed")

RECIPE = """
[data.d.source]
use = "sql"
url = "${{DATABASE}}"
table = "counted"
{more}
"""
FINGERPRINT = 'fingerprint = "SELECT max(id), count(*) FROM counted"'


@pytest.fixture
def recipe(tmp_path, server, monkeypatch):
    monkeypatch.setenv("DATABASE", server.url())
    server.do("DROP TABLE IF EXISTS counted", "CREATE TABLE counted AS SELECT i AS id FROM generate_series(1, 50) i")

    def write(more: str):
        path = tmp_path / "counted.toml"
        path.write_text(RECIPE.format(more=more), encoding="utf-8")
        return load(path)

    return write


def test_a_server_is_read_again_when_its_fingerprint_is_another(recipe, server, tmp_path):
    runs = Runs(tmp_path / "runs")
    first = run(recipe(FINGERPRINT)[0], runs)
    assert run(recipe(FINGERPRINT)[0], runs).name == first.name
    load_locked(first, runs.store)
    server.do("INSERT INTO counted VALUES (51)")
    made, _ = recipe(FINGERPRINT)
    [source] = explain(made, stages_of(made, runs.store), runs)
    assert source.reasons == ["what it reads has changed"]
    with pytest.raises(LadleError, match="what it reads has changed"):
        load_locked(first, runs.store)
    assert run(made, runs).outcome["stages"][0]["rows_out"] == 51


def test_a_fingerprint_that_cannot_be_had_is_told_where_it_stands(recipe, tmp_path):
    with pytest.raises(LadleError, match='column "idd" does not exist') as caught:
        run(recipe(FINGERPRINT.replace("max(id)", "max(idd)"))[0], Runs(tmp_path / "runs"))
    [problem] = caught.value.problems
    assert problem.span.text.startswith("fingerprint = ")
    assert problem.help == "did you mean `id`?"


def test_without_one_the_check_says_that_rows_are_kept(recipe):
    [warning] = recipe("")[1]
    assert warning.message.startswith("rows are read once and kept")
    assert warning.span.text.startswith("url = ")
    assert recipe('as_of = "1"')[1] == recipe(FINGERPRINT)[1] == []
