"""Using a model: new rows go the way that the rows it was trained on went."""

from __future__ import annotations

import pytest

from ladle.errors import RecipeError, StageError
from ladle.prediction import Predictor

RECIPE = """
[data.r.source]
use = "lines"
path = "rows.jsonl"

[data.r.split]
time = "n"
test = 0.5

[[data.r.clean]]
use = "shout"

[[data.r.clean]]
use = "drop"
word = "BAD"

[[data.r.clean]]
use = "centre"
column = "n"

[[data.r.extract]]
use = "count-characters"

[[data.r.label]]
use = "bands"
bands = [{ label = "low", below = 0 }, { label = "high", below = inf }]

[[train]]
use = "guess"
name = "of-length"
data = "r"
column = "length"
target = "label"

[[train]]
use = "guess"
name = "of-number"
data = "r"
target = "label"
"""


@pytest.fixture
def trained(work):
    return work(RECIPE, source=False)


def test_train_stages_are_measured_beside_a_baseline(trained):
    metrics = trained.outcome["metrics"]
    assert set(metrics) == {"of-length", "of-number"}
    assert metrics["of-number"]["test"] == {"loss": pytest.approx(40.0), "rows": 20}
    assert metrics["of-number"]["baseline"] == {"loss": 0.0}


def test_rows_pass_features_with_what_was_learnt_in_training(trained):
    """The mean of the train split, 9.5, is taken from a number; the last stage is used unless one is named."""
    assert Predictor(trained.run)([{"n": 10}, {"n": 0}]) == [{"twice": 1.0, "seen": 20}, {"twice": -19.0, "seen": 20}]


def test_a_row_that_a_cleaner_rejects_has_its_error(trained):
    predictor = Predictor(trained.run, "of-length")
    assert predictor(predictor.rows_of_texts(["abc", "so bad", "z"])) == [
        {"twice": 6.0, "seen": 20},
        {"error": "holds `BAD`"},
        {"twice": 2.0, "seen": 20},
    ]
    assert predictor([{"text": "bad"}]) == [{"error": "holds `BAD`"}]


def test_rows_without_a_column_that_the_model_needs(trained):
    with pytest.raises(RecipeError) as caught:
        Predictor(trained.run)([{"m": 1}])
    assert str(caught.value) == "error: the rows have no column `n`\n  help: the model needs the columns n"


def test_values_of_a_wrong_type_name_their_column(trained):
    with pytest.raises(RecipeError, match="column `n`: "):
        Predictor(trained.run)([{"n": "ten"}])


def test_a_component_that_fails_is_told_with_its_stage(trained):
    with pytest.raises(StageError, match=r"r.clean.3 \(centre\): TypeError: "):
        Predictor(trained.run)([{"n": 1}, {"n": None}])


def test_a_stage_that_the_run_does_not_have(trained):
    with pytest.raises(RecipeError) as caught:
        Predictor(trained.run, "of-nmber")
    assert str(caught.value) == (
        "error: the run recipe-1 has no train stage `of-nmber`\n  help: did you mean `of-number`?"
    )


def test_a_run_without_a_model(work):
    with pytest.raises(RecipeError, match="the run recipe-1 has trained no model"):
        Predictor(work("").run)


def test_files_that_were_learnt_from_may_be_gone(folder, work, install):
    install(
        "ladle-swap",
        """
        from ladle import Cleaner, InputPath, hookimpl

        class Swap(Cleaner):
            "Words as a file has them."

            path: InputPath

            def columns_after(self, given):
                given.need("text", "text")
                return given.having("text", "text")

            def fit(self, train):
                return self.path.read_text()

            def clean_row(self, row):
                return row | {"text": self.state if row["text"] == "SAME" else row["text"]}

        @hookimpl
        def ladle_cleaners():
            return {"swap": Swap}
        """,
    )
    (folder / "words.txt").write_text("a long one")
    swap = '[[data.r.clean]]\nuse = "swap"\npath = "words.txt"\n\n[[data.r.extract]]'
    trained = work(RECIPE.replace("[[data.r.extract]]", swap), source=False)
    (folder / "words.txt").unlink()
    assert Predictor(trained.run, "of-length")([{"text": "same"}]) == [{"twice": 20.0, "seen": 20}]
