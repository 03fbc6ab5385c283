"""`--set`: values of the command line in the places of a recipe's own, typed, checked and shown like them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.errors import RecipeError
from ladle.recipe import load

RECIPE = """
[data.r.split]
test = 0.25

[[data.r.clean]]
use = "drop"
word = "bad"

[[data.r.clean]]
use = "drop"
word = "worse"

[[data.r.clean]]
use = "ladle-toys:shout"

[[data.r.label]]
use = "bands"
bands = [{ label = "low", below = 10 }, { label = "high", below = inf }]

[[train]]
use = "guess"
name = "first"
data = "r"

[[train]]
use = "guess"
name = "second"
data = "r"
model = { stage = "first" }
"""


@pytest.fixture
def read(recipe):
    """The recipe as it is with settings."""

    def do(*settings: str):
        return load(recipe(RECIPE), settings=settings)[0]

    return do


@pytest.fixture
def told(recipe):
    """What is told of wrong settings, with a line end before it for the eye."""

    def render(*settings: str) -> str:
        with pytest.raises(RecipeError) as caught:
            load(recipe(RECIPE), settings=settings)
        return f"\n{caught.value}\n"

    return render


@pytest.mark.parametrize("step", ["1", "second", '"second"', "'second'", " second "])
def test_an_entry_is_named_by_number_or_name(read, step):
    first, second = read(f"train.{step}.epochs=3").train
    assert (first.trainer.component.epochs, second.trainer.component.epochs) == (0, 3)


@pytest.mark.parametrize("step", ["bands", "0", "ladle-toys:bands"])
def test_an_entry_is_named_by_what_it_uses(recipe, step):
    text = RECIPE.replace('"bands"', '"ladle-toys:bands"')
    [labeler] = load(recipe(text), settings=[f"data.r.label.{step}.into=band"])[0].data["r"].steps["label"]
    assert labeler.component.into == "band"


def test_what_a_table_uses_is_named_without_its_package(read):
    assert read("data.r.clean.shout.column=text").data["r"].steps["clean"][2].component.column == "text"


def test_a_name_of_several_entries_is_not_guessed(told):
    assert (
        told("data.r.clean.drop.word=x")
        == """
--set:1:14: error: 2 tables here use `drop`
  1 | data.r.clean.drop.word=x
    |              ^^^^
  help: write the number of one: 0, 1
"""
    )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("data.r.clean.0.word=x", "x"),
        ("data.r.clean.0.word = two words ", "two words"),
        ('data.r.clean.0.word="in quotes"', "in quotes"),
        ("data.r.clean.0.word='a = \"b\"'", 'a = "b"'),
        ("data.r.clean.0.word=a=b # c", "a=b # c"),
        ("data.r.clean.0.word=", ""),
        ("data.r.clean.0.word=C:\\data", "C:\\data"),
        ("data.r.clean.0.word='1'", "1"),
        ("data.r.clean.0.word=1.2.3", "1.2.3"),
        ("data.r.clean.0.word=True", "True"),
    ],
)
def test_texts_need_no_quotes(read, setting, value):
    assert read(setting).data["r"].steps["clean"][0].component.word == value


def test_values_have_the_types_of_toml(read):
    found = read(
        "seed=3",
        "name='other'",
        "train.0.epochs=0.5",
        "train.0.auto_batch=true",
        "data.r.split.by=['n', \"text\"]",
        "data.r.label.0.bands=[{ label = 'all', below = inf }]",
    )
    assert (found.seed, found.name) == (3, "other")
    component = found.train[0].trainer.component
    assert (component.epochs, component.auto_batch) == (0.5, True)
    assert found.data["r"].split.by == ["n", "text"]
    assert [band.label for band in found.data["r"].steps["label"][0].component.bands] == ["all"]


def test_a_key_that_the_recipe_does_not_have_a_whole_table_and_a_part_of_a_list(read):
    found = read("data.r.source.threads=2", "data.r.split={ test = 0.5 }", "data.r.label.0.bands.0.below=5")
    assert found.data["r"].sources[0].component.threads == 2
    assert found.data["r"].split.test == 0.5
    assert found.data["r"].steps["label"][0].component.bands[0].below == 5


def test_a_key_in_quotes_may_have_stops_and_signs(recipe):
    text = RECIPE.replace("data.r.", 'data."r.1 = x".').replace('"r"', '"r.1 = x"')
    text = '[data."r.1 = x".source]\nuse = "lines"\npath = "rows.jsonl"\n' + text
    for quote in "\"'":
        setting = f"data.{quote}r.1 = x{quote} . split.test = 0.5"
        assert load(recipe(text, source=False), settings=[setting])[0].data["r.1 = x"].split.test == 0.5


def test_the_later_of_two_settings_counts(read):
    found = read("train.0.epochs=1", "train.0={ use = 'guess', name = 'first', data = 'r' }", "seed=1", "seed=2")
    assert (found.train[0].trainer.component.epochs, found.seed) == (0, 2)


def test_mistakes_in_values_are_shown_in_the_setting(told):
    assert (
        told(
            "train.0.epochs=two",
            "data.r.split={ tset = 0.5, by = ['txt', 1] }",
            'data.r.label.0.bands = [{ label = "low", below = "ten" }, { label = 1, below = 1 }]',
            "train.second.epoch=3",
            "seed=-1",
            "train.1.model.stage=third",
            "data.r.source.path=row.jsonl",
        )
        == """
