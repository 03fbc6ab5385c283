"""Plugins are found one by one, and a broken one breaks nothing."""

from __future__ import annotations

import pytest

from ladle.registry import PluginError, UnknownUseError, installed


def _plugin(name):
    return next(plugin for plugin in installed().plugins if plugin.name == name)


def test_a_plugin_is_found_by_its_metadata(registry):
    assert [(plugin.name, plugin.error) for plugin in registry.plugins] == [("ladle", None), ("ladle-toys", None)]
    assert _plugin("ladle-toys").version == "1.0"
    assert {offer.use for offer in registry.of_kind("source")} == {"data", "lines", "folder"}


def test_a_class_and_the_place_of_one_are_both_offers(registry):
    assert registry.find("clean", "shout").load().__name__ == "Shout"
    assert registry.find("clean", "ladle-toys:drop").load().summary() == "Drop the rows with a word."


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module' ("),
        ("raise SystemError('no')", "SystemError: no ("),
        ("raise SystemExit(3)", "SystemExit: 3 ("),
        ("a b", "SyntaxError: invalid syntax (ladle_broken.py, line 1)"),
        (
            "from ladle import hookimpl\n@hookimpl\ndef ladle_cleaners():\n    return {}['x']",
            "KeyError: 'x' (",
        ),
        (
            "from ladle import hookimpl\n@hookimpl\ndef ladle_cleaner():\n    return {}",
            "PluginError: unknown hook `ladle_cleaner`: did you mean `ladle_cleaners`?",
        ),
    ],
)
def test_a_broken_plugin_is_listed_with_its_error_and_the_rest_works(install, source, error):
    install("ladle-broken", source)
    assert _plugin("ladle-broken").error.startswith(error)
    assert installed().find("clean", "shout").load()


def test_the_place_of_an_error_is_in_the_plugin(install):
    site = install("ladle-broken", "x = 1\nimport no_such_module")
    assert _plugin("ladle-broken").error.endswith(f"({site / 'ladle_broken.py'}:2)")


def test_a_package_may_have_several_plugin_modules(install):
    site = install(
        "ladle-two", "from ladle import hookimpl\n@hookimpl\ndef ladle_cleaners():\n    return {'one': 'a:A'}"
    )
    (site / "ladle_more.py").write_text((site / "ladle_two.py").read_text().replace("one", "two"))
    with next(site.glob("ladle_two-*/entry_points.txt")).open("a") as points:
        points.write("more = ladle_more\n")
    assert _plugin("ladle-two").error is None
    assert installed().find("clean", "ladle-two:one").plugin.name == "ladle-two"
    assert installed().find("clean", "ladle-two:two").plugin.name == "ladle-two"


def test_a_component_that_cannot_be_imported_is_an_error_only_where_it_is_loaded(registry):
    offer = registry.find("clean", "gone")
    with pytest.raises(PluginError) as caught:
        offer.load()
    assert str(caught.value) == (
        "`gone` of ladle-toys cannot be imported: ModuleNotFoundError: No module named 'ladle_gone'"
    )


def test_what_is_no_component_of_the_kind_is_refused(registry):
    with pytest.raises(PluginError, match="`liar` of ladle-toys is offered as a cleaner, and is none"):
        registry.find("clean", "liar").load()


@pytest.mark.parametrize(
    ("use", "help"),
    [
        ("shuot", "did you mean `shout`?"),
        ("zzz", "the cleaners installed are: bad, centre, drop, gone, liar, rude, shout, slow"),
        ("toy-json", "`toy-json` is a writer, for [[data.NAME.write]]"),
        ("guess", "`guess` is a trainer, for [[train]]"),
        ("lines", "`lines` is a data source, for [data.NAME.source]"),
        ("ladle-none:shout", "the package is not installed: pip install ladle-none"),
        ("ladle-toys:shuot", "did you mean `shout`?"),
        ("deduplicate", "the package ladle-cleaning offers it: pip install ladle-cleaning"),
        ("ladle-clening:deduplicate", "did you mean `ladle-cleaning:deduplicate`?"),
        ("ladle-cleaning:deduplicate", "the package is not installed: pip install ladle-cleaning"),
        ("ladle:shout", 'ladle-toys offers it: write use = "ladle-toys:shout"'),
        ("keywords", "`keywords` is a labeler, for [[data.NAME.label]]; ladle-labelling offers it"),
        ("dedupliacte", "did you mean `deduplicate`? The package ladle-cleaning offers it"),
    ],
)
def test_an_unknown_name_comes_with_a_remedy(registry, use, help):
    with pytest.raises(UnknownUseError) as caught:
        registry.find("clean", use)
    assert (str(caught.value), caught.value.help) == (f"unknown cleaner `{use}`", help)
