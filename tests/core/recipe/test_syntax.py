"""What a recipe that is no TOML is told: the place, what is wrong there, and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.errors import Problem, RecipeError
from ladle.recipe import load

SENSELESS = "this is not valid TOML"  # how a message begins that has no remedy


def wrong(text: str) -> Problem:
    """The one problem of a text that is no TOML."""
    with pytest.raises(RecipeError) as caught:
        load(Path("recipe.toml"), text=text)
    [problem] = caught.value.problems
    assert problem.code == "syntax"
    return problem


def told(text: str) -> tuple[str, str, str]:
    """Line, column and length of what a problem is about, its message and its help."""
    problem = wrong(text)
    span = problem.span
    assert span
    return f"{span.line}:{span.column}+{span.length}", problem.message, problem.help


IN_QUOTES = "a text stands in quotes"


@pytest.mark.parametrize(
    ("text", "place", "help"),
    [
        ("use = lines", "1:7+5", 'write "lines"'),
        ("name = my first recipe  # of many", "1:8+15", 'write "my first recipe"'),
        ("path = ../data/rows.csv", "1:8+16", 'write "../data/rows.csv"'),
        ("path = C:\\data\\rows.csv", "1:8+16", "write 'C:\\data\\rows.csv'"),
        ("token = ${TOKEN}", "1:9+8", 'write "${TOKEN}"'),
        ("by = [text, n]", "1:7+4", 'write "text"'),
        ('by = [\n  "n",\n  text,\n]', "3:3+4", 'write "text"'),
        ("model = { stage = first }", "1:19+5", 'write "first"'),
        ('use = lines"', "1:7+6", 'write "lines"'),
        ("name = information desk", "1:8+16", 'write "information desk"'),
        ("by = [nano, n]", "1:7+4", 'write "nano"'),
        ('word = "[a-z"\nname = my recipe', "2:8+9", 'write "my recipe"'),
    ],
)
def test_a_text_without_quotes(text, place, help):
    assert told(text) == (place, IN_QUOTES, help)


@pytest.mark.parametrize("after", ["", "\n", '\npath = "rows"\n', "\r\npath = 'rows'\r\n", "  # which\nseed = 1"])
@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_text_without_its_end(quote, after):
    message = f"a text begins here, and does not end: {quote} is missing"
    assert told(f"seed = 7\nuse = {quote}lines{after}") == ("2:7+1", message, f"end it with {quote}")
    assert told(f"by = [{quote}a{quote}, {quote}b]{after}")[0] == "1:12+1"


@pytest.mark.parametrize("quotes", ['"""', "'''"])
def test_a_text_of_several_lines_without_its_end(quotes):
    message = f"a text begins here, and does not end: {quotes} is missing"
    assert told(f"seed = 7\nprompt = {quotes}Say\nit's\n") == ("2:10+3", message, f"end it with {quotes}")


@pytest.mark.parametrize(
    ("text", "place", "message", "help"),
    [
        ('use "lines"', "1:1+11", "`=` is missing after the key `use`", 'write use = "lines"'),
        ("use lines # x", "1:1+9", "`=` is missing after the key `use`", 'write use = "lines"'),
        ("seed 7", "1:1+6", "`=` is missing after the key `seed`", "write seed = 7"),
        ("m = { a 1, b = 2 }", "1:7+3", "`=` is missing after the key `a`", "write a = 1"),
        ("seed", "1:1+4", "a key without a value", "write seed = and a value"),
        ("seed =", "1:6+1", "a value is missing here", "write one, or leave the key out"),
        ("seed =\nname = 'x'", "1:6+1", "a value is missing here", "write one, or leave the key out"),
        ("seed = # 7", "1:6+1", "a value is missing here", "write one, or leave the key out"),
        ("by = ['a',, 'b']", "1:11+1", "a value is missing here", "write one, or leave the key out"),
        ("seed == 7", "1:7+1", "found a second `=`", "leave it out"),
        ("= 7", "1:1+1", "a key is missing before `=`", "write key = value"),
        ("a. = 7", "1:4+1", "a name is missing here", "write key = value"),
        (
            "batch size = 8", "1:1+14", "a key with a space in it",
            "write batch_size = 8, or the key in quotes if it has the space",
        ),
        (
            "größe = 7", "1:1+5", "the key `größe` needs quotes: it is not all letters a to z, digits, - and _",
            'write "größe"',
        ),
        (
            "état = 7", "1:1+4", "the key `état` needs quotes: it is not all letters a to z, digits, - and _",
            'write "état"',
        ),
    ],
)  # fmt: skip
def test_a_key_or_its_value_is_missing(text, place, message, help):
    assert told(text) == (place, message, help)


