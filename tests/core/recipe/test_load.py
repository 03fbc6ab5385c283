"""What the user of a wrong recipe sees: whole messages, as they are printed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ladle.errors import RecipeError
from ladle.recipe import load

GOOD = """\
name = "good"
seed = 7

[data.r.source]
use = "lines"
path = "rows.jsonl"

[data.r.split]
test = 0.25

[[data.r.clean]]
use = "shout"

[[data.r.label]]
use = "bands"
bands = [{ label = "low", below = 10 }, { label = "high", below = inf }]

[[train]]
use = "guess"
data = "r"
target = "label"

[[train.technique]]
use = "sort"
"""


def test_a_right_recipe_has_names_seed_and_components(recipe, registry):
    found, warnings = load(recipe(GOOD, source=False), registry)
    assert (found.name, found.seed, warnings) == ("good", 7, [])
    assert [(step, used.use) for step, used in found.data["r"].work] == [("clean", "shout"), ("label", "bands")]
    assert [technique.use for technique in found.train[0].techniques] == ["sort"]
    assert dict(found.data["r"].columns) == {"text": "text", "n": "integer", "label": "text"}


def test_a_recipe_is_called_after_its_file_unless_it_says_its_name(recipe, registry):
    assert load(recipe("", "reviews.toml"), registry)[0].name == "reviews"


def test_a_byte_order_mark_is_no_mistake(recipe, registry):
    assert load(recipe("\ufeff" + GOOD, source=False), registry)[0].name == "good"


def test_unknown_keys_at_every_depth_are_told_at_once(message):
    found = message("""
        sed = 13

        [data.r]
        splitt = 1

        [data.r.source]
        use = "lines"
        path = "rows.jsonl"
        pth = "rows.jsonl"

        [data.r.split]
        tset = 0.2

        [[data.r.label]]
        use = "bands"
        bands = [
            { label = "low", below = 10 },
            { label = "high", below = 20, abov = 10 },
        ]

        [[data.r.label]]
        use = "bands"
        into = "other"

        [[data.r.label.bands]]
        label = "low"
        bellow = 10

        [[train]]
        use = "guess"
        data = "r"
        epoch = 1

        [[train.technique]]
        use = "sort"
        by = "length"
    """)
    assert (
        found
        == """
recipe.toml:2:1: error: unknown key `sed`
  2 | sed = 13
    | ^^^
  help: did you mean `seed`?
recipe.toml:5:1: error: unknown key `splitt`
  5 | splitt = 1
    | ^^^^^^
  help: did you mean `split`?
recipe.toml:10:1: error: unknown key `pth`
  10 | pth = "rows.jsonl"
     | ^^^
  help: did you mean `path`?
recipe.toml:13:1: error: unknown key `tset`
  13 | tset = 0.2
     | ^^^^
  help: did you mean `test`?
recipe.toml:19:35: error: unknown key `abov`
  19 |     { label = "high", below = 20, abov = 10 },
     |                                   ^^^^
  help: the options are: below, label
recipe.toml:26:1: error: the key `below` is missing
  26 | [[data.r.label.bands]]
     | ^^^^^^^^^^^^^^^^^^^^^^
recipe.toml:28:1: error: unknown key `bellow`
  28 | bellow = 10
     | ^^^^^^
  help: did you mean `below`?
recipe.toml:33:1: error: unknown key `epoch`
  33 | epoch = 1
     | ^^^^^
  help: did you mean `epochs`?
recipe.toml:37:1: error: unknown key `by`
  37 | by = "length"
     | ^^
  help: the options are: none
"""
    )


def test_wrong_types(message):
    found = message("""
        name = 3
        seed = "13"

        [data.r.source]
        use = "lines"
        path = 5
        threads = "2"
        peeks = 1

        [data.r.split]
        by = "text"
        test = "a fifth"
        seed = 1.5

        [[data.r.label]]
        use = "bands"
        bands = ["low", { label = 1, below = "ten" }]

        [[data.r.clean]]
        use = 3

        [data.r.write]
        use = "toy-json"

        [[train]]
        use = "guess"
        data = ["r"]
        model = "gpt"
        device = "gpu"
    """)
    assert (
        found
        == """
recipe.toml:2:8: error: expected a name in quotes
  2 | name = 3
    |        ^
recipe.toml:3:8: error: expected a whole number
  3 | seed = "13"
    |        ^^^^
recipe.toml:7:8: error: expected a path in quotes, found 5
  7 | path = 5
    |        ^
recipe.toml:8:11: error: expected a whole number, found "2"
  8 | threads = "2"
    |           ^^^
