"""What is no mistake for sure, but likely one: numbers far from the usual, rows that all go, parts without effect."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ladle.errors import RecipeError

TRAIN = """
[data.r.split]
test = 0.2

[[train]]
use = "doubtful"
data = "r"
target = "n"
"""


def test_numbers_far_from_the_usual_are_told_with_key_and_reason(told):
    found = told(
        TRAIN.replace("0.2", "0.7")
        + """learning_rate = 5.0
warmup = 0.6
clip = 1e-4
rates = [1, 0.0005, 25.0]
"""
    )
    assert (
        found
        == """
recipe.toml:6:8: warning: `test` = 0.7 is more than the usual (0.001 to 0.6)
  6 | test = 0.7
    |        ^^^
  help: few rows are left to train on
recipe.toml:12:17: warning: `learning_rate` = 5 is 5,000 times the usual (5e-07 to 0.001)
  12 | learning_rate = 5.0
     |                 ^^^
  help: training is likely to diverge
recipe.toml:13:10: warning: `warmup` = 0.6 is more than the usual (0 to 0.5)
  13 | warmup = 0.6
     |          ^^^
  help: the rate still rises when most of the training is over
recipe.toml:14:8: warning: `clip` = 0.0001 is 500 times less than the usual (0.05 to 50)
  14 | clip = 1e-4
     |        ^^^^
recipe.toml:15:13: warning: `rates` = 0.0005 is 200 times less than the usual (0.1 to 10)
  15 | rates = [1, 0.0005, 25.0]
     |             ^^^^^^
  help: too little
recipe.toml:15:21: warning: `rates` = 25 is 2 times the usual (0.1 to 10)
  15 | rates = [1, 0.0005, 25.0]
     |                     ^^^^
  help: too much
"""
    )


def test_usual_numbers_zeros_and_defaults_are_not_told(told):
    usual = "learning_rate = 1e-3\nclip = 0\nweight_decay = 0\nepochs = 0\nrates = [0.1, 10]\nbatch_size = 2048\n"
    assert told(TRAIN + usual) == "\n"


def test_an_option_that_is_written_under_another_name_is_called_so(warnings):
    [problem] = warnings('[[data.r.clean]]\nuse = "longer"\nmin = 100_000\n')[:1]
    assert problem.message == "`min` = 100000 is 100 times the usual (1 to 1000)"
    assert (problem.code, problem.span.line, problem.severity) == ("unusual", 6, "warning")


def test_a_cleaner_that_rejects_all_of_the_first_rows(told):
    assert (
        told('[[data.r.clean]]\nuse = "longer"\nmin = 100\n')
        == """
recipe.toml:6:7: warning: `longer` rejects all of the 40 rows
  6 | min = 100
    |       ^^^
  help: the first of them because it has 5 characters
"""
    )


def test_a_cleaner_that_leaves_next_to_none_of_the_first_rows(told, folder):
    rows = [{"text": "x" * (50 if number == 3 else 2), "n": number} for number in range(300)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    clean = '[[data.r.clean]]\nuse = "longer"\nmin = 20\n'
    assert "warning: `longer` rejects 99 of the first 100 rows\n" in told(clean)
    for row in rows[:6]:
        row["text"] = "x" * 50
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert told(clean) == "\n"  # 94 of 100


def test_few_rows_say_nothing_of_a_cleaner(told, folder):
    (folder / "rows.jsonl").write_text('{"text": "short", "n": 1}\n' * 19)
    assert told('[[data.r.clean]]\nuse = "longer"\nmin = 100\n') == "\n"


def test_a_component_sees_the_first_rows_as_those_before_it_have_made_them(told):
    work = """
[[data.r.clean]]
use = "longer"
min = 6

[[data.r.label]]
use = "halves"
into = "half"
"""
    assert (
        told(TRAIN + 'say = "rows"\n' + work)
        == """
recipe.toml:12:7: warning: the 30 rows have ['_id', 'half', 'n', 'text']
  12 | say = "rows"
     |       ^^^^^^
  help: look
