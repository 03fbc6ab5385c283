"""Components within the options of others: how a recipe writes them, and what is told of them."""

from __future__ import annotations

import json

import pytest

from ladle.prediction import Predictor
from ladle.recipe import load
from ladle.schema import recipe_schema

SERVED = '[[train]]\nuse = "served"\ndata = "r"\n'
MEAL = '[[train]]\nuse = "meal"\n'


def _trainer(recipe, registry, text):
    return load(recipe(text), registry)[0].train[0].trainer


def _error(problems, text):
    """The one error of a recipe, whatever else it is warned of."""
    [problem] = [problem for problem in problems(text) if problem.severity == "error"]
    return problem


def test_one_a_list_and_names(recipe, registry):
    served = _trainer(recipe, registry, f'{SERVED}base = "sauce"\ntops = ["sauce", {{ use = "sauce", times = 2 }}]\n')
    assert served.component.base.times == 1.0
    assert [top.times for top in served.component.tops] == [1.0, 2.0]
    assert [inner.at for inner in served.inner] == [
        ("train", 0, "base"),
        ("train", 0, "tops", 0),
        ("train", 0, "tops", 1),
    ]
    meal = _trainer(recipe, registry, f'{MEAL}data = "r"\n[train.courses.soup]\nuse = "served"\n')
    assert meal.component.courses["soup"].base.times == 3.0
    assert [inner.use for inner in meal.all()] == ["meal", "served", "sauce"]


def test_a_default_stands_where_the_recipe_says_nothing(recipe, registry):
    served = _trainer(recipe, registry, SERVED)
    assert (served.component.base.times, served.component.tops) == (3.0, [])


def test_what_is_given_is_every_inner_ones_unless_it_says_another(recipe, registry):
    text = f"""{MEAL}
        data = "r"
        column = "m"
        courses = {{ soup = "guess", cake = {{ use = "guess", column = "k", data = "s" }} }}
        [data.s.source]
        use = "lines"
        path = "rows.jsonl"
        peeks = false
        """
    text = text.replace('column = "m"', 'column = "n"').replace('column = "k"', 'column = "n"')
    loaded, _ = load(recipe(text), registry)
    courses = loaded.train[0].trainer.component.courses
    assert (courses["soup"].data, courses["cake"].data) == ("r", "s")
    assert loaded.train[0].data == ["r", "s"]


def test_every_mistake_is_told_at_its_place(message):
    assert (
        message(
            """
            [data.r.source]
            use = "lines"
            path = "rows.jsonl"
            [[train]]
            use = "served"
            data = "r"
            base = { use = "sause" }
            tops = [{ use = "sauce", times = -1 }, { times = 2 }, { use = "sauce", column = "nn" }]
            epochs = "one"
            [[train.technique]]
            use = "sord"
            """
        )
        == """
recipe.toml:7:8: warning: `r` has no test split: the model will be trained but not measured
  7 | data = "r"
    |        ^^^
  help: add `test = 0.2` to [data.r.split]
recipe.toml:8:16: error: unknown topping `sause`
  8 | base = { use = "sause" }
    |                ^^^^^^^
  help: did you mean `sauce`?
recipe.toml:9:34: error: -1 is out of range: expected more than 0
  9 | tops = [{ use = "sauce", times = -1 }, { times = 2 }, { use = "sauce", column = "nn" }]
    |                                  ^^
recipe.toml:9:40: error: the key `use` is missing: which topping?
  9 | tops = [{ use = "sauce", times = -1 }, { times = 2 }, { use = "sauce", column = "nn" }]
    |                                        ^^^^^^^^^^^^^
  help: the toppings installed are: sauce, spice
recipe.toml:10:10: error: expected a number, found "one"
  10 | epochs = "one"
     |          ^^^^^
recipe.toml:12:7: error: unknown technique `sord`
  12 | use = "sord"
     |       ^^^^^^
  help: did you mean `sort`?
"""
    )


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("base = 3", 'expected base = "NAME" or { use = "NAME", … }'),
        ('tops = "sauce"', 'expected tops = [{ use = "NAME", … }]'),
        ("tops = [1]", 'expected tops = [{ use = "NAME", … }]'),
    ],
)
def test_a_value_of_another_form(problems, wrong, told):
    problem = _error(problems, f"{SERVED}{wrong}\n")
    assert (problem.message, problem.help) == (told, "NAME is a topping; installed are: sauce, spice")


def test_names_need_a_table(problems):
    problem = _error(problems, f'{MEAL}data = "r"\ncourses = ["guess"]\n')
    assert problem.message == 'expected courses = { ANY = { use = "NAME", … } }'


def test_a_missing_column_is_told_at_the_inner_option(problems):
    problem = _error(problems, f'{SERVED}[[train.tops]]\nuse = "sauce"\ncolumn = "m"\n')
    assert problem.message.startswith("no column `m`")
    assert problem.span.text == 'column = "m"'