recipe.toml:9:9: error: expected true or false, found 1
  9 | peeks = 1
    |         ^
recipe.toml:12:6: error: expected a list in brackets, found "text"
  12 | by = "text"
     |      ^^^^^^
recipe.toml:13:8: error: expected a number, found "a fifth"
  13 | test = "a fifth"
     |        ^^^^^^^^^
recipe.toml:14:8: error: expected a whole number, found 1.5
  14 | seed = 1.5
     |        ^^^
recipe.toml:18:10: error: expected a table, found "low"
  18 | bands = ["low", { label = 1, below = "ten" }]
     |          ^^^^^
recipe.toml:18:27: error: expected a text in quotes, found 1
  18 | bands = ["low", { label = 1, below = "ten" }]
     |                           ^
recipe.toml:18:38: error: expected a number, found "ten"
  18 | bands = ["low", { label = 1, below = "ten" }]
     |                                      ^^^^^
recipe.toml:21:7: error: expected the name of a cleaner in quotes
  21 | use = 3
     |       ^
  help: the cleaners installed are: bad, centre, drop, gone, liar, rude, shout, slow
recipe.toml:23:1: error: expected a list of tables
  23 | [data.r.write]
     | ^^^^^^^^^^^^^^
  help: write the header as [[data.r.write]]
recipe.toml:28:8: error: expected a text in quotes, found ["r"]
  28 | data = ["r"]
     |        ^^^^^
recipe.toml:29:9: error: expected a table, found "gpt"
  29 | model = "gpt"
     |         ^^^^^
recipe.toml:30:10: error: "gpu" is not one of 'auto', 'cuda', 'mps' or 'cpu'
  30 | device = "gpu"
     |          ^^^^^
"""
    )


def test_values_out_of_range(message):
    found = message("""
        seed = -1

        [data.r.source]
        use = "lines"
        path = "rows.jsonl"
        threads = 9

        [data.r.split]
        test = 1.5

        [[data.r.label]]
        use = "bands"
        bands = []

        [[train]]
        use = "guess"
        data = "r"
        learning_rate = 0
        epochs = -1
        batch_size = 0
        schedule = "sine"
        warmup = nan
    """)
    assert (
        found
        == """
recipe.toml:2:8: error: -1 is out of range: expected at least 0 and less than 4294967296
  2 | seed = -1
    |        ^^
recipe.toml:7:11: error: 9 is out of range: expected at most 8
  7 | threads = 9
    |           ^
recipe.toml:10:8: error: 1.5 is out of range: expected less than 1
  10 | test = 1.5
     |        ^^^
recipe.toml:14:9: error: [] is out of range: expected a length of at least 1
  14 | bands = []
     |         ^^
recipe.toml:19:17: error: 0 is out of range: expected more than 0
  19 | learning_rate = 0
     |                 ^
recipe.toml:20:10: error: -1 is out of range: expected at least 0
  20 | epochs = -1
     |          ^^
recipe.toml:21:14: error: 0 is out of range: expected more than 0
  21 | batch_size = 0
     |              ^
recipe.toml:22:12: error: "sine" is not one of 'linear', 'cosine' or 'constant'
  22 | schedule = "sine"
     |            ^^^^^^
  help: did you mean `cosine`?
recipe.toml:23:10: error: nan is out of range: expected a finite number
  23 | warmup = nan
     |          ^^^
"""
    )


def test_missing_keys(message):
    found = message("""
        [data.r.split]
        test = 0.2

        [data.s.source]
        use = "lines"

        [[data.s.label]]
        use = "bands"
        bands = [{ label = "low" }]

        [[data.s.clean]]
        column = "text"

        [[train]]
        use = "guess"
    """)
    assert (
        found
        == """
recipe.toml:2:1: error: the data set `r` has no source
  2 | [data.r.split]
    | ^^^^^^^^^^^^^^
  help: add [data.r.source] with a `use`
recipe.toml:5:1: error: the key `path` is missing
  5 | [data.s.source]
    | ^^^^^^^^^^^^^^^
  help: `path`: The file to read.
recipe.toml:10:10: error: the key `below` is missing
  10 | bands = [{ label = "low" }]
     |          ^^^^^^^^^^^^^^^^^
recipe.toml:12:1: error: the key `use` is missing: which cleaner?
  12 | [[data.s.clean]]
     | ^^^^^^^^^^^^^^^^
  help: the cleaners installed are: bad, centre, drop, gone, liar, rude, shout, slow
recipe.toml:15:1: error: the key `data` is missing
  15 | [[train]]
     | ^^^^^^^^^
  help: `data`: The data set to train on.
