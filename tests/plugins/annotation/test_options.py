"""What a recipe can ask for, and what it is told where it asks for what cannot be."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ladle import Columns, OptionError
from ladle_annotation.by_hand import ByHand


def problem(**options):
    """What is wrong with options, and the help."""
    with pytest.raises(ValidationError) as caught:
        ByHand.model_validate(options)
    error = caught.value.errors()[0]["ctx"]["error"]
    assert isinstance(error, OptionError)
    return str(error), error.help


@pytest.mark.parametrize(
    ("options", "message", "help"),
    [
        ({}, "a row is asked one question, and here is nothing", "give one of labels = "),
        ({"labels": ["a", "b"], "text": True}, "here is both `labels` and `text`", "give one of labels = "),
        ({"labels": ["a"]}, "with one label there is nothing to choose", "name another one"),
        ({"labels": ["a", "b", "a"]}, "`a` is there twice", "leave one of them out"),
        ({"labels": ["a", " "]}, "one of them is empty", "give it a name"),
        ({"spans": ["PER"], "multiple": True}, "`multiple` belongs to `labels`", "leave it out"),
        ({"pair": ["one"]}, "a pair has two columns", "name the other one too"),
        ({"labels": ["good", "bad"], "keys": {"goood": "g"}}, "there is no `goood`", "did you mean `good`?"),
        ({"labels": ["a", "b"], "action_keys": {"undu": "x"}}, "there is no `undu`", "did you mean `undo`?"),
        ({"labels": ["a", "b"], "keys": {"a": "x", "b": "x"}}, "the key `x` is for both `a` and `b`", "another"),
        ({"labels": ["no", "yes"], "keys": {"no": "n"}}, "the key `n` is for both `note` and `no`", "action_keys"),
        ({"number": {"from": 5, "to": 0}}, "no numbers lie between 5 and 0", "exchange"),
    ],
)
def test_what_cannot_be_asked_is_told(options, message, help):
    told, remedy = problem(**options)
    assert message in told
    assert help in remedy


def test_a_file_that_is_something_else_is_told(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text\nhello\n" * 20)
    told, help = problem(labels=["a", "b"], file=path)
    assert told == f"{path} cannot be used as a file of labels: file is not a database"
    assert help.startswith("name another file")


def test_keys_are_digits_then_letters_and_none_is_an_action():
    labeler = ByHand(labels=[f"l{number}" for number in range(40)])
    keys = list(labeler.keys_of_choices.values())
    assert keys[:11] == [*"1234567890", "q"]
    assert len(keys) == len(set(keys)) < 40
    assert not set(keys) & set(labeler.keys_of_actions.values())


def test_a_key_that_is_named_is_taken_from_the_others():
    labeler = ByHand(labels=["no", "yes", "?!"], keys={"yes": "1"}, action_keys={"skip": "2"})
    assert labeler.keys_of_choices == {"no": "3", "yes": "1", "?!": "4"}


def test_few_whole_numbers_are_keys_that_are_the_numbers():
    assert ByHand(number={"from": 0, "to": 5}).keys_of_choices == {str(n): str(n) for n in range(6)}
    assert ByHand(number={"from": 1, "to": 10}).keys_of_choices["10"] == "0"
    assert ByHand(number={"from": 0, "to": 100}).keys_of_choices == {}
    assert ByHand(number={"from": 0.0, "to": 5.0}).keys_of_choices == {}


GIVEN = Columns({"text": "text", "words": "list", "one": "text", "two": "text", "stars": "integer", "v": "vector"})


@pytest.mark.parametrize(
    ("options", "made"),
    [
        ({"labels": ["a", "b"]}, {"label": "text"}),
        ({"labels": ["a", "b"], "multiple": True}, {"label": "list"}),
        ({"number": {"from": 0, "to": 5}}, {"label": "number"}),
        ({"text": True}, {"label": "text"}),
        ({"spans": ["PER"]}, {"label": "list", "tokens": "list"}),
        ({"spans": ["PER"], "column": "words"}, {"label": "list"}),
        ({"pair": ["one", "two"]}, {"label": "text", "chosen": "text", "rejected": "text"}),
    ],
)
def test_labels_make_columns_with_where_they_came_from(options, made):
    after = ByHand(**options).columns_after(GIVEN.fresh())
    new = {name: type_ for name, type_ in after.items() if name not in GIVEN}
    provenance = {"label_origin": "text", "label_confidence": "number", "label_annotator": "text", "label_time": "time"}
    assert new == made | provenance


@pytest.mark.parametrize(
    ("options", "message", "option"),
    [
        ({"labels": ["a", "b"], "into": "stars"}, "column `stars` holds integer, expected text", "into"),
        ({"labels": ["a", "b"], "show": ["txt"]}, "no column `txt` at this point", "show"),
        ({"spans": ["PER"], "column": "stars"}, "column `stars` holds integer, expected text or list", "column"),
        ({"pair": ["one", "three"]}, "no column `three` at this point", "pair"),
        ({"labels": ["a", "b"], "vectors": "text"}, "column `text` holds text, expected vector", "vectors"),
    ],
)
def test_columns_that_do_not_fit_are_told(options, message, option):
    with pytest.raises(OptionError) as caught:
        ByHand(**options).columns_after(GIVEN.fresh())
    assert str(caught.value).startswith(message)
    assert caught.value.option == option


def test_centres_need_vectors():
    with pytest.raises(OptionError, match="no column with vectors to find the centres of") as caught:
        ByHand(labels=["a", "b"], order="centres").columns_after(Columns({"text": "text"}))
    assert caught.value.option == "order"
    assert 'use = "sentence-embedding"' in caught.value.help