--set:1:16: error: expected a number, found two
  1 | train.0.epochs=two
    |                ^^^
--set:2:16: error: unknown key `tset`
  2 | data.r.split={ tset = 0.5, by = ['txt', 1] }
    |                ^^^^
  help: did you mean `test`?
--set:2:41: error: expected a text in quotes, found 1
  2 | data.r.split={ tset = 0.5, by = ['txt', 1] }
    |                                         ^
  help: for a text write quotes that the shell leaves: '…="1"'
--set:3:50: error: expected a number, found "ten"
  3 | data.r.label.0.bands = [{ label = "low", below = "ten" }, { label = 1, below = 1 }]
    |                                                  ^^^^^
--set:3:69: error: expected a text in quotes, found 1
  3 | data.r.label.0.bands = [{ label = "low", below = "ten" }, { label = 1, below = 1 }]
    |                                                                     ^
  help: for a text write quotes that the shell leaves: '…="1"'
--set:4:14: error: unknown key `epoch`
  4 | train.second.epoch=3
    |              ^^^^^
  help: did you mean `epochs`?
--set:5:6: error: -1 is out of range: expected at least 0 and less than 4294967296
  5 | seed=-1
    |      ^^
--set:6:21: error: no earlier train stage `third`
  6 | train.1.model.stage=third
    |                     ^^^^^
  help: the earlier train stages are: first
--set:7:20: error: no such file or folder: row.jsonl
  7 | data.r.source.path=row.jsonl
    |                    ^^^^^^^^^
  help: did you mean `rows.jsonl`?
