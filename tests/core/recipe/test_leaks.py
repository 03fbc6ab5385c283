"""Rows that are learnt from in one place and test in another, and targets among what is learnt from."""

from __future__ import annotations

import json

import pytest

SECOND_SPLIT = """
[data.r.split]
test = 0.2

[[data.r.clean]]
use = "learn"

[data.again]
source = { use = "data", name = "r" }
split = { test = 0.2, seed = 1 }

[[train]]
use = "doubtful"
data = "again"
target = "n"
"""


def test_rows_that_are_divided_again_after_something_has_learnt_from_them(told):
    assert (
        told(SECOND_SPLIT)
        == """
recipe.toml:13:1: warning: `learn` in `r` has learnt from its train split, which this split divides again: \
what is tested here was learnt from there
  13 | split = { test = 0.2, seed = 1 }
     | ^^^^^
  help: leave this split out, or move `learn` to `again`
"""
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("seed = 1", "seed = 0"),  # the same rows test
        ("{ test = 0.2, seed = 1 }", "{ test = 0.1, validation = 0.1 }"),
        ('use = "learn"', 'use = "longer"'),  # learns nothing
    ],
)
def test_rows_that_are_divided_again_without_harm(warnings, before, after):
    assert warnings(SECOND_SPLIT.replace(before, after)) == []


def test_something_that_has_learnt_from_rows_that_were_not_divided(warnings):
    [problem] = warnings(SECOND_SPLIT.replace("[data.r.split]\ntest = 0.2\n", ""))
    assert problem.message.startswith("`learn` in `r` has learnt from all of its rows, which this split divides again")
    assert problem.code == "leak"


GOES_ON = """
[data.r.split]
test = 0.2

[data.s]
source = { use = "shown", path = "rows.jsonl" }
split = { test = 0.2, seed = 1 }

[[train]]
use = "doubtful"
name = "one"
data = "r"
target = "n"

[[train]]
use = "doubtful"
name = "two"
data = "r"
target = "n"
model = { stage = "one" }

[[train]]
use = "doubtful"
name = "three"
data = "s"
target = "n"
model = { stage = "two" }
"""


def test_a_model_that_goes_on_from_one_trained_on_rows_that_test_it(told):
    assert (
        told(GOES_ON)
        == """
recipe.toml:30:19: warning: `two` was trained on rows that test the model here: `r` reads rows.jsonl too, and divides \
it in another way
  30 | model = { stage = "two" }
     |                   ^^^^^
  help: divide the rows once, and let one data set start from the other (use = "data", name = "r")
"""
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (", seed = 1", ""),
        ("{ test = 0.2, seed = 1 }", "{ test = 0.1 }"),
        ('{ use = "shown", path = "rows.jsonl" }\nsplit = { test = 0.2, seed = 1 }', '{ use = "data", name = "r" }'),
        ('target = "n"\n', 'target = "n"\nepochs = 0\n'),  # trains nothing
    ],
)
def test_models_that_go_on_without_harm(warnings, before, after):
    assert [p for p in warnings(GOES_ON.replace(before, after)) if p.code == "leak"] == []


def test_other_options_of_a_source_give_other_ids_and_so_another_division(warnings, folder):
    (folder / "other.jsonl").write_text('{"text": "x", "n": 1}\n' * 30)
    source = '[[data.s.source]]\nuse = "shown"\npath = '
    other = source + '"rows.jsonl"\n' + source + '"other.jsonl"\n'
    text = GOES_ON.replace(
        '[data.s]\nsource = { use = "shown", path = "rows.jsonl" }\nsplit = { test = 0.2, seed = 1 }\n', ""
    )
    text += other + "[data.s.split]\ntest = 0.2\n"
    assert [p.code for p in warnings(text)] == ["leak"]
    by = text.replace("test = 0.2", 'test = 0.2\nby = ["text"]')
    assert warnings(by) == []  # by a column equal rows go the same way, whatever else there is


@pytest.fixture
def rows(folder):
    """Write rows with other columns."""

    def write(*rows: dict[str, object]) -> None:
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    return write


TARGET = """
[data.r.split]
test = 0.2

[[train]]
use = "doubtful"
data = "r"
target = "label"
columns = ["a", "b"]
"""


def test_a_column_that_is_equal_to_the_target(told, rows):
    rows(*({"a": n % 7, "b": n % 3, "label": n % 3} for n in range(30)))
    assert (
        told(TARGET)
        == """
recipe.toml:12:11: warning: `b` is equal to the target `label` in the 30 rows
  12 | columns = ["a", "b"]
     |           ^^^^^^^^^^
  help: leave `b` out of what the model learns from
"""
    )


def test_a_column_that_is_a_code_of_the_target(warnings, rows):
    rows(*({"a": n % 7, "b": 10 * (n % 3), "label": f"class {n % 3}"} for n in range(30)))
    assert [p.message for p in warnings(TARGET)] == [
        "`b` has a value of its own for each of the target `label` in the 30 rows"
    ]


@pytest.mark.parametrize(
    "row",
    [
        lambda n: {"b": n % 3, "label": n % 3 if n else 2},  # all rows but one
        lambda n: {"b": n, "label": f"row {n}"},  # an id: it says nothing of other rows
        lambda n: {"b": 1, "label": 1},  # one value
        lambda n: {"b": n == 7, "label": "x" if n == 7 else "y"},  # may be chance
        lambda n: {"b": None, "label": None},
    ],
)
def test_columns_that_are_no_copies_of_the_target(warnings, rows, row):
    rows(*({"a": n % 7} | row(n) for n in range(30)))
    assert warnings(TARGET) == []


def test_few_rows_say_nothing_of_copies(warnings, rows):
    rows(*({"a": n % 7, "b": n % 3, "label": n % 3} for n in range(19)))
    assert warnings(TARGET) == []


def test_a_target_that_a_labeler_makes_from_a_number_that_the_model_reads(warnings):
    text = TARGET.replace('["a", "b"]', '["text", "n"]') + '[[data.r.label]]\nuse = "halves"\n'
    [problem] = warnings(text)
    assert problem.message == "the target `label` follows from `n`, by `halves`, and the model reads it too"
    assert warnings(text.replace('"text", "n"', '"text"')) == []


def test_a_trainer_that_reads_its_target(warnings):
    [problem] = warnings(TARGET.replace('["a", "b"]', '["text", "n"]').replace('"label"', '"n"'))
    assert problem.message == "the model is to learn `n` from `n` itself"
    assert (problem.code, problem.span.line) == ("leak", 12)