@pytest.mark.parametrize(
    ("text", "place", "help"),
    [
        ('use: "lines"', "1:4+1", 'write use = "lines"'),
        ("use: lines  # c", "1:4+1", 'write use = "lines"'),
        ("seed : 7,", "1:6+1", "write seed = 7"),
        ("by: ['a', 'b']", "1:3+1", "write by = ['a', 'b']"),
        ("use:", "1:4+1", "write = instead"),
        ("seed := 7", "1:6+1", "write seed = 7"),
        ('[[train]]\nmodel = { pretrained: "x", stage: "y" }', "2:21+1", 'write pretrained = "x"'),
    ],
)
def test_a_colon_for_the_equals_sign(text, place, help):
    assert told(text) == (place, "found `:` after a key, where TOML has `=`", help)


@pytest.mark.parametrize(
    ("text", "place", "message", "help"),
    [
        (
            "seed = 1\nname = 'x'\nseed = 2", "3:1+4",
            "the key `seed` stands here a second time, first in line 1", "keep one of the two",
        ),
        (
            "[a]\nseed = 1\n  [b]\n  seed = 2\n  seed = 3", "5:3+4",
            "the key `seed` stands here a second time, first in line 4", "keep one of the two",
        ),
        ("a = 1\na.b = 2", "2:1+3", "`a` has its value already, in line 1", "keep one of the two"),
        (
            "[t]\na.b = 1\na = 2", "3:1+1",
            "the key `a` stands here a second time, first in line 2", "keep one of the two",
        ),
        (
            "m = { a = 1 }\nm.b = 2", "2:1+3",
            "`m` has its value already, in line 1", "write all that belongs to it between its braces",
        ),
        (
            "[[train]]\nmodel = { stage = 'x' }\n[train.model]", "3:1+13",
            "`train.model` has its value already, in line 2", "write all that belongs to it between its braces",
        ),
        (
            "[t]\n'a' = [\n  1,\n]\na = [\n  2,\n]", "5:1+1",
            "the key `a` stands here a second time, first in line 2", "keep one of the two",
        ),
        (
            "[[t]]\na = 1\n[[t]]\na = 1\n\"a\" = 2", "5:1+3",
            "the key `a` stands here a second time, first in line 4", "keep one of the two",
        ),
        ("[t.a]\nb = 1\n[t]\na = 2", "4:1+1", "`a` is a table already, in line 1", "keep one of the two"),
        (
            "[data.a]\nx = 1\n\n[ data . 'a' ]  # again", "4:1+14",
            "the table `data.a` stands here a second time, first in line 1", "keep one of the two, or rename one",
        ),
        (
            "[a.split]\n[a.split]", "2:1+9",
            "the table `a.split` stands here a second time, first in line 1", "keep one of the two, or rename one",
        ),
        (
            "m = { b = 1, b = 'b' }", "1:14+1",
            "the key `b` stands twice between these braces", "keep one of the two",
        ),
        (
            "[data.r.source]\nuse = 'x'\n[data.r.source]\nuse = 'y'", "3:1+15",
            "the table `data.r.source` stands here a second time, first in line 1",
            "for several, each header is [[data.r.source]]",
        ),
        (
            "[train]\nuse = 'x'\n[[train]]  # second", "3:1+9",
            "the table `train` stands here a second time, first in line 1", "for several, each header is [[train]]",
        ),
        (
            "[[train]]\nuse = 'x'\n[train]", "3:1+7",
            "the table `train` stands here a second time, first in line 1", "for several, each header is [[train]]",
        ),
        (
            "[[train.technique]]\nuse = 'x'\n[[train]]", "3:1+9",
            "the table `train` comes after what belongs to it, in line 1", "move it up, before [[train.technique]]",
        ),
        (
            "[data.r]\nsplit = 1\n[data.r.split]", "3:1+14",
            "`data.r.split` has its value already, in line 2", "keep one of the two",
        ),
    ],
)  # fmt: skip
def test_a_key_or_table_twice(text, place, message, help):
    assert told(text) == (place, message, help)


