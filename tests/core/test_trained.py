"""Data that are worked on with the model of a train stage, and models as predictors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ladle.errors import RecipeError, StageError
from ladle.prediction import Predictor

TWO_STEPS = """
    [data.told]
    source = { use = "data", name = "r" }
    label = [{ use = "asking", model = { stage = "first" } }]

    [[train]]
    use = "guess"
    name = "second"
    data = "told"
    column = "said"

    [[train]]
    use = "guess"
    name = "first"
    data = "r"
    """


def _errors(problems, text):
    return [(p.message, p.help, p.span.line) for p in problems(text) if p.severity == "error"]


def test_a_data_set_waits_for_the_model_that_it_uses(work):
    done = work(TWO_STEPS)
    assert list(done.status()) == ["r.source", "told.source", "first", "told.label.1", "second"]
    assert [row["said"] for row in done.rows("told.label.1")] == [2.0 * number for number in range(40)]
    [label] = [stage for stage in done.run.lock["stages"] if stage["name"] == "told.label.1"]
    assert label["inputs"] == ["told.source", "first"]


def test_another_model_means_other_labels(work):
    def key(text: str) -> str:
        return next(s["key"] for s in work(text).run.lock["stages"] if s["name"] == "told.label.1")

    assert key(TWO_STEPS) == key(TWO_STEPS.replace("second", "third"))
    changed = TWO_STEPS + "    batch_size = 7\n"  # of the first
    assert key(TWO_STEPS) != key(changed)


def test_new_rows_take_the_same_way(work):
    [said] = Predictor(work(TWO_STEPS).run, "second")([{"n": 3}])
    assert said["twice"] == 12.0


def test_a_circle_is_told(problems):
    text = TWO_STEPS.replace('data = "r"', 'data = "told"')
    [(message, help, line)] = _errors(problems, text)
    assert message == "these need each other in a circle: `told` -> `first` -> `told`"
    assert (help, line) == ("let one of them start from a file", 18)


def test_a_stage_that_is_not_there(problems):
    [(message, help, _)] = _errors(problems, TWO_STEPS.replace('stage = "first"', 'stage = "frist"'))
    assert (message, help) == ("no train stage `frist`", "did you mean `first`?")


def test_a_column_that_the_model_reads_must_be_there(problems):
    text = TWO_STEPS.replace('name = "r" }', 'name = "r" }\nextract = [{ use = "count-characters" }]', 1)
    text = text.replace('data = "r"', 'data = "r"\ncolumn = "m"')
    found = _errors(problems, text)
    assert {message for message, _, _ in found} == {"no column `m` at this point"}
    assert [line for _, _, line in found] == [8, 20]


def test_a_model_from_scratch_has_nothing_to_say(problems):
    [(message, help, _)] = _errors(problems, TWO_STEPS.replace('{ stage = "first" } }', '{ scratch = "bert" } }'))
    assert message == "only a train stage can begin with a model that has learnt nothing"
    assert help == 'name one that has: model = { pretrained = "…" } or { stage = "…" }'


def test_a_model_folder_of_a_run_is_a_pretrained_one(work, folder):
    work('[[train]]\nuse = "guess"\nname = "first"\ndata = "r"\n')
    text = '[[data.r.label]]\nuse = "asking"\nmodel = { pretrained = "runs/recipe-1/models/first" }\n'
    assert work(text).rows("r.label.1")[3]["said"] == 6.0


@pytest.mark.parametrize(
    ("note", "message"),
    [
        (None, "was not trained by ladle: what it says of rows is not known"),
        ({"use": "ladle-gone:guess", "options": {}, "state": {}}, "the package that it was trained with: ladle-gone"),
        ({"use": "ladle-toys:guess", "options": {"data": 3}, "state": {}}, "cannot be used"),
    ],
)
def test_a_model_that_cannot_be_asked(work, folder, note, message):
    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    if note:
        (model / "ladle.json").write_text(json.dumps(note))
    with pytest.raises(StageError) as caught:
        work('[[data.r.label]]\nuse = "asking"\nmodel = { pretrained = "model" }\n')
    [problem] = caught.value.problems
    assert message in problem.message + problem.help
    assert problem.span.text.startswith("model = ")


def test_rude_folders_are_found_by_the_check(work):
    Path("empty").mkdir()
    with pytest.raises(RecipeError, match="holds no model"):
        work('[[data.r.label]]\nuse = "asking"\nmodel = { pretrained = "empty" }\n')