"""
    )


def test_missing_files(message):
    found = message("""
        [data.r.source]
        use = "lines"
        path = "row.jsonl"

        [data.s.source]
        use = "lines"
        path = "nowhere/rows.jsonl"
    """)
    assert (
        found
        == """
recipe.toml:4:8: error: no such file or folder: row.jsonl
  4 | path = "row.jsonl"
    |        ^^^^^^^^^^^
  help: did you mean `rows.jsonl`?
recipe.toml:8:8: error: no such file or folder: nowhere/rows.jsonl
  8 | path = "nowhere/rows.jsonl"
    |        ^^^^^^^^^^^^^^^^^^^^
  help: there is no folder nowhere either; paths are relative to the recipe
"""
    )


def test_components_that_are_unknown_of_another_kind_or_broken(message):
    found = message("""
        [data.r.source]
        use = "linse"
        path = "rows.jsonl"

        [[data.r.clean]]
        use = "bands"

        [[data.r.clean]]
        use = "ladle-absent:mend"

        [[data.r.clean]]
        use = "gone"

        [[data.r.clean]]
        use = "liar"

        [[data.r.clean]]
        use = "rude"

        [[train]]
        use = "sort"
    """)
    assert (
        found
        == """
recipe.toml:3:7: error: unknown data source `linse`
  3 | use = "linse"
    |       ^^^^^^^
  help: did you mean `lines`?
recipe.toml:7:7: error: unknown cleaner `bands`
  7 | use = "bands"
    |       ^^^^^^^
  help: `bands` is a labeler, for [[data.NAME.label]]
recipe.toml:10:7: error: unknown cleaner `ladle-absent:mend`
  10 | use = "ladle-absent:mend"
     |       ^^^^^^^^^^^^^^^^^^^
  help: the package is not installed: pip install ladle-absent
recipe.toml:13:7: error: `gone` of ladle-toys cannot be imported: ModuleNotFoundError: No module named 'ladle_gone'
  13 | use = "gone"
     |       ^^^^^^
  help: see `ladle plugins`
recipe.toml:16:7: error: `liar` of ladle-toys is offered as a cleaner, and is none: <class 'ladle_toys.NoCleaner'>
  16 | use = "liar"
     |       ^^^^^^
  help: see `ladle plugins`
recipe.toml:19:7: error: `rude` failed while the recipe was checked: ZeroDivisionError: by zero
  19 | use = "rude"
     |       ^^^^^^
  help: this is a fault of the plugin; tell its author
recipe.toml:22:7: error: unknown trainer `sort`
  22 | use = "sort"
     |       ^^^^^^
  help: `sort` is a technique, for [[train.technique]]
"""
    )


def test_names_that_no_folder_can_have_or_nothing_has(message):
    found = message("""
        name = "a/b"
        [data."../r".source]
        use = "lines"
        path = "rows.jsonl"

        [[train]]
        use = "guess"
        data = "reviews"

        [[train]]
        use = "guess"
        name = ".."
        data = "../r"

        [[train]]
        use = "guess"
        data = "../r"
        name = "guess"
    """)
    assert (
        found
        == """
recipe.toml:2:8: error: "a/b" cannot be a name
  2 | name = "a/b"
    |        ^^^^^
  help: a name is not empty, begins with no full stop and holds none of / \\ : < > " | ? *
recipe.toml:3:1: error: "../r" cannot be a name
  3 | [data."../r".source]
    | ^^^^^^^^^^^^^^^^^^^^
  help: a name is not empty, begins with no full stop and holds none of / \\ : < > " | ? *
recipe.toml:9:8: error: no data set `reviews`
  9 | data = "reviews"
    |        ^^^^^^^^^
  help: the data sets are: ../r
recipe.toml:13:8: error: ".." cannot be a name
  13 | name = ".."
     |        ^^^^
  help: a name is not empty, begins with no full stop and holds none of / \\ : < > " | ? *
recipe.toml:19:8: error: two train stages are called `guess`
  19 | name = "guess"
     |        ^^^^^^^
"""
    )


def test_syntax_errors_show_the_place(message):
    found = message("""
        [data.r.source]
        use = "lines
    """)
    assert (
        found
        == """
recipe.toml:3:7: error: a text begins here, and does not end: " is missing
  3 | use = "lines
    |       ^
  help: end it with "
"""
    )


def test_a_key_twice(message):
    found = message("""
        a = 1
        a = 2
    """)
    assert (
        found
        == """
recipe.toml:3:1: error: the key `a` stands here a second time, first in line 2
  3 | a = 2
    | ^
  help: keep one of the two
