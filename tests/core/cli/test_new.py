"""`ladle new recipe`: recipes to begin with, that are right and that train."""

from __future__ import annotations

import csv
import random
import sys
from pathlib import Path

import pytest
import tomli

from ladle.recipe import load

TASKS = ("text-classification", "tabular-classification", "tabular-regression")
DATA = Path(__file__).parents[3] / "recipes" / "data"


@pytest.fixture
def rows(folder):
    """Write rows of a dict each as `NAME.csv`."""

    def write(name, rows, delimiter=","):
        with open(folder / name, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
        return name

    return write


@pytest.fixture
def houses(rows):
    """A small table with a counter, gaps, categories, names, and a price that follows from the rest."""
    random.seed(1)
    made = []
    for number in range(120):
        size, place = random.randint(30, 200), random.choice(["town", "village", "coast"])
        price = size * 3 + 200 * (place == "coast") + random.gauss(0, 5)
        made.append(
            {
                "number": number + 1000,
                "size": "" if number % 17 == 5 else size,
                "place": "" if number % 19 == 3 else place,
                "owner": f"owner {number}",
                "price": round(price, 2),
                "dear": "yes" if price > 450 else "no",
            }
        )
    return rows("houses.csv", made)


@pytest.fixture
def reviews(rows):
    words = ["a good film", "a bad film", "nothing to be said", "see it again", "sleep instead"]
    made = [
        {"verdict": ["good", "bad"][n % 2], "review": f"{words[n % 5]}, for once, and {n} times more of the same"}
        for n in range(80)
    ]
    return rows("reviews.tsv", made, "\t")


def recipe_of(file="recipe.toml"):
    return tomli.loads(Path(file).read_text())


def uses(recipe, data, step):
    return [table["use"] for table in recipe["data"][data].get(step, [])]


def test_a_table_of_classes(ladle, houses):
    answer = ladle("new", "recipe", "--task", "tabular-classification", "--data", houses)
    assert (answer.code, answer.out) == (0, "")
    assert answer.err.splitlines()[0] == "recipe.toml: a recipe for tabular-classification"
    assert "error" not in answer.err
    found = recipe_of()
    assert found["data"]["houses"]["source"] == {"use": "csv", "path": "houses.csv"}
    assert found["data"]["houses"]["split"] == {"test": 0.2}
    assert found["data"]["houses"]["clean"] == [
        {"use": "select", "drop": ["number"]},
        {"use": "deduplicate"},
        {"use": "fill-missing", "strategy": "median", "columns": ["size", "price"]},
    ]
    assert found["data"]["houses"]["extract"] == [
        {"use": "scale", "columns": ["size", "price"]},
        {"use": "one-hot", "columns": ["place"]},
    ]
    assert found["train"] == [{"use": "tabular-classification", "data": "houses", "target": "dear"}]
    assert ladle("check", "recipe.toml").out == "recipe.toml: no mistake found\n"


@pytest.mark.slow
def test_it_trains_classes(ladle, houses):
    ladle("new", "recipe", "--task", "tabular-classification", "--data", houses)
    outcome = ladle("run", "recipe.toml", "--json").json
    metrics = outcome["metrics"]["tabular-classification"]
    assert metrics["test"]["accuracy"] > metrics["baseline"]["accuracy"] + 0.1


@pytest.mark.slow
def test_it_trains_numbers(ladle, houses):
    ladle("new", "recipe", "price.toml", "--task", "regression", "--data", houses)
    found = recipe_of("price.toml")
    assert found["train"] == [{"use": "tabular-regression", "data": "houses", "target": "price"}]
    assert found["data"]["houses"]["extract"] == [
        {"use": "scale", "columns": ["size"]},
        {"use": "one-hot", "columns": ["place", "dear"]},
    ]
    outcome = ladle("run", "price.toml", "--json").json
    metrics = outcome["metrics"]["tabular-regression"]
    assert metrics["test"]["mae"] < metrics["baseline"]["mae"]


def test_texts_are_found_with_their_delimiter(ladle, reviews):
    answer = ladle("new", "recipe", "--task", "text-classification", "--data", reviews)
    assert answer.code == 0
    found = recipe_of()
    assert found["data"]["reviews"]["source"] == {"use": "csv", "path": "reviews.tsv"}
    assert found["data"]["reviews"]["split"] == {"test": 0.2, "by": ["review"]}
    assert found["data"]["reviews"]["clean"] == [{"use": "deduplicate", "columns": ["review"]}]
    assert "extract" not in found["data"]["reviews"]
    [train] = found["train"]
    assert (train["target"], train["column"]) == ("verdict", "review")
    assert list(train["model"]) == ["pretrained"]
    assert ladle("check", "recipe.toml").code == 0


def test_a_word_of_several_tasks_is_settled_by_the_data(ladle, houses, reviews):
    ladle("new", "recipe", "a.toml", "--task", "classification", "--data", houses)
    ladle("new", "recipe", "b.toml", "--task", "classification", "--data", reviews)
    assert recipe_of("a.toml")["train"][0]["use"] == "tabular-classification"
    assert recipe_of("b.toml")["train"][0]["use"] == "text-classification"


@pytest.mark.parametrize("file", ["people.csv", "census.csv"])
def test_our_own_data_make_right_recipes(ladle, folder, file):
    ladle("new", "recipe", "--task", "classification", "--data", DATA / file)
    _, warnings = load(folder / "recipe.toml")
    assert [warning.message for warning in warnings] == []


@pytest.mark.parametrize("task", TASKS)
def test_without_data_only_the_file_is_missing(ladle, folder, task):
    answer = ladle("new", "recipe", "--task", task)
    assert answer.code == 0
    assert "write in it where your data are" in answer.err
    [problem] = ladle("check", "recipe.toml", "--json").json
    assert problem["code"] == "missing-file"
    assert "There is no such file yet" in problem["span"]["text"]


@pytest.mark.parametrize("task", TASKS)
def test_every_line_is_short_and_every_option_can_be_set(ladle, folder, task):
    ladle("new", "recipe", "--task", task)
    text = Path("recipe.toml").read_text()
    assert max(map(len, text.splitlines())) <= 100
    tomli.loads("\n".join(line.removeprefix("#") if line[1:2] != " " else line for line in text.splitlines()))
    assert "#:schema ./ladle.schema.json" in text
    assert "#epochs = " in text


def test_the_target_can_be_named(ladle, houses):
    ladle("new", "recipe", "--task", "tabular-classification", "--data", houses, "--target", "place")
    assert recipe_of()["train"][0]["target"] == "place"
    assert "A guess" not in Path("recipe.toml").read_text()
    ladle("new", "recipe", "other.toml", "--task", "tabular-classification", "--target", "kind")
    assert recipe_of("other.toml")["train"][0]["target"] == "kind"


def test_a_guess_is_called_one_and_names_come_first(ladle, rows):
    made = [{"Label": ["a", "b"][n % 2], "x": n * n, "colour": ["red", "blue"][n % 3 % 2]} for n in range(30)]
    ladle("new", "recipe", "--task", "tabular-classification", "--data", rows("x.csv", made))
    assert recipe_of()["train"][0]["target"] == "Label"
    text = Path("recipe.toml").read_text()
    assert "A guess: is it this one?" in " ".join(line.partition("# ")[2] for line in text.splitlines())
    assert "# The columns of x.csv are Label (text), x (integer), colour (text).\n" in text


def test_paths_are_told_from_the_recipe_and_names_are_made_fit(ladle, folder, rows):
    (folder / "sub").mkdir()
    rows("my rows (2).csv", [{"n": n * n, "label": "ab"[n % 2]} for n in range(30)])
    ladle("new", "recipe", "sub/r.toml", "--task", "tabular-classification", "--data", "my rows (2).csv")
    found = recipe_of("sub/r.toml")
    assert list(found["data"]) == ["my-rows-2"]
    assert found["data"]["my-rows-2"]["source"]["path"] == "../my rows (2).csv"
    assert ladle("check", "sub/r.toml").code == 0


def test_the_source_is_chosen_by_the_ending(ladle, folder):
    (folder / "notes.txt").write_text("a line\n" * 3)
    answer = ladle("new", "recipe", "--task", "guess", "--data", "notes.txt")
    assert "`guess` needs a column of number, and notes.txt has none" in answer.err
    assert "its columns are text (text)" in answer.err
    ladle("new", "recipe", "--task", "guess", "--data", "rows.jsonl")
    assert recipe_of()["data"]["rows"]["source"] == {"use": "jsonl", "path": "rows.jsonl"}


def test_a_trainer_of_somebody_else_gets_what_it_reads(ladle, rows, install):
    install(
        "ladle-pairs",
        """
        from typing import Annotated
        from pydantic import Field
        from ladle import DataName, ModelChoice, Reads, Trainer, hookimpl

        class Pairs(Trainer):
            \"\"\"Learn which texts belong together.\"\"\"
            question: Annotated[str, Reads("text")] = Field(description="What is asked.")
            numbers: Annotated[list[str], Reads("number")]
            other: Annotated[str | None, Reads("text")] = None
            unlabeled: DataName
            start: ModelChoice = Field(alias="model", examples=[{"pretrained": "some/model"}])

        @hookimpl
        def ladle_trainers():
            return {"pairs": Pairs}
        """,
    )
    made = [{"n": n * n, "q": f"why is {n} not more than it is?", "m": n / 2} for n in range(30)]
    ladle("new", "recipe", "--task", "pairs", "--data", rows("x.csv", made))
    assert recipe_of()["train"] == [
        {
            "use": "pairs",
            "data": "x",
            "model": {"pretrained": "some/model"},
            "question": "q",
            "numbers": ["n", "m"],
            "unlabeled": "x",
        }
    ]
    assert ladle("check", "recipe.toml").code == 0
    answer = ladle("new", "recipe", "y.toml", "--task", "pairs", "--target", "q")
    assert "`pairs` has no target" in answer.err


def test_two_trainers_of_one_name_are_told_apart(ladle, folder, install):
    install(
        "ladle-again",
        """
        from ladle import Trainer, hookimpl

        class Again(Trainer):
            \"\"\"Guess again.\"\"\"

        @hookimpl
        def ladle_trainers():
            return {"guess": Again}
        """,
    )
    assert "say --task ladle-again:guess or --task ladle-toys:guess" in ladle("new", "recipe", "--task", "guess").err
    ladle("new", "recipe", "--task", "ladle-again:guess")
    assert recipe_of()["train"] == [{"use": "ladle-again:guess", "data": "rows"}]


def test_no_file_is_overwritten_unless_it_is_said(ladle, folder):
    (folder / "recipe.toml").write_text("mine")
    answer = ladle("new", "recipe", "--task", "tabular-regression")
    assert answer.code == 2
    assert answer.err == "error: recipe.toml exists already\n  help: name another file, or add --force\n"
    assert (folder / "recipe.toml").read_text() == "mine"
    assert ladle("new", "recipe", "--task", "tabular-regression", "--force").code == 0
    assert recipe_of()["train"][0]["use"] == "tabular-regression"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the task is missing: say --task "),
        (["no/recipe.toml", "--task", "guess"], "there is no folder no"),
        (["--task", "classification"], "`classification` may mean several tasks: say --task text-classification or"),
        (["--task", "tabular-regresion"], "did you mean `tabular-regression`?"),
        (["--task", "guess", "--data", "gone.csv"], "gone.csv"),
        (["--task", "guess", "--data", "rows.xyz"], "no data source is for files like rows.xyz"),
        (["--task", "guess", "--data", "empty.csv"], "`csv` cannot look into empty.csv: empty.csv is empty"),
        (["--task", "tabular-regression", "--data", "rows.jsonl", "--target", "m"], "--target: no column `m`"),
        (["--task", "tabular-regression", "--data", "rows.jsonl", "--target", "text"], "holds text, expected number"),
        (["--task", "tabular-classification", "--data", "rows.jsonl"], "name it with --target; the columns are text"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(ladle, folder, arguments, said):
    (folder / "empty.csv").touch()
    (folder / "rows.xyz").touch()
    answer = ladle("new", "recipe", *arguments)
    assert answer.code == 2
    assert said in answer.err
    assert not (folder / "recipe.toml").exists()


def test_the_task_is_asked_for_at_a_terminal(ladle, folder, monkeypatch):
    class Terminal:
        lines = iter(["nonsense\n", "tabular-regression\n"])

        def isatty(self):
            return True

        def readline(self):
            return next(self.lines)

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda text: next(Terminal.lines).strip())
    answer = ladle("new", "recipe")
    assert answer.code == 0
    assert "  tabular-regression       Predict a number from rows of numbers" in answer.err
    assert recipe_of()["train"][0]["use"] == "tabular-regression"
