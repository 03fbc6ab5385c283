"""What cannot work is told, where it stands and with what to do."""

from __future__ import annotations

import pytest

from ladle.errors import RecipeError, StageError

SENTIMENT = {"use": "text-classification", "data": "reviews", "target": "sentiment", "head": "own"}
ENTITIES = {"use": "token-classification", "data": "tweets", "column": "words", "target": "tags"}


def refused(read, recipe):
    with pytest.raises(RecipeError) as error:
        read(recipe)
    return error.value.problems


@pytest.mark.parametrize(
    ("other", "message", "at"),
    [
        (
            SENTIMENT | {"epochs": 5},
            "`epochs` concerns the whole training, and this task has it otherwise",
            "epochs = 5",
        ),
        (SENTIMENT | {"learning_rate": 1e-4}, "`learning_rate` concerns the whole training", "learning_rate = 0.0001"),
        (SENTIMENT | {"choose_by": "accuracy"}, "`choose_by` concerns the whole training", 'choose_by = "accuracy"'),
        ({"use": "of-its-own", "data": "reviews"}, "this trainer runs on trl:SFTTrainer", 'use = "of-its-own"'),
        (
            {"use": "tabular-regression", "data": "reviews", "columns": ["score"], "target": "score"},
            "the model of this trainer has no body that reads tokens",
            'use = "tabular-regression"',
        ),
        (SENTIMENT | {"column": "txt"}, "no column `txt` at this point", 'column = "txt"'),
        (SENTIMENT | {"data": "reveiws"}, "no data set `reveiws`", 'data = "reveiws"'),
    ],
)
def test_what_cannot_be_a_task_is_told_in_its_table(read, stage, saved, other, message, at):
    problems = [p for p in refused(read, stage(saved(), tasks={"entities": ENTITIES, "other": other})) if p.span]
    assert any(message in problem.message and problem.span.text == at for problem in problems), problems


def test_a_task_has_no_model_of_its_own(read, stage, saved):
    tasks = {"entities": ENTITIES, "sentiment": SENTIMENT | {"model": {"pretrained": str(saved(dropout=0.1))}}}
    (problem,) = refused(read, stage(saved(), tasks=tasks))
    assert "the tasks share one model" in problem.message
    assert problem.span.text.startswith("model = ")
    tasks["sentiment"]["model"] = {"pretrained": str(saved())}
    read(stage(saved(), tasks=tasks))  # but may say the same


def test_options_of_the_stage_may_be_repeated(read, stage, saved):
    stage_of_two = read(stage(saved(), tasks={"entities": ENTITIES | {"epochs": 2}, "sentiment": SENTIMENT})).train[0]
    assert stage_of_two.trainer.component.tasks["sentiment"].batch_size == 8  # given by the stage


def test_a_task_cannot_be_made_of_tasks(read, stage, saved):
    inner = {"use": "multi-task", "tasks": {"entities": ENTITIES, "sentiment": SENTIMENT}}
    problems = refused(read, stage(saved(), tasks={"inner": inner, "sentiment": SENTIMENT}))
    assert "a task cannot be made of tasks" in problems[0].message


def test_a_task_alone_shares_nothing(read, stage, saved):
    (problem,) = refused(read, stage(saved(), tasks={"sentiment": SENTIMENT}))
    assert problem.message == "there is only one task: nothing is shared"
    assert "use the trainer of the task itself" in problem.help


def test_a_task_s_name_can_be_a_folder_s(read, stage, saved):
    (problem,) = refused(read, stage(saved(), tasks={"a.b": ENTITIES, "sentiment": SENTIMENT}))
    assert "`a.b` cannot be the name of a task" in problem.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 2.0}, '`temperature` has no meaning where mixing = "proportional"'),
        ({"balancing": "uncertainty", "weights": {"entities": 2.0}}, 'no meaning where balancing = "uncertainty"'),
        ({"uncertainty_learning_rate": 0.1}, '`uncertainty_learning_rate` has no meaning where balancing = "fixed"'),
        ({"weights": {"sentimant": 2.0}}, "no task `sentimant`"),
        ({"weights": {"sentiment": 0.0}}, "0.0 is out of range: expected more than 0"),
        ({"mixing": "random"}, '"random" is not one of'),
        ({"early_stopping": 2, "epochs": 3}, None),
    ],
)
def test_options_that_make_no_sense_are_told(read, stage, saved, options, message):
    if message is None:
        read(stage(saved(), **options))
        return
    assert any(message in problem.message for problem in refused(read, stage(saved(), **options)))


def test_smaller_batches_are_of_one_size(read, stage, saved):
    tasks = {"entities": ENTITIES | {"batch_size": 4}, "sentiment": SENTIMENT}
    (problem,) = refused(read, stage(saved(), tasks=tasks, auto_batch=True))
    assert "with `auto_batch` the batches of all tasks are of one size" in problem.message
    read(stage(saved(), tasks=tasks))


def test_bodies_of_two_kinds_are_refused(stage, train, saved):
    tasks = {"one": {"use": "causal-language-model", "data": "reviews"}, "other": SENTIMENT}
    with pytest.raises(StageError) as error:
        train(stage(saved(), tasks=tasks))
    assert "bert" in str(error.value).lower()


def test_what_a_task_finds_wrong_in_its_rows_is_told_in_its_table(stage, train, saved):
    tasks = {"entities": ENTITIES, "sentiment": SENTIMENT | {"class_weights": {"x": 2.0}}}
    with pytest.raises(StageError, match="no class `x` in the train split") as error:
        train(stage(saved(), tasks=tasks))
    assert error.value.problems[0].span.text.startswith("class_weights")


@pytest.mark.parametrize(
    ("technique", "message"),
    [
        ({"use": "blind"}, "a technique has put rows of several tasks into one batch"),
    ],
)
def test_techniques_that_mix_rows_of_tasks_are_refused(stage, train, saved, technique, message):
    with pytest.raises(StageError, match=message):
        train(stage(saved(), technique))


@pytest.mark.parametrize(
    ("technique", "message"),
    [
        ({"use": "consistency", "unlabelled": "reviews"}, "which `multi-task` does not offer"),
        ({"use": "curriculum", "difficulty": "length"}, "both decide the order"),
        ({"use": "robustness", "attacks": [{"use": "typos"}]}, "this trainer's rows have no class"),
    ],
)
def test_techniques_that_need_what_is_one_task_s_alone_are_refused(read, stage, saved, technique, message):
    problems = refused(read, stage(saved(), technique))
    assert any(message in problem.message for problem in problems), problems