"""
    )


def test_a_caret_stands_right_under_tabs(message):
    found = message("""
        [data.r.source]
        \tuse = "lines"
        \tpath\t= "row.jsonl"
    """)
    assert (
        found
        == """
recipe.toml:4:9: error: no such file or folder: row.jsonl
  4 | \tpath\t= "row.jsonl"
    | \t    \t  ^^^^^^^^^^^
  help: did you mean `rows.jsonl`?
"""
    )


def test_an_empty_recipe(message):
    found = message("""
        # nothing
    """)
    assert (
        found
        == """
recipe.toml:1:1: error: the recipe has no data set
  1 |
    | ^
  help: begin with a [data.NAME.source] table
"""
    )


def test_values_where_tables_should_be(message):
    found = message("""
        [data]
        r = 3
        [data.s]
        source = 3
    """)
    assert (
        found
        == """
recipe.toml:3:1: error: expected a table
  3 | r = 3
    | ^
  help: write it as [data.r.…]
recipe.toml:3:1: error: the data set `r` has no source
  3 | r = 3
    | ^
  help: add [data.r.source] with a `use`
recipe.toml:5:1: error: expected a list of tables
  5 | source = 3
    | ^^^^^^
  help: write the header as [[data.s.source]]
"""
    )


def test_a_table_where_a_list_of_tables_should_be(message):
    found = message("""
        data = 3
        [train]
        use = "guess"
    """)
    assert (
        found
        == """
recipe.toml:2:1: error: expected a table
  2 | data = 3
    | ^^^^
  help: write it as [data.…]
recipe.toml:3:1: error: expected a list of tables
  3 | [train]
    | ^^^^^^^
  help: write the header as [[train]]
