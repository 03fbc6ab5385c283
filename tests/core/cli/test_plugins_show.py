"""`ladle plugins show`: ends with a table to paste."""

from __future__ import annotations

import pytest
import tomli


@pytest.mark.parametrize("name", ["shout", "lines", "guess", "sort", "ladle-toys:bands"])
def test_it_ends_with_an_example_that_is_toml(ladle, name):
    told, example = ladle("plugins", "show", name).out.split("An example to paste; take the # off an option to set it:")
    assert told.startswith(name.rpartition(":")[2])
    assert f'use = "{name.rpartition(":")[2]}"' in example
    assert tomli.loads(example)
    [shown] = ladle("plugins", "show", name, "--json").json
    assert shown["example"] == example.strip() + "\n"


def test_an_option_without_a_default_is_not_set(ladle):
    said = ladle("plugins", "show", "guess").out
    assert "target  text, default: not set\n" in said
    assert "epochs  number, default: 0\n" in said
    assert "data  text, needed\n" in said


def test_options_that_make_no_sense_are_told_without_a_traceback(ladle, install):
    install(
        "ladle-odd",
        """
        from ladle import Cleaner, hookimpl

        class Tree(Cleaner):
            leaf: "Leaf"

        @hookimpl
        def ladle_cleaners():
            return {"tree": Tree}
        """,
    )
    answer = ladle("plugins", "show", "tree")
    assert answer.code == 2
    assert answer.err.startswith("error: `Tree` is not fully defined")
    assert "see `ladle plugins`" in answer.err
