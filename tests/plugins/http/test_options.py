"""What a recipe says wrongly is told when it is checked, for which no API is asked and nothing heavy is loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ladle.errors import RecipeError
from ladle.recipe import load
from ladle_http.source import Http

EXAMPLE = "write it like https://api.example.org/films"


@pytest.mark.parametrize(
    ("options", "message", "help", "option"),
    [
        ({"url": "ftp://example.org/x"}, "this is no address of the web", EXAMPLE, None),
        ({"url": "file:///etc/passwd"}, "this is no address of the web", EXAMPLE, None),
        ({"url": "example.org/films"}, "this is no address of the web", EXAMPLE, None),
        ({"url": "https://"}, "this is no address of the web", EXAMPLE, None),
        ({"url": "http://example.org:port/"}, "this is no address: Port could not be cast", EXAMPLE, None),
        ({"url": "http://[::1/"}, "this is no address: Invalid IPv6 URL", EXAMPLE, None),
        ({"url": "http://example.org/a b"}, "an address has no spaces", "write %20 for a space", None),
        ({"headers": {"Host": "x"}}, "this header follows from the question", "leave it out", "Host"),
        ({"body": {"a": 1}}, "GET sends no body", 'method = "POST"', "body"),
        ({"lines": True, "rows": "a"}, "JSON lines are rows themselves", "leave it out", "rows"),
        (
            {"lines": True, "pages": {"by": "cursor", "at": "next"}},
            "JSON lines hold rows alone: there is no path in them",
            "",
            ("pages", "at"),
        ),
        (
            {"lines": True, "pages": {"by": "next"}},
            "JSON lines hold rows alone: there is no path in them",
            "",
            ("pages", "by"),
        ),
        (
            {"pages": {"by": "page", "parameter": "p"}, "parameters": {"p": 3}},
            "`pages` gives the parameter `p`",
            "leave it out here; `pages.start` is the first",
            "parameters",
        ),
        ({"id": ["key"], "columns": ["kay", "n"]}, "the data has no column `key`", "did you mean `kay`?", "id"),
        (
            {"pages": {"by": "cursor"}},
            "where is the cursor in an answer?",
            'name the path to it: at = "meta.next_cursor"',
            "by",
        ),
        ({"pages": {"by": "link", "start": 1}}, 'pages by "link" have no `start`', "it has: none", "start"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(refused, options, message, help, option):
    error = refused(**options)
    assert str(error).startswith(message)
    assert error.help == help
    assert error.option == option


def test_a_recipe_is_checked_without_asking(api, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f"""
        [data.r.source]
        use = "http"
        url = "{api.url()}"
        allow_private = true
        columns = ["text", "stars"]
        types = {{ text = "text", stars = "integer" }}

        [data.r.split]
        by = ["txet"]
        """
    )
    with pytest.raises(RecipeError) as caught:
        load(recipe)
    (problem,) = caught.value.problems
    assert problem.message == "no column `txet` at this point"
    assert problem.help == "did you mean `text`?"
    assert api.asked == []


def test_who_says_no_as_of_is_told_what_that_means(api, tmp_path):
    recipe = tmp_path / "recipe.toml"

    def warnings(option):
        recipe.write_text(f'[data.r.source]\nuse = "http"\nurl = "https://api.example.org"\n{option}\n')
        return [(problem.severity, problem.span.line, problem.help) for problem in load(recipe)[1]]

    assert warnings("") == [("warning", 3, "give an `as_of`, to change when they shall")]
    assert warnings('as_of = "2026-11"') == []


def test_columns_are_known_only_where_options_tell_all_of_them():
    def peek(**options):
        return Http.model_validate({"url": "https://api.example.org"} | options).peek()

    assert peek() is None
    assert peek(columns=["n"]) is None
    assert peek(types={"n": "integer"}) is None
    assert peek(columns=["n", "v"], types={"v": "vector", "n": "integer"}) == {"n": "integer", "v": "vector"}


def test_mistakes_are_shown_where_they_stand(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        """
[data.r.source]
use = "http"
url = "https://api.example.org/films"
pages.by = "curser"
pages.at = 3
auth.baerer = "x"
timeout = 0
"""
    )
    with pytest.raises(RecipeError) as caught:
        load(recipe)
    assert [(problem.span.line, problem.message) for problem in caught.value.problems] == [
        (5, "\"curser\" is not one of 'page', 'offset', 'cursor', 'link' or 'next'"),
        (6, "expected a text in quotes, found 3"),
        (7, "unknown key `baerer`"),
        (8, "0 is out of range: expected more than 0"),
    ]
    assert [problem.help for problem in caught.value.problems][::2] == [
        "did you mean `cursor`?",
        "did you mean `bearer`?",
    ]


def test_a_check_loads_nothing_heavy():
    code = """
import sys
from ladle_http.source import Http
options = {"url": "https://api.example.org", "pages": {"by": "link"}, "auth": {"bearer": "x"}}
assert Http.model_validate(options).peek() is None
heavy = {"numpy", "pyarrow", "httpx2", "httpcore2", "stamina", "ssl"} & set(sys.modules)
sys.exit(", ".join(heavy))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