"""
    )


@pytest.mark.parametrize(
    ("setting", "found", "help"),
    [
        (
            "data.r.source.path=2024", "a path in quotes, found 2024",
            "for a text write quotes that the shell leaves: '…=\"2024\"'",
        ),
        (
            "data.r.split.by=['n', x]", "a list in brackets, found ['n', x]",
            "TOML cannot read it, so it is a text: are there quotes around each text?",
        ),
        ("data.r.split.by={ a = 1 }", "a list in brackets, found { a = 1 }", ""),
        ("data.r.split.test=", "a number, found nothing", ""),
    ],
)  # fmt: skip
def test_what_a_value_was_meant_to_be(recipe, setting, found, help):
    with pytest.raises(RecipeError) as caught:
        load(recipe(RECIPE), settings=[setting, "name=other"])
    [problem] = [problem for problem in caught.value.problems if problem.severity == "error"]
    assert (problem.message, problem.help) == (f"expected {found}", help)


def test_a_value_that_another_cannot_meet_is_found_in_the_setting(recipe):
    techniques = "".join(f'[[train.technique]]\nuse = "{use}"\n' for use in ("pack", "mix"))
    with pytest.raises(RecipeError) as caught:
        load(recipe(RECIPE + techniques), settings=["seed=1", "train.1.technique.pack.use=sort"])
    assert "`mix` and `sort` (--set 2) both decide the order" in [p.message for p in caught.value.problems]


def test_what_the_setting_leaves_alone_is_shown_in_the_recipe(recipe):
    with pytest.raises(RecipeError) as caught:
        load(recipe(RECIPE.replace("first", "1st").replace("test =", "tset =")), settings=["seed=x"])
    places = [str(problem.span) for problem in caught.value.problems]
    assert places == ["--set:1:6", "recipe.toml:6:1"]


@pytest.mark.parametrize(
    ("setting", "column", "length", "message", "help"),
    [
        ("sed.x=1", 1, 3, "there is no `sed` here", "there are: data, train"),
        ("trian.0.epochs=1", 1, 5, "there is no `trian` here", "did you mean `train`?"),
        ("train.2.epochs=1", 7, 1, "there is no `2` here", "there are: 0, 1, first, guess, second"),
        ("train.secnd.epochs=1", 7, 5, "there is no `secnd` here", "did you mean `second`?"),
        ("train.0.technique.0.x=1", 9, 9, "there is no `technique` here", "there are: data, name, use"),
        ("data.r.split.test.x=1", 19, 1, "there is no `x` here", "there are: none"),
        ("data.r.split.test.0.x=1", 19, 1, "there is no `0` here", "there are: none"),
        ("data.r.clean.3=1", 14, 1, "there is no `3` here", "there are: 0, 1, 2, drop, ladle-toys:shout, shout"),
        ("train.guess.epochs=1", 7, 5, "2 tables here use `guess`", "write the number of one: 0, 1"),
        *(
            (setting, 1, max(1, len(setting)), "expected a key, `=` and a value", "write --set train.0.epochs=1")
            for setting in ("", "=1", "seed", "train..epochs=1", ".seed=1", "seed.=1", '"seed"x=1', "seed 1")
        ),
    ],
)
def test_settings_that_name_nothing(recipe, setting, column, length, message, help):
    with pytest.raises(RecipeError) as caught:
        load(recipe(RECIPE), settings=[setting])
    [problem] = caught.value.problems
    assert (problem.code, problem.message, problem.help) == ("setting", message, help)
    assert (problem.span.file, problem.span.line) == ("--set", 1)
    assert (problem.span.column, problem.span.length) == (column, length)


STEPS = ["train", "data", "r", "0", "1", "first", "guess", "source", "split", "clean", "seed", "name", "use", "path"]
STEPS += ["label", "bands", "model", "stage", "\u0663", "9" * 5000, "-1"]
TOML_VALUES = ["1", "'r'", "[]", "{}", "[{}]", "[{ use = 'guess' }]", "{ a.b = 1, c = [1, { d = 2 }] }", "1979-05-27"]
SIGNS = ".=\"'[]{},# \n\t\\$"


STEP = st.sampled_from(STEPS) | st.text(SIGNS, max_size=2) | st.text(max_size=3)
VALUE = st.sampled_from(TOML_VALUES) | st.text(SIGNS + "ab0", max_size=8) | st.text(max_size=5)
SETTING = st.text() | st.builds(lambda steps, value: f"{'.'.join(steps)}={value}", st.lists(STEP, max_size=5), VALUE)


@given(st.lists(SETTING, min_size=1, max_size=3))
def test_no_setting_brings_anything_but_a_recipe_error(settings):
    text = '[data.r.source]\nuse = "lines"\npath = "rows.jsonl"\n' + RECIPE
    with contextlib.suppress(RecipeError):
        load(Path("recipe.toml"), settings=settings, text=text, offline=True)


def test_settings_are_in_the_lock_and_another_value_is_another_run(ladle, recipe):
    path = recipe('[[data.r.clean]]\nuse = "drop"\nword = "bad"\n')
    setting = ["--set", "data.r.clean.drop.word=row 1"]
    runs = [ladle("run", path, *settings, "--json") for settings in ([], setting, setting, ["--set", "seed=3"])]
    assert [answer.json["run"] for answer in runs] == ["recipe-1", "recipe-2", "recipe-2", "recipe-3"]
    assert [answer.json["stages"][1]["rejects"] for answer in runs] == [0, 11, 11, 0]
    assert runs[2].err == "recipe-2: nothing to be done, every stage is as it was\n"
    locks = [json.loads(Path(f"runs/recipe-{number}/lock.json").read_text()) for number in (1, 2, 3)]
    assert [lock["settings"] for lock in locks] == [[], ["data.r.clean.drop.word=row 1"], ["seed=3"]]
    assert [lock["seed"] for lock in locks] == [0, 0, 3]
    assert locks[1]["stages"][1]["options"]["word"] == "row 1"
    assert Path("runs/recipe-2/recipe.toml").read_bytes() == Path(path).read_bytes()


def test_a_wrong_setting_is_exit_code_2_for_run_and_check(ladle, recipe):
    for verb in ("run", "check"):
        answer = ladle(verb, recipe(""), "--set", "seed=1", "--set", "seed=two")
        assert (answer.code, answer.out) == (2, "")
        assert answer.err == ("--set:2:6: error: expected a whole number\n  2 | seed=two\n    |      ^^^\n")
    assert not Path("runs").exists()


def test_a_setting_that_is_not_utf8_is_told(script, recipe):
    answer = script("check", recipe(""), "--set", b"name=caf\xe9", "--json")
    assert (answer.code, answer.err) == (2, "")
    [problem] = answer.json
    assert problem["span"]["text"] == "name=caf?"
