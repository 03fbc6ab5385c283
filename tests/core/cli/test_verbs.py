"""Every verb: what it prints for people and for programs, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TRAIN = """
[data.r.split]
time = "n"
test = 0.25

[[data.r.clean]]
use = "drop"
word = "bad"

[[data.r.extract]]
use = "count-characters"

[[train]]
use = "guess"
name = "guess"
data = "r"
column = "length"
"""


@pytest.mark.parametrize("verb", ["", "run", "check", "predict", "plugins", "runs", "show"])
def test_help(ladle, verb):
    answer = ladle(*verb.split(), "--help")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"Usage: ladle {verb}".rstrip())


def test_help_names_all_verbs_those_of_plugins_included(ladle):
    out = ladle("--help").out
    assert all(f"  {verb} " in out for verb in ("run", "check", "predict", "plugins", "runs", "show"))
    commands = out.partition("Commands of plugins:\n")[2]
    assert "  greet  Greet somebody.\n" in commands
    assert "  lost   (cannot be imported)\n" in commands


def test_version(ladle):
    assert ladle("--version").out == "ladle 0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rum"], "No such command 'rum'"),
        (["run"], "give recipes to run, or --locked RUN"),
        (["show", "--x"], "No such option"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(ladle, arguments, said):
    answer = ladle(*arguments)
    assert answer.code == 2
    assert said in answer.err


def test_check_of_a_right_recipe(ladle, recipe):
    answer = ladle("check", recipe(TRAIN))
    assert answer == (0, "recipe.toml: no mistake found\n", "")
    assert ladle("check", recipe(TRAIN), "--json").json == []


def test_check_of_wrong_recipes_tells_the_mistakes_of_all(ladle, recipe):
    one, two = recipe("sed = 1", "one.toml", source=False), recipe(TRAIN.replace("test =", "tset ="), "two.toml")
    answer = ladle("check", one, two, recipe(""))
    assert answer.code == 2
    assert answer.out == "recipe.toml: no mistake found\n"
    assert answer.err == (
        "one.toml:1:1: error: unknown key `sed`\n"
        "  1 | sed = 1\n"
        "    | ^^^\n"
        "  help: did you mean `seed`?\n"
        "two.toml:7:1: error: unknown key `tset`\n"
        "  7 | tset = 0.25\n"
        "    | ^^^^\n"
        "  help: did you mean `test`?\n"
    )
    found = ladle("check", one, two, "--json")
    assert found.code == 2
    assert found.json[0] == {
        "code": "unknown-key", "message": "unknown key `sed`", "help": "did you mean `seed`?", "severity": "error",
        "span": {"file": "one.toml", "line": 1, "column": 1, "length": 3, "text": "sed = 1"},
    }  # fmt: skip
    assert [problem["span"]["file"] for problem in found.json] == ["one.toml", "two.toml"]


def test_warnings_are_no_mistakes(ladle, recipe):
    answer = ladle("check", recipe(TRAIN.replace("test = 0.25", "validation = 0.5")))
    assert answer.code == 0
    assert "warning: `r` has no test split: the model will be trained but not measured" in answer.err


def test_run_show_runs_and_predict(ladle, recipe):
    path = recipe(TRAIN)
    ran = ladle("run", path)
    assert ran.code == 0
    assert "r.clean.1 (drop)" in ran.err
    assert "recipe-1: done in" in ran.out
    assert "guess, test split (10 rows)" in ran.out
    assert f"model: {Path('runs/recipe-1/models/guess')}" in ran.out

    again = ladle("run", path, "--json")
    assert again.err == "recipe-1: nothing to be done, every stage is as it was\n"
    assert again.json == ladle("show", "recipe", "--json").json == ladle("show", "recipe-1", "--json").json
    assert list(again.json) == ["run", "recipe", "status", "seconds", "stages", "metrics", "report"]
    assert [list(stage) for stage in again.json["stages"]] == [
        ["name", "kind", "use", "status", "seconds", "rows_in", "rows_out", "rejects"]
    ] * 5

    shown = ladle("show", "recipe").out
    assert "r.clean.1                    drop                   done     40 rows in, 40 out" in shown
    assert ladle("show", "recipe", "--report").out == "report: runs/recipe-1/report.html\n"

    [listed] = ladle("runs", "--json").json
    assert listed.pop("started") > 0
    assert listed == {"run": "recipe-1", "recipe": "recipe", "path": "recipe.toml", "status": "done"}
    assert "recipe-1" in ladle("runs").out

    assert ladle("predict", "recipe", "abc", "bad", "--json").json == [
        {"row": {"text": "abc"}, "twice": 6.0, "seen": 30},
        {"row": {"text": "bad"}, "error": "holds `bad`"},
    ]
    assert ladle("predict", "recipe", "abc", "bad").out == "twice 6  seen 30  abc\n(rejected: holds `bad`)  bad\n"
    _predict_files(ladle)


def test_predict_tells_texts_and_what_has_parts_below_the_row(ladle, recipe):
    ladle("run", recipe('[[train]]\nuse = "teller"\ndata = "r"\n'))
    Path("more.jsonl").write_text('{"n": 4}\n')
    assert ladle("predict", "recipe", "--file", "more.jsonl").out == '4\n    text: about 8\n    parts: [{"of": 2}]\n'


def _predict_files(ladle):
    files = {
        "a.txt": "abc\r\n\r\nab\u2028c\r\n",
        "a.csv": 'text,n\nabc,1\n"a\nbc",\n',
        "a.tsv": "n\ttext\n1\tabc\n2\tabcd\n",
        "a.jsonl": '{"text": "abc"}\n\n{"text": "abcd", "n": 2}\n',
    }
    for name, content in files.items():
        Path(name).write_bytes(content.encode())
        answer = ladle("predict", "recipe", "--file", name, "--json")
        assert [row["twice"] for row in answer.json] == [6.0, 8.0], name
    wrong = {
        "b.csv": ("text,n\nabc,1,2\n", "b.csv:2: the row has more fields than the header has names"),
        "c.csv": ("text,n\nabc,one\n", "c.csv:2: column `n`: 'one' is no integer"),
        "d.csv": ("txt\nabc\n", "the rows have no column `text`"),
        "e.jsonl": ('{"text": "a"}\n{"text"\n', "e.jsonl:2: this is no JSON"),
        "f.jsonl": ("[1]\n", "f.jsonl:1: expected a JSON object, one row a line"),
        "g.xls": ("", "cannot read g.xls"),
    }
    for name, (content, message) in wrong.items():
        Path(name).write_text(content)
        answer = ladle("predict", "recipe", "--file", name)
        assert (answer.code, answer.out) == (2, "")
        assert message in answer.err
    assert ladle("predict", "recipe", "--file", "none.csv").code == 2
    assert "give texts" in ladle("predict", "recipe").err


def test_several_recipes_give_a_list(ladle, recipe):
    outcomes = ladle("run", recipe("", "one.toml"), recipe("", "two.toml"), "--json").json
    assert [outcome["run"] for outcome in outcomes] == ["one-1", "two-1"]


def test_no_recipe_starts_where_one_is_wrong(ladle, recipe):
    assert ladle("run", recipe("", "one.toml"), recipe("sed = 1", "two.toml", source=False)).code == 2
    assert not Path("runs").exists()


def test_runs_can_be_elsewhere(ladle, recipe, monkeypatch):
    assert ladle("run", recipe(""), "--runs", "there", "--json").json["report"] == "there/recipe-1/report.html"
    monkeypatch.setenv("LADLE_RUNS", "there")
    assert [run["run"] for run in ladle("runs", "--json").json] == ["recipe-1"]


def test_where_there_is_no_run(ladle, folder):
    assert ladle("runs").out == "no run in runs yet: ladle run RECIPE\n"
    assert ladle("runs", "--json").json == []
    answer = ladle("show", "sentiment")
    assert answer == (2, "", "error: no run `sentiment` in runs\n  help: there is none yet\n")


def test_a_run_that_has_not_ended_is_listed_and_not_shown(ladle, recipe):
    ladle("run", recipe(""))
    Path("runs/recipe-1/outcome.json").unlink()
    assert ladle("runs", "--json").json[0]["status"] == "unfinished"
    answer = ladle("show", "recipe")
    assert answer == (2, "", "error: the run recipe-1 has not ended\n  help: run its recipe again to go on\n")


def test_a_failed_stage_is_exit_code_1_and_debug_shows_the_traceback(ladle, recipe):
    path = recipe('[[data.r.clean]]\nuse = "bad"\nhow = "crash"\n')
    plain, debug = ladle("run", path), ladle("run", path, "--debug")
    assert (plain.code, debug.code) == (1, 1)
    assert "error: r.clean.1 (bad) failed: ZeroDivisionError: by zero\n" in plain.err
    assert "Traceback" not in plain.err
    assert "Traceback" in debug.err
    assert 'raise ZeroDivisionError("by zero")' in debug.err


def test_a_folder_that_cannot_be_written_is_told(ladle, recipe, folder):
    (folder / "file").touch()
    answer = ladle("run", recipe(""), "--runs", "file/runs")
    assert answer.code == 1
    assert answer.err == (
        "error: not a directory: file/runs/.store\n  help: choose another place (--runs for the folder of runs)\n"
    )


def test_plugins_are_listed_with_what_they_offer(ladle, install):
    install("ladle-broken", "import no_such_module")
    plugins = {plugin["plugin"]: plugin for plugin in ladle("plugins", "--json").json}
    assert plugins["ladle"]["status"] == "ok"
    toys = plugins["ladle-toys"]
    assert list(toys) == ["plugin", "version", "status", "components"]
    assert (toys["version"], toys["status"]) == ("1.0", "ok")
    components = {component["use"]: component for component in toys["components"]}
    assert components["shout"] == {"use": "shout", "kind": "clean", "summary": "Write a text column in capitals."}
    assert components["gone"]["summary"].startswith("`gone` of ladle-toys cannot be imported: ModuleNotFoundError")
    assert plugins["ladle-broken"]["status"].startswith("ModuleNotFoundError: No module named 'no_such_module'")
    assert plugins["ladle-broken"]["components"] == []
    told = ladle("plugins")
    assert told.code == 0
    assert "ladle-broken 0.3\n  broken: ModuleNotFoundError" in told.out
    assert "  clean      shout                  Write a text column in capitals.\n" in told.out


def test_a_component_is_shown_with_its_options(ladle):
    [shown] = ladle("plugins", "show", "ladle-toys:shout", "--json").json
    assert (shown["use"], shown["kind"], shown["plugin"]) == ("shout", "clean", "ladle-toys")
    assert [option["name"] for option in shown["options"]] == ["column"]
    said = ladle("plugins", "show", "shout").out
    assert "shout: cleaner of ladle-toys" in said
    assert "column  text" in said
    answer = ladle("plugins", "show", "shoot")
    assert answer.code == 2
    assert "no plugin offers `shoot`" in answer.err
    assert "did you mean `shout`?" in answer.err


def test_a_plugin_has_verbs_of_its_own(ladle, folder):
    assert ladle("greet", "world") == (0, "hello world\n", "")
    answer = ladle("lost")
    assert answer.code == 2
    assert answer.err.startswith("error: the command `lost` of a plugin cannot be imported: ModuleNotFoundError: ")


def test_json_is_all_that_stands_on_standard_output(ladle, recipe):
    assert json.loads(ladle("run", recipe(TRAIN), "--json").out)["status"] == "done"


def test_check_offline_leaves_sources_alone(ladle, recipe, install):
    install(
        "ladle-far",
        """
        from ladle import DataSource, hookimpl

        class Far(DataSource):
            "Rows that are far away."

            def peek(self):
                raise AssertionError("asked")

            def first_rows(self, count):
                raise AssertionError("asked")

        @hookimpl
        def ladle_data_sources():
            return {"far": Far}
        """,
    )
    path = recipe('[data.r.source]\nuse = "far"\n[[data.r.clean]]\nuse = "shout"\ncolumn = "any"\n', source=False)
    online = ladle("check", path)
    assert online.code == 2
    assert "`far` failed while the recipe was checked: AssertionError: asked" in online.err
    assert ladle("check", path, "--offline") == (0, "recipe.toml: no mistake found\n", "")
    assert ladle("check", path, "--offline", "--json").json == []


def test_check_offline_finds_what_needs_no_source(ladle, recipe):
    text = TRAIN.replace('column = "length"', 'column = "lenth"\nepoch = 1') + '[[train.technique]]\nuse = "srt"\n'
    answer = ladle("check", recipe(text), "--offline", "--json")
    assert answer.code == 2
    assert [problem["message"] for problem in answer.json] == ["unknown key `epoch`", "unknown technique `srt`"]
    assert "no column `lenth`" in ladle("check", recipe(text)).err


def test_errors_of_a_run_are_a_list_for_programs(ladle, recipe):
    one, two = recipe("sed = 1", "one.toml", source=False), recipe("seed = two", "two.toml", source=False)
    answer = ladle("run", one, two, recipe(""), "--json")
    assert (answer.code, answer.err) == (2, "")
    assert [(problem["code"], problem["span"]["file"]) for problem in answer.json] == [
        ("unknown-key", "one.toml"),
        ("syntax", "two.toml"),
    ]
    assert list(answer.json[0]) == ["code", "message", "help", "span", "severity"]
    assert ladle("check", one, two, "--json").json == answer.json
    assert ladle("run", one, "--explain", "--json").json == answer.json[:1]
    assert not Path("runs").exists()


def test_a_failed_stage_is_a_list_for_programs(ladle, recipe):
    answer = ladle("run", recipe('[[data.r.clean]]\nuse = "bad"\nhow = "crash"\n'), "--json")
    assert answer.code == 1
    assert [(problem["code"], problem["message"], problem["span"]) for problem in answer.json] == [
        ("stage", "r.clean.1 (bad) failed: ZeroDivisionError: by zero", None)
    ]
    assert "error" not in answer.err
    assert ladle("run", "none.toml", "--json").json[0]["code"] == "no-recipe"
    assert ladle("run", "--locked", "none", "--json").json[0]["code"] == "no-run"
