"""The recipes that come with ladle: all of them are right, and they do on a part of their data what they promise."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ladle.prediction import Predictor
from ladle.recipe import load
from ladle.runner import run
from ladle.runs import Run, Runs

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.name)
def test_every_recipe_is_right(path):
    _, warnings = load(path)
    assert warnings == []


@pytest.mark.parametrize("path", sorted(p for p in (RECIPES / "data").iterdir() if p.suffix != ".LICENSE"), ids=str)
def test_all_data_have_a_licence_beside_them(path):
    note = path.with_suffix(".LICENSE").read_text()
    assert note.startswith(f"{path.name}: ")


@pytest.fixture
def try_recipe(tmp_path: Path) -> Callable[..., Run]:
    """Run a recipe, with some of its lines changed, on the first lines of its data."""

    def try_recipe(name: str, lines: int | None = None, train: bool = True, **changes: Any) -> Run:
        shutil.copytree(RECIPES / "data", tmp_path / "data")
        for data in (tmp_path / "data").iterdir():
            if lines and data.suffix != ".LICENSE":
                data.write_bytes(b"".join(data.read_bytes().splitlines(keepends=True)[:lines]))
        text = (RECIPES / name).read_text()
        text = text if train else text[: text.index("[[train]]")]
        changed = [
            next(
                (f"{key} = {json.dumps(value)}" for key, value in changes.items() if line.startswith(f"{key} =")), line
            )
            for line in text.splitlines()
        ]
        path = tmp_path / name
        path.write_text("\n".join(changed))
        return run(load(path)[0], Runs(tmp_path / "runs"))

    return try_recipe


@pytest.mark.slow
def test_quickstart_learns_who_says_yes(try_recipe):
    done = try_recipe("quickstart.toml")
    metrics = done.outcome["metrics"]["tabular-classification"]
    assert metrics["test"]["accuracy"] > metrics["baseline"]["accuracy"] + 0.1
    old, young = Predictor(done)(
        [{"age": 79, "gender": "female", "income": 60_000}, {"age": 19, "gender": "male", "income": 12_000}]
    )
    assert (old["label"], young["label"]) == ("yes", "no")


@pytest.mark.slow
def test_income_counts_its_rows_and_learns(try_recipe):
    done = try_recipe("income.toml", epochs=1)
    rows = {stage["name"]: (stage["rows_in"], stage["rows_out"], stage["rejects"]) for stage in done.outcome["stages"]}
    assert rows["census.source"] == (32_561, 32_561, 0)
    assert rows["census.clean.2"] == (32_561, 28_757, 3_804)
    assert done.outcome["metrics"]["income"]["test"]["auc"] > 0.88


@pytest.mark.slow
def test_sentiment_trains_the_layers_above_the_frozen_ones(try_recipe):
    done = try_recipe("sentiment.toml", lines=400, epochs=1)
    training = done.outcome["metrics"]["sentiment"]["training"]
    assert training["trainable_parameters"] < training["parameters"] / 3
    [answer] = Predictor(done)([{"text": "A quiet film that stays with you for days."}])
    assert answer["label"] in ("negative", "positive")


@pytest.mark.slow
def test_a_model_reads_then_answers_then_learns_from_its_answers(try_recipe):
    done = try_recipe("pretrain-tune-reinforce.toml", size=320, epochs=1, measured_rows=20, generated_rows=20)
    measured = {stage: metrics["test"] for stage, metrics in done.outcome["metrics"].items()}
    assert set(measured) == {"pretrained", "tuned", "reinforced"}
    assert measured["tuned"]["exact_match"] < 0.5
    assert done.outcome["metrics"]["reinforced"]["baseline"]["reward"] < 0.5  # it starts from that model
    assert measured["reinforced"]["answer_tokens"] > 0


@pytest.mark.slow
def test_tweets_are_read_from_their_package_and_entities_are_learnt(try_recipe):
    done = try_recipe("entities.toml", epochs=0.1)
    rows = {stage["name"]: (stage["rows_in"], stage["rows_out"], stage["rejects"]) for stage in done.outcome["stages"]}
    assert rows["tweets.clean.1"] == (2394, 2295, 99)
    assert done.outcome["metrics"]["token-classification"]["test"]["accuracy"] > 0.9


@pytest.mark.slow
def test_verses_find_each_other(try_recipe):
    done = try_recipe("translate.toml", train=False)
    rows = {stage["name"]: (stage["rows_in"], stage["rows_out"]) for stage in done.outcome["stages"]}
    assert rows["verses.source"][1] == 31_074


@pytest.mark.slow
def test_few_labels_are_labels_of_the_train_split_alone(try_recipe):
    done = try_recipe("few-labels.toml", lines=200, share=0.5, epochs=0)
    rows = {stage["name"]: (stage["rows_in"], stage["rows_out"], stage["rejects"]) for stage in done.outcome["stages"]}
    texts, few, drawn_out = rows["few.clean.1"]
    assert 20 < drawn_out < few < texts
    assert rows["some.source"][1] == texts
    measured = {metrics["test"]["rows"] for metrics in done.outcome["metrics"].values()}
    assert len(measured) == 1


@pytest.mark.slow
def test_rows_to_predict_need_no_target_even_where_a_cleaner_reads_it(tmp_path):
    shutil.copytree(RECIPES / "data", tmp_path / "data")
    text = (RECIPES / "quickstart.toml").read_text()
    text = text.replace('clean = [{ use = "deduplicate" }', 'clean = [{ use = "standardise" }, { use = "deduplicate" }')
    (tmp_path / "recipe.toml").write_text(f"{text}epochs = 1\n")
    done = run(load(tmp_path / "recipe.toml")[0], Runs(tmp_path / "runs"))
    [answer] = Predictor(done)([{"age": 79, "gender": " female ", "income": 60_000}])
    assert answer["label"] in ("no", "yes")