@pytest.mark.parametrize(
    ("text", "place", "message", "help"),
    [
        ("seed = 7 seed", "1:10+4", "found `seed` after a value", "write one key and its value in a line"),
        ('seed = 7 use = "x"', "1:10+9", 'found `use = "x"` after a value', "write one key and its value in a line"),
        (
            'by = "a", "b"', "1:9+5", 'found `, "b"` after a value',
            "write one key and its value in a line, and a list in brackets",
        ),
        ("seed = 7;", "1:9+1", "found `;` after a value", "leave it out: each value has a line of its own"),
        ("seed = 7,", "1:9+1", "found `,` after a value", "leave it out: each value has a line of its own"),
        (
            'name = "a "good" one"', "1:12+1", "the text ends here, and something follows",
            'write \\" for a quote inside a text',
        ),
        (
            "name = 'it's'", "1:12+1", "the text ends here, and something follows",
            "put a text with ' inside into double quotes",
        ),
        ("[train] seed = 7", "1:9+8", "found `seed = 7` after a header", "write it in a line of its own"),
        ("[train]]", "1:8+1", "found `]` after a header", "as many brackets close a header as open it"),
        ("seed = 7 // the seed", "1:10+2", "a comment begins with #", "write # the seed"),
        ("// the seed\nseed = 7", "1:1+2", "a comment begins with #", "write # the seed"),
        ("/* the seed */\nseed = 7", "1:1+2", "a comment begins with #", "write # the seed"),
        ("; the seed\nseed = 7", "1:1+1", "a comment begins with #", "write # the seed"),
    ],
)  # fmt: skip
def test_something_follows_or_is_no_comment(text, place, message, help):
    assert told(text) == (place, message, help)


@pytest.mark.parametrize(
    ("value", "message", "help"),
    [
        ("True", "`True` is no value of TOML", 'write true, or "True" for a text'),
        ("yes", "`yes` is no value of TOML", 'write true, or "yes" for a text'),
        ("FALSE", "`FALSE` is no value of TOML", 'write false, or "FALSE" for a text'),
        ("off", "`off` is no value of TOML", 'write false, or "off" for a text'),
        ("None", "TOML has no `None`", "leave the key out: then it has its default"),
        ("null", "TOML has no `null`", "leave the key out: then it has its default"),
        ("NaN", "`NaN` is no value of TOML", 'write nan, or "NaN" for a text'),
        ("Infinity", "`Infinity` is no value of TOML", 'write inf, or "Infinity" for a text'),
        (".5", "a number begins with a digit", "write 0.5"),
        ("-.5", "a number begins with a digit", "write -0.5"),
        ("\u22121", "found the sign \u2212 (U+2212), which is no minus", "write -1"),
        ("10%", "this is no number as TOML writes it", "write 0.1"),
        ("7.5%", "this is no number as TOML writes it", "write 0.075"),
        ("01", "this is no number as TOML writes it", "write 1"),
        ("-007", "this is no number as TOML writes it", "write -7"),
        ("5.", "this is no number as TOML writes it", "write 5"),
        ("10k", "this is no number as TOML writes it", 'write "10k" if it is a text'),
        ("1.2.3", "this is no number as TOML writes it", 'write "1.2.3" if it is a text'),
        ("2024-13-01", "this is no number as TOML writes it", 'write "2024-13-01" if it is a text'),
    ],
)
def test_words_and_numbers_of_other_languages(value, message, help):
    for before, after in (("x = ", ""), ("x = ", "  # why"), ("x = [1, ", ", 2]"), ("x = { y = ", " }")):
        place = f"1:{len(before) + 1}+{len(value)}"
        assert told(before + value + after) == (place, message, help)


@pytest.mark.parametrize(
    ("value", "right"), [("1,000", "1000"), ("1,000,000", "1000000"), ("1,234.5", "1234.5"), ("0,5", "0.5")]
)
def test_a_comma_in_a_number(value, right):
    """Between brackets it would be two numbers. Groups of three are thousands, else it is a decimal comma."""
    assert told(f"x = {value}") == (f"1:5+{len(value)}", "this is no number as TOML writes it", f"write {right}")


@pytest.mark.parametrize(
    ("path", "column"),
    [(r"C:\data\rows.csv", 11), (r"C:\Users\me", 11), (r"C:\users\me", 11), (r"\d+", 9), ("C:\\temp\\", 16)],
)
def test_a_backslash_in_double_quotes(path, column):
    message, help = "in double quotes a backslash begins an escape", f"write '{path}' in single quotes, or double each"
    assert told(f'path = "{path}"  # on Windows') == (f"1:{column}+1", message, f"{help} backslash")