def test_an_inner_trainer_sees_the_columns_of_its_own_data_set(problems):
    text = f"""{MEAL}
        [train.courses.soup]
        use = "guess"
        data = "r"
        [train.courses.cake]
        use = "guess"
        data = "counted"
        column = "length"
        [train.courses.bread]
        use = "guess"
        data = "r"
        column = "length"
        [data.counted]
        source = {{ use = "data", name = "r" }}
        extract = [{{ use = "count-characters" }}]
        """
    problem = _error(problems, text)
    assert problem.message.startswith("no column `length`")
    assert problem.span.line == 17


def test_an_unknown_data_set_of_an_inner_trainer(problems):
    problem = _error(problems, f'{MEAL}[train.courses.soup]\nuse = "guess"\ndata = "s"\n')
    assert problem.message == "no data set `s`"


def test_inner_options_and_files_are_part_of_the_key(work, folder):
    (folder / "spice.txt").write_text("hot")

    def key(more: str) -> str:
        done = work(f"{SERVED}{more}\n")
        return next(stage["key"] for stage in done.run.lock["stages"] if stage["kind"] == "train")

    spiced = 'base = { use = "spice", path = "spice.txt" }'
    keys = [key(""), key('base = "sauce"'), key('tops = ["sauce"]'), key(spiced)]
    (folder / "spice.txt").write_text("mild")
    keys.append(key(spiced))
    assert len(set(keys)) == 5
    assert key('base = { use = "spice", path = "spice.txt", stirs = 4 }') == keys[4]
    (folder / "spice.txt").rename(folder / "other.txt")
    assert key('base = { use = "spice", path = "other.txt" }') == keys[4]


def test_a_trained_model_is_used_with_what_its_options_held(work):
    done = work(f'{SERVED}base = {{ use = "sauce", times = 5 }}\ntops = ["sauce", "sauce"]\n')
    [said] = Predictor(done.run)([{"n": 2}])
    assert said == {"served": 20.0, "tops": 2}
    options = done.run.lock["stages"][-1]["options"]
    assert options["base"] == {"use": "ladle-toys:sauce", "column": "n", "times": 5.0}


def test_what_is_given_is_not_said_twice_in_the_lock(work):
    done = work(f'{MEAL}data = "r"\n[train.courses.soup]\nuse = "guess"\n')
    soup = done.run.lock["stages"][-1]["options"]["courses"]["soup"]
    assert soup["use"] == "ladle-toys:guess"
    assert "data" not in soup
    assert Predictor(done.run).trainer.courses["soup"].data == "r"


def test_the_schema_knows_what_options_hold(registry):
    import jsonschema

    schema = recipe_schema(registry)
    source = {"r": {"source": {"use": "lines", "path": "rows.jsonl"}}}

    def valid(**options) -> bool:
        recipe = {"data": source, "train": [options]}
        return not list(jsonschema.Draft7Validator(schema).iter_errors(recipe))

    served = {"use": "served", "data": "r"}
    assert valid(**served)
    assert valid(**served, base="sauce", tops=["spice", {"use": "sauce", "times": 2}])
    assert not valid(**served, base="salt")
    assert not valid(**served, base={"use": "sauce", "tims": 2})
    assert not valid(**served, tops={"use": "sauce"})
    assert valid(use="meal", courses={"soup": {"use": "served", "base": "sauce"}})
    assert not valid(use="meal", courses={"soup": {"use": "served", "technique": []}})
    assert not valid(use="meal")


def test_plugins_show_tells_of_options_that_hold_components(ladle):
    shown = ladle("plugins", "show", "served", "--json").json[0]
    types = {option["name"]: option["type"] for option in shown["options"]}
    assert (types["base"], types["tops"]) == ("topping", "list of topping")
    assert json.dumps(shown["example"]).count("sauce") >= 1
    assert ladle("plugins", "show", "sauce").code == 0


def test_a_plugin_may_offer_what_another_plugin_adds(install, registry):
    from ladle.registry import installed

    source = """
        from ladle import hookimpl
        from ladle_toys import Topping
        class Salt(Topping):
            pass
        @hookimpl{how}
        def {hook}():
            return {{"salt": Salt}}
        """
    install("aa-salt", source.format(hook="ladle_toppings", how=""))
    assert installed().find("topping", "salt").load().__name__ == "Salt"
    install("aa-pepper", source.format(hook="ladle_peppers", how="(optionalhook=True)"))
    install("aa-typo", source.format(hook="ladle_topping", how=""))
    errors = {plugin.name: plugin.error for plugin in installed().plugins}
    assert errors["aa-pepper"] is None
    assert "unknown hook `ladle_topping`: did you mean `ladle_toppings`?" in errors["aa-typo"]