"""
    )


@pytest.mark.parametrize(
    ("value", "column", "message"),
    [
        ("[" * 3000, 1, "brackets in brackets, more than 100 deep"),
        ("[" * 3000 + "]" * 3000, 1, "brackets in brackets, more than 100 deep"),
        ("{ a = " * 3000, 1, "brackets in brackets, more than 100 deep"),
        ("1" * 5000, 5, "a number of 5000 digits"),
    ],
)
def test_what_the_reader_of_toml_cannot_bear_is_a_syntax_error(problems, value, column, message):
    [problem] = problems(f"name = 'x'\nx = {value}", source=False)
    assert (problem.code, problem.message) == ("syntax", message)
    assert (problem.span.line, problem.span.column) == (2, column)


def test_two_plugins_that_offer_one_name(install, recipe):
    install(
        "ladle-loud",
        """
        from ladle import Cleaner, hookimpl

        class Loud(Cleaner):
            "Louder."

        @hookimpl
        def ladle_cleaners():
            return {"shout": Loud}
        """,
    )
    with pytest.raises(RecipeError) as caught:
        load(recipe('[[data.r.clean]]\nuse = "shout"'))
    assert str(caught.value) == (
        "recipe.toml:5:7: error: 2 plugins offer a cleaner `shout`\n"
        '  5 | use = "shout"\n'
        "    |       ^^^^^^^\n"
        '  help: write use = "ladle-loud:shout" or use = "ladle-toys:shout"'
    )
    found, _ = load(recipe('[[data.r.clean]]\nuse = "ladle-toys:shout"'))
    assert type(found.data["r"].steps["clean"][0].component).__name__ == "Shout"


def test_a_broken_plugin_is_named_where_a_name_is_unknown(install, recipe):
    install("ladle-broken", "import no_such_module")
    with pytest.raises(RecipeError) as caught:
        load(recipe('[[data.r.clean]]\nuse = "qqqqqq"'))
    [problem] = caught.value.problems
    assert problem.message == "unknown cleaner `qqqqqq`"
    assert "(broken plugins, which may offer it: ladle-broken; see `ladle plugins`)" in problem.help


def test_a_recipe_that_is_not_utf8(folder):
    Path("latin.toml").write_bytes(b'name = "caf\xe9"')
    with pytest.raises(RecipeError) as caught:
        load(Path("latin.toml"))
    assert str(caught.value) == "error: latin.toml is not UTF-8 (byte 11)\n  help: save it as UTF-8"


def test_a_missing_recipe_has_a_near_name(recipe):
    recipe(GOOD, "sentiment.toml", source=False)
    with pytest.raises(RecipeError) as caught:
        load(Path("sentimnt.toml"))
    assert str(caught.value) == "error: no such recipe: sentimnt.toml\n  help: did you mean sentiment.toml?"


def test_a_folder_is_no_recipe(folder):
    with pytest.raises(RecipeError, match=r"cannot read .*: Is a directory"):
        load(folder)


def test_lines_are_counted_as_toml_counts_them(problems):
    [problem] = problems('name = "a\u2028b\x85c"\r\nsed = 1\r\n', source=False)
    assert (problem.span.line, problem.span.column, problem.span.text) == (2, 1, "sed = 1")


def test_what_follows_from_a_mistake_is_no_further_mistake(problems):
    """A column, a stage and a data set whose makers have mistakes are not told to be missing."""
    found = problems(
        """
        [[data.r.extract]]
        use = "count-characters"
        int = "long"

        [[data.r.label]]
        use = "bands"
        column = "long"
        bands = [{ label = "low", below = 10 }]

        [data.s.source]
        use = "lines"
        path = "none.jsonl"

        [[train]]
        use = "guess"
        name = "first"
        data = "s"
        epoch = 1

        [[train]]
        use = "guess"
        name = "second"
        data = "s"
        column = "long"
        model = { stage = "first" }
        """
    )
    wrong = [problem.message for problem in found if problem.severity == "error"]
    assert wrong == ["unknown key `int`", "no such file or folder: none.jsonl", "unknown key `epoch`"]


def test_a_mistake_in_a_train_stage_hides_no_other(install, recipe):
    """What it names, and how its techniques meet, is checked as far as its options are right."""
    install(
        "ladle-needy",
        """
        from ladle import Technique, Trainer, hookimpl
        from ladle.options import ModelChoice
        from pydantic import Field

        class Needy(Trainer):
            "Needs a model and a size."

            start: ModelChoice = Field(alias="model")
            size: int

            def columns_after(self, given):
                return given if self.size > 1 else given.having("small", "text")

        class Near(Technique):
            "Looks at the trainer."

            def check_with(self, trainer):
                assert trainer.size > 1

        @hookimpl
        def ladle_trainers():
            return {"needy": Needy}

        @hookimpl
        def ladle_techniques():
            return {"near": Near}
        """,
    )
    text = """
        [[train]]
        use = "needy"
        name = "one"
        data = "rr"
        size = "big"
        model = { stage = "none" }

        [[train.technique]]
        use = "near"

        [[train.technique]]
        use = "sort"

        [[train.technique]]
        use = "mix"

        [[train]]
        use = "needy"
        name = "two"
        model = { stage = "one" }

        [[train]]
        use = "needy"
        name = "three"
        data = "s"
        model = { stage = "one" }
        epochs = -1
    """
    with pytest.raises(RecipeError) as caught:
        load(recipe(text))
    assert [(p.span.line, p.message) for p in caught.value.problems if p.severity == "error"] == [
        (8, "no data set `rr`"),
        (9, 'expected a whole number, found "big"'),
        (10, "no earlier train stage `none`"),
        (19, "`mix` and `sort` (line 16) both decide the order"),
        (21, "the key `data` is missing"),
        (21, "the key `size` is missing"),
        (26, "the key `size` is missing"),
        (29, "no data set `s`"),
        (31, "-1 is out of range: expected at least 0"),
    ]


SIGNS = ["[", "]]", "[[", "{", "=", '"', ".", "\n", "1"]
VALUES = [
    "1",
    "-0.5",
    "nan",
    "true",
    '"r"',
    "''",
    "[]",
    "{}",
    "[[1], 2]",
    '{ use = "shout" }',
    "1979-05-27",
    "07:32:00",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_text_brings_anything_but_a_recipe_error(recipe, registry, data):
    """Characters deleted from a right recipe, and others put in."""
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 12))
        put = data.draw(st.one_of(st.text(max_size=3), st.sampled_from(SIGNS)))
        text = text[:start] + put + text[start + length :]
    with contextlib.suppress(RecipeError):
        load(recipe(text.encode("utf-8", "replace").decode(), source=False), registry)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_table_brings_anything_but_a_recipe_error(recipe, registry, data):
    """Lines left out, twice or elsewhere, and values that stand for others."""
    lines = GOOD.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        at, to = data.draw(st.integers(0, len(lines) - 1)), data.draw(st.integers(0, len(lines) - 1))
        key, equals, _ = lines[at].partition(" = ")
        if equals and data.draw(st.booleans()):
            lines[at] = f"{key} = {data.draw(st.sampled_from(VALUES))}"
        else:
            lines.insert(to, lines[at] if data.draw(st.booleans()) else lines.pop(at))
    with contextlib.suppress(RecipeError):
        load(recipe("\n".join(lines), source=False), registry)