@pytest.mark.parametrize(
    ("opening", "shown"), [("\u201c", "\u201d"), ("\u2018", "\u2019"), ("\u201e", "\u201c"), ("\u00ab", "\u00bb")]
)
def test_typographic_quotation_marks(opening, shown):
    message, help = "found a typographic quotation mark", 'write "my good one", with straight ones'
    assert told(f"name = {opening}my good one{shown}  # c") == ("1:8+1", message, help)
    assert told(f"by = ['a', {opening}b{shown}]") == ("1:12+1", message, 'write "b", with straight ones')


@pytest.mark.parametrize(
    ("text", "place", "name"),
    [
        ("seed\u00a0= 7", "1:5+1", "no-break space"),
        ("seed =\u00a07", "1:7+1", "no-break space"),
        ("[train]\n\u200bseed = 7", "2:1+1", "zero width space"),
        ("seed = 7\0", "1:9+1", "U+0000"),
        ('name = "a\x01b"', "1:10+1", "U+0001"),
        ("seed = 7\rname = 'x'", "1:9+1", "U+000D"),
    ],
)
def test_signs_that_cannot_be_seen(text, place, name):
    message = f"found a sign that cannot be seen: {name}"
    assert told(text) == (place, message, "replace it with a space, or delete it")


@pytest.mark.parametrize(
    ("text", "place", "closing"),
    [
        ('by = ["a" "b"]', "1:11+1", "]"),
        ("by = [1 2]", "1:9+1", "]"),
        ("m = { a = 1 b = 2 }", "1:13+1", "}"),
        ("m = { a = 1, b = [1, 2 }", "1:24+1", "]"),
        ('by = [\n  "a"  # first, [of all\n  "b"\n]', "2:6+1", "]"),
        ("by = [\n  { a = '#' }\n\n  { a = 2 },\n]", "2:14+1", "]"),
        ("m = {\n  a = 1\n  b = 2\n}", "2:8+1", "}"),
    ],
)
def test_a_comma_is_missing(text, place, closing):
    assert told(text) == (place, f"`,` or `{closing}` is missing here", "put a comma between two values")


@pytest.mark.parametrize(
    ("text", "place", "opening", "closing"),
    [
        ('by = ["a", "b"', "1:6+1", "[", "]"),
        ('by = ["a", "b"\nseed = 7', "1:6+1", "[", "]"),
        ('by = ["a", "b"  # both\nseed = 7', "1:6+1", "[", "]"),
        ('by = [\n  "a",\n  "b",\n\nseed = 7', "1:6+1", "[", "]"),
        ('by = [\n  "a",\n[data.r]\nx = 1', "1:6+1", "[", "]"),
        ('by = ["]", "#]"\n', "1:6+1", "[", "]"),
        ("by = [\n", "1:6+1", "[", "]"),
        ('x = 1\nm = { pretrained = "x"', "2:5+1", "{", "}"),
        ('m = { pretrained = "x"\nseed = 7', "1:5+1", "{", "}"),
        ('m = { pretrained = "x",\n[data.r]\nx = 1', "1:5+1", "{", "}"),
        ("bands = [\n  { label = 'a' },\n  { label = 'b'\n]", "3:3+1", "{", "}"),
    ],
)
def test_a_bracket_that_is_not_closed(text, place, opening, closing):
    message = f"`{opening}` opens here and is not closed"
    assert told(text) == (place, message, f"add the missing `{closing}`, or the comma before what follows")


@pytest.mark.parametrize(
    ("text", "place", "message", "help"),
    [
        ("[data.r.source\nuse = 'x'", "1:1+14", "`]` is missing", "write [data.r.source]"),
        ("[data.r.source  # of r\n", "1:1+14", "`]` is missing", "write [data.r.source]"),
        ("[[train]\nuse = 'x'", "1:1+8", "`]]` is missing", "write [[train]]"),
        ("  [[train\nuse = 'x'", "1:3+7", "`]]` is missing", "write [[train]]"),
        (
            "[data.my set.source]", "1:1+20",
            "the name `my set` needs quotes: it is not all letters a to z, digits, - and _",
            'write [data."my set".source]',
        ),
        (
            "[[data.größe.clean]]", "1:1+20",
            "the name `größe` needs quotes: it is not all letters a to z, digits, - and _",
            'write [[data."größe".clean]]',
        ),
        ("[]", "1:2+1", "a name is missing here", "a header is like [data.NAME.source] or [[train]]"),
        ("[ [train]]", "1:1+10", "the brackets of a header stand together", "write [[train]]"),
        ("[data..source]", "1:7+1", "a name is missing here", "a header is like [data.NAME.source] or [[train]]"),
    ],
)  # fmt: skip
def test_headers(text, place, message, help):
    assert told(text) == (place, message, help)


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ('{"data": {"r": 1}}', "JSON"),
        ('\n{\n  "data": 1\n}\n', "JSON"),
        ('[\n  {"data": 1}\n]\n', "JSON"),
        ("---\ndata: x\n", "YAML"),
        ("data:\n  r:\n    source: lines\n", "YAML"),
        ("train:\n- use: guess\n", "YAML"),
    ],
)
def test_another_format(text, format):
    message = f"this looks like {format}, and a recipe is TOML"
    assert told(text) == ("1:1+1", message, "begin with a [data.NAME.source] table")