"""
    )


def test_what_a_component_writes_that_cannot_be_tried_is_not_known(warnings):
    text = TRAIN + 'say = "rows"\n[[data.r.extract]]\nuse = "heavy"\n'
    assert [p.message for p in warnings(text)] == ["the 40 rows have ['_id', 'text']"]


def test_a_data_set_that_starts_from_others_has_rows_of_all(warnings, folder):
    (folder / "more.jsonl").write_text('{"text": "more", "m": 1}\n' * 10)
    text = """
    [[data.both.source]]
    use = "data"
    name = "r"

    [[data.both.source]]
    use = "shown"
    path = "more.jsonl"

    [data.both.split]
    test = 0.2

    [[train]]
    use = "doubtful"
    data = "both"
    target = "m"
    say = "rows"
    """
    assert [p.message for p in warnings(text)] == ["the 50 rows have ['_id', 'm', 'n', 'text']"]


@pytest.mark.parametrize(
    ("say", "message"),
    [
        ("crash", "`doubtful` failed while it looked at the first rows: ZeroDivisionError: by zero"),
        ("raise", "this cannot be"),
    ],
)
def test_a_component_that_fails_at_its_doubts_is_told_and_no_more(warnings, say, message):
    [problem] = warnings(TRAIN + f'say = "{say}"\n')
    assert (problem.message, problem.severity) == (message, "warning")


def test_early_stopping_that_cannot_happen(warnings):
    text = TRAIN.replace("test = 0.2", "test = 0.2\nvalidation = 0.1")
    [problem] = warnings(text + "early_stopping = 4\nepochs = 4\n")
    assert problem.message == "early stopping after 4 epochs without a better one cannot happen in 4 epochs"
    assert (problem.code, problem.span.line) == ("no-effect", 13)
    assert warnings(text + "early_stopping = 3\nepochs = 4\n") == []


def test_a_file_is_written_once_and_never_over_what_is_read(message):
    found = message(
        """
        [data.r.source]
        use = "lines"
        path = "rows.jsonl"

        [[data.r.write]]
        use = "toy-json"
        path = "out.jsonl"

        [[data.r.write]]
        use = "toy-json"
        path = "./out.jsonl"

        [[data.r.write]]
        use = "toy-json"
        path = "rows.jsonl"
        """
    )
    assert (
        found
        == """
recipe.toml:12:8: error: `toy-json` (line 7) writes this file too: one would replace the other
  12 | path = "./out.jsonl"
     |        ^^^^^^^^^^^^^
  help: write to another file
recipe.toml:16:8: error: this file is read by `lines` (line 3): writing would put other rows in it
  16 | path = "rows.jsonl"
     |        ^^^^^^^^^^^^
  help: write to another file
"""
    )


def test_a_technique_that_does_not_go_with_the_trainer(warnings):
    def errors(how: str) -> list[tuple[str, str, int]]:
        technique = f'say = "this"\n[[train.technique]]\nuse = "choosy"\nhow = "{how}"\n'
        with pytest.raises(RecipeError) as caught:
            warnings(TRAIN + technique)
        return [(p.message, p.help, p.span.line) for p in caught.value.problems]

    assert errors("this") == [("it does not go with this", "take another", 15)]
    [(message, help, line)] = errors("crash")
    assert message == "`choosy` failed while the recipe was checked: ZeroDivisionError: by zero"
    assert (help, line) == ("this is a fault of the plugin; tell its author", 14)
    assert warnings(TRAIN + '[[train.technique]]\nuse = "choosy"\nhow = "that"\n') == []


def test_a_data_set_that_nothing_uses(warnings):
    unused = '[data.spare.source]\nuse = "shown"\npath = "rows.jsonl"\n'
    [problem] = warnings(TRAIN + unused)
    assert (problem.message, problem.code) == ("`spare` is made and never used", "unused-data")
    assert problem.span.line == 12
    assert warnings(TRAIN + unused + '[[data.spare.write]]\nuse = "toy-json"\npath = "out"\n') == []
    assert warnings(unused) == []  # nothing is trained: its rows are what is wanted


def test_a_check_of_samples_loads_nothing_heavy(warnings, environment):
    warnings(TRAIN)
    code = (
        "import sys; from pathlib import Path; from ladle.recipe import load\n"
        f"load(Path({str(Path('recipe.toml').absolute())!r}))\n"
        "sys.exit(', '.join({'pyarrow', 'polars', 'torch', 'tokenizers'} & set(sys.modules)))"
    )
    path = next(p for p in sys.path if p.endswith("more-site"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip() == ""