def test_what_no_rule_knows_is_told_as_the_reader_of_toml_tells_it():
    place, message, help = told("x = ?")
    assert (place, message) == ("1:5+1", f"{SENSELESS}: Invalid value")
    assert help == "see https://toml.io for the syntax"


@pytest.mark.parametrize(
    ("text", "place", "message", "help"),
    [
        ("x = (1, 2)", "1:5+2", "a list stands in square brackets", "write [1, 2]"),
        ("x = [1, 2)", "1:10+1", "`,` or `]` is missing here", "put a comma between two values"),
        ('x = f"y"', "1:5+4", "a text stands in quotes", "write 'f\"y\"'"),
    ],
)
def test_what_other_languages_have(text, place, message, help):
    assert told(text) == (place, message, help)


def test_a_line_is_shown_without_its_end_and_with_a_caret_under_tabs():
    assert wrong("seed = 7\r\n\tname = good\r\n").render() == (
        "recipe.toml:2:9: error: a text stands in quotes\n"
        "  2 | \tname = good\n"
        "    | \t       ^^^^\n"
        '  help: write "good"'
    )


RIGHT = """\
\tname = "good"  # a "comment", isn't it
seed\t=\t7

[data.r.source]
use = 'lines'
path = "rows.jsonl"

[[data.r.label]]
use = "bands"
bands = [
  { label = "low", below = 10 },  # of [all
  { label = "high", below = inf },
]

[[data.r.clean]]
use = "drop"
word = '''
it's'''

[[train]]
use = "guess"
data = "r"
column = "n"
"""


@pytest.mark.parametrize("text", [RIGHT, RIGHT.replace("\n", "\r\n"), "\ufeff" + RIGHT])
def test_tabs_byte_order_marks_and_ends_of_lines_are_no_mistake(recipe, text):
    assert load(recipe(text, source=False))[0].seed == 7


def _is_within(problem: Problem, text: str) -> bool:
    """Whether a problem is shown in a line that is there, with its caret in it or right after it."""
    span = problem.span
    lines = text.split("\n")
    return bool(
        span
        and 1 <= span.line <= len(lines)
        and span.text == lines[span.line - 1].removesuffix("\r")
        and 1 <= span.column <= len(span.text) + 1
        and span.length >= 1
        and span.column + span.length - 1 <= max(len(span.text), span.column)
    )


def _check(text: str) -> None:
    try:
        load(Path("recipe.toml"), text=text, offline=True)
    except RecipeError as error:
        found = [problem for problem in error.problems if problem.code == "syntax"]
        assert all(_is_within(problem, text) for problem in found)
        assert all(problem.help and problem.render() for problem in found)


ENDS = st.sampled_from(["\n", "\r\n"])


@given(st.integers(0, len(RIGHT) - 1), ENDS)
def test_a_character_deleted_anywhere(at, end):
    _check((RIGHT[:at] + RIGHT[at + 1 :]).replace("\n", end))


@given(st.integers(0, len(RIGHT)), st.characters(codec="utf-8") | st.sampled_from("[]{}=\"'#.,:;\\\n\t \r0e"), ENDS)
def test_a_character_put_in_anywhere(at, sign, end):
    _check((RIGHT[:at] + sign + RIGHT[at:]).replace("\n", end))


@given(st.integers(0, len(RIGHT)), ENDS)
def test_a_recipe_that_ends_too_early(at, end):
    _check(RIGHT[:at].replace("\n", end))


@given(st.text(st.characters(codec="utf-8")) | st.text("ab[]{}=\"'#.,:\\\n\t 01-"))
def test_any_text(text):
    _check(text)
