"""`${NAME}` in a recipe: the value is used, and stands in nothing that is told or kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.errors import LadleError, RecipeError
from ladle.explain import explain
from ladle.graph import stages_of
from ladle.prediction import Predictor
from ladle.recipe import load
from ladle.recipe.environment import Secrets, escaped, expand_all
from ladle.runs import Runs

SECRET = "s3cr3t/wörd+key"

PLUGIN = """
import warnings
from typing import Annotated, Literal
from pydantic import Field, field_validator
from ladle import Cleaner, DataSource, Labeler, Makes, NotInKey, OptionError, Reads, Reject, hookimpl


class Api(DataSource):
    '''Rows that only who knows the token gets.'''

    token: str = Field(default="", max_length=100)
    headers: dict[str, list[str]] = {}
    site: Annotated[str, NotInKey()] = ""
    form: Literal["rows", "texts"] = "rows"
    template: str = "${text}"
    how: str = ""

    @field_validator("token")
    @classmethod
    def _no_word(cls, token):
        if token.startswith("bad"):
            raise ValueError(f"{token} is no token")
        return token

    def peek(self):
        if self.how == "check":
            raise OptionError(f"{self.token} is refused", option="token", help=f"ask for another than {self.token}")
        if self.how == "crash":
            raise RuntimeError(f"https://api/?token={self.token}")
        return {"text": "text"}

    def read(self):
        warnings.warn(f"the token {self.token} is old")
        if self.how == "option":
            raise OptionError(f"{self.token} is no longer right", option="token", help=f"renew {self.token}")
        if self.how == "error":
            raise ConnectionError(f"https://api/?token={self.token}")
        if self.how == "rejects":
            yield Reject("token", f"refused to {self.token}", file=f"https://api/{self.token}", raw=b"{}")
        if self.how != "nothing":
            yield {"text": "one"}
            yield {"text": f"got with {self.token[:4]}"}


class Mark(Labeler):
    '''Give every row a word.'''

    column: Annotated[str, Reads("text")] = "text"
    into: Annotated[str, Makes("number")] = "n"
    words: list[str] = []
    shape: str = "${column}"

    def label_row(self, row):
        if row[self.column] == "fail":
            raise RuntimeError(f"{self.words[0]} is at fault")
        return row | {self.into: float(sum(map(len, self.words)))}


@hookimpl
def ladle_data_sources():
    return {"api": Api}


@hookimpl
def ladle_labelers():
    return {"mark": Mark}
"""

RECIPE = """\
[data.r.source]
use = "api"
token = "${API_TOKEN}"
headers = { Authorization = ["Bearer ${API_TOKEN}", "plain"] }
site = "https://${API_SITE}/"
"""


TRAIN = """
[[data.r.label]]
use = "mark"
words = ["${API_TOKEN}", "a"]
into = "m"

[[train]]
use = "guess"
data = "r"
column = "m"
"""


@pytest.fixture(autouse=True)
def _environment(install, monkeypatch):
    install("ladle-api", PLUGIN)
    monkeypatch.setenv("API_TOKEN", SECRET)
    monkeypatch.setenv("API_SITE", "example.org")
    monkeypatch.delenv("API_TOKN", raising=False)


@pytest.fixture
def source(recipe):
    """The source of a recipe, as it was made."""

    def make(text: str):
        return load(recipe(text, source=False))[0].data["r"].sources[0]

    return make


@pytest.fixture
def told(recipe):
    """What the user of a wrong recipe sees, with a line end before it for the eye."""

    def render(text: str) -> str:
        with pytest.raises(RecipeError) as caught:
            load(recipe(text, source=False))
        return f"\n{caught.value}\n"

    return render


def kept(folder: Path, *values: str) -> list[str]:
    """Every file below a folder that holds one of the values, the rows aside."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("rows-")]
    assert len(files) > 3
    return [str(path) for path in files if any(value.encode() in path.read_bytes() for value in values)]


def test_variables_stand_for_their_values_anywhere_in_a_text(source):
    used = source(RECIPE)
    assert used.component.token == SECRET
    assert used.component.headers == {"Authorization": [f"Bearer {SECRET}", "plain"]}
    assert used.component.site == "https://example.org/"
    assert used.written == {
        ("token",): "${API_TOKEN}",
        ("headers", "Authorization", 0): "Bearer ${API_TOKEN}",
        ("site",): "https://${API_SITE}/",
    }


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("$${API_TOKEN}", "${API_TOKEN}"),
        ("a$${", "a${"),
        ("$API_SITE {API_SITE} 5$", "$API_SITE {API_SITE} 5$"),
        ("${API_SITE}${API_SITE}", "example.orgexample.org"),
        ("$$${API_SITE}", "$${API_SITE}"),
    ],
)
def test_what_is_a_variable_and_what_is_not(source, written, value):
    assert source(f"[data.r.source]\nuse = 'api'\ntoken = '{written}'\n").component.token == value


def test_a_value_of_a_variable_is_not_read_for_variables(source, monkeypatch):
    monkeypatch.setenv("API_TOKEN", "${API_SITE}")
    assert source(RECIPE).component.token == "${API_SITE}"


def test_variables_that_are_not_there_or_are_none(told):
    found = told("""
        [data.r.source]
        use = "api"
        token = "${API_TOKN}"
        site = "https://${Q_Z_9}/"
        headers = { a = ["${}", "${API TOKEN}", "Bearer ${API_TOKEN"] }
    """)
    assert (
        found
        == """
recipe.toml:4:9: error: the environment variable `API_TOKN` is not set
  4 | token = "${API_TOKN}"
    |         ^^^^^^^^^^^^^
  help: did you mean `API_TOKEN`? If not, set it first: export API_TOKN=…
recipe.toml:5:8: error: the environment variable `Q_Z_9` is not set
  5 | site = "https://${Q_Z_9}/"
    |        ^^^^^^^^^^^^^^^^^^^
  help: set it first: export Q_Z_9=…
recipe.toml:6:18: error: `${}` names no environment variable
  6 | headers = { a = ["${}", "${API TOKEN}", "Bearer ${API_TOKEN"] }
    |                  ^^^^^
  help: write ${NAME} for the value of a variable, $${ for the text ${
recipe.toml:6:25: error: `${API TOKEN}` names no environment variable
  6 | headers = { a = ["${}", "${API TOKEN}", "Bearer ${API_TOKEN"] }
    |                         ^^^^^^^^^^^^^^
  help: write ${NAME} for the value of a variable, $${ for the text ${
recipe.toml:6:41: error: `${` has no `}` after it
  6 | headers = { a = ["${}", "${API TOKEN}", "Bearer ${API_TOKEN"] }
    |                                         ^^^^^^^^^^^^^^^^^^^^
  help: write ${NAME} for the value of a variable, $${ for the text ${
"""
    )


def test_names_cannot_come_from_the_environment(told):
    found = told("""
        name = "${API_SITE}"

        [data.r.source]
        use = "${API_SITE}"

        [data.r.split]
        column = "${API_SITE}"

        [[train]]
        use = "guess"
        name = "${API_SITE}"
        data = "r"
    """)
    lines = [line for line in found.splitlines() if "error" in line]
    why = "error: this stands in the lock and in what is told of a run: it cannot come from the environment"
    assert lines[0] == f"recipe.toml:2:8: {why}"
    assert "help: write it here, or give it with --set" in found
    assert [line.partition(" ")[0] for line in lines if why in line] == [
        "recipe.toml:2:8:", "recipe.toml:5:7:", "recipe.toml:8:10:", "recipe.toml:12:8:",
    ]  # fmt: skip
    assert "example" not in found


def test_a_setting_can_name_a_variable(recipe):
    path = recipe(RECIPE, source=False)
    found, _ = load(
        path, settings=["data.r.source.token=${API_SITE}!", 'data.r.source.headers={ a = ["${API_TOKEN}"] }']
    )
    used = found.data["r"].sources[0]
    assert (used.component.token, used.component.headers) == ("example.org!", {"a": [SECRET]})
    assert used.written["token",] == "${API_SITE}!"
    with pytest.raises(RecipeError) as caught:
        load(path, settings=["data.r.source.token=${API_TOKN}"])
    assert str(caught.value) == (
        "--set:1:21: error: the environment variable `API_TOKN` is not set\n"
        "  1 | data.r.source.token=${API_TOKN}\n"
        "    |                     ^^^^^^^^^^^\n"
        "  help: did you mean `API_TOKEN`? If not, set it first: export API_TOKN=…"
    )


def test_what_a_check_tells_does_not_hold_the_value(told, monkeypatch):
    monkeypatch.setenv("API_LONG", "bad" + "x" * 200)
    assert (
        told(RECIPE + 'form = "${API_TOKEN}"\nhow = "check"\n')
        == """
recipe.toml:6:8: error: "${API_TOKEN}" is not one of 'rows' or 'texts'
  6 | form = "${API_TOKEN}"
    |        ^^^^^^^^^^^^^^
"""
    )
    assert (
        told(RECIPE + 'how = "check"\n')
        == """
recipe.toml:3:9: error: ${API_TOKEN} is refused
  3 | token = "${API_TOKEN}"
    |         ^^^^^^^^^^^^^^
  help: ask for another than ${API_TOKEN}
"""
    )
    crash = told(RECIPE + 'how = "crash"\n')
    assert "`api` failed while the recipe was checked: RuntimeError: https://api/?token=${API_TOKEN}\n" in crash
    long = told(RECIPE.replace('token = "${API_TOKEN}"', 'token = "${API_LONG}"'))
    assert "3:9: error: " in long
    assert "xxx" not in long
    monkeypatch.setenv("API_LONG", "bad-token")
    assert "3:9: error: ${API_LONG} is no token\n" in told(
        RECIPE.replace('API_TOKEN}"\nheaders', 'API_LONG}"\nheaders')
    )


def test_a_text_that_should_be_another_thing_is_shown_as_written(told):
    found = told(RECIPE.replace('"https://${API_SITE}/"', '["${API_SITE}"]'))
    assert 'expected a text in quotes, found ["${API_SITE}"]' in found
    assert (
        told(RECIPE + "[data.r.split]\ntest = 0.5\n[[train]]\nuse = 'guess'\ndata = 'r'\nepochs = '${API_SITE}'\n")
        == """
recipe.toml:11:10: error: expected a number, found '${API_SITE}'
  11 | epochs = '${API_SITE}'
     |          ^^^^^^^^^^^^^
  help: what comes from the environment is a text; give other values with --set
"""
    )


@pytest.mark.parametrize("how", ["option", "error", "nothing", "rejects"])
def test_nothing_of_a_run_holds_the_value(work, folder, how, capfd):
    text = RECIPE + f'how = "{how}"\n' + TRAIN.replace('"r"', '"r"\narguments = { run_name = "${API_TOKEN}" }')
    if how == "rejects":
        done = work(text, source=False)
        assert done.table("r.source", "rejects")[0]["reason"] == "refused to ${API_TOKEN}"
        [warning] = [event for event in done.events if event["event"] == "warning"]
        assert warning["message"] == "the token ${API_TOKEN} is old"
        assert "refused to ${API_TOKEN}" in (done.run.folder / "report.html").read_text()
    else:
        with pytest.raises(LadleError) as caught:
            work(text, source=False)
        said = str(caught.value)
        assert SECRET not in said
        assert ("${API_TOKEN}" in said) == (how != "nothing")
    assert kept(folder, SECRET, json.dumps(SECRET)[1:-1], "example.org") == []
    lock = json.loads((folder / "runs" / "recipe-1" / "lock.json").read_text())
    assert lock["stages"][0]["options"]["token"] == "${API_TOKEN}"
    assert lock["stages"][0]["options"]["headers"] == {"Authorization": ["Bearer ${API_TOKEN}", "plain"]}
    assert lock["stages"][0]["options"]["site"] == "https://${API_SITE}/"
    assert lock["stages"][1]["options"]["words"] == ["${API_TOKEN}", "a"]
    told = capfd.readouterr()
    assert SECRET not in told.out + told.err


def test_another_value_makes_another_key_and_the_same_the_same(work, monkeypatch, recipe):
    def keys() -> list[str]:
        loaded, _ = load(recipe(RECIPE, source=False))
        return [stage.key for stage in stages_of(loaded, Runs(Path("runs")).store)]

    first = keys()
    assert keys() == first
    monkeypatch.setenv("API_SITE", "example.com")  # of an option that is in no key
    assert keys() == first
    work(RECIPE, source=False)
    monkeypatch.setenv("API_TOKEN", "another token")
    assert keys() != first
    runs = Runs(Path("runs"))
    loaded, _ = load(recipe(RECIPE, source=False))
    [found] = explain(loaded, stages_of(loaded, runs.store), runs)
    assert found.reasons
    assert "another token" not in str(found.reasons)


def test_a_model_of_a_hub_can_come_from_the_environment(recipe, monkeypatch, folder):
    monkeypatch.setenv("API_MODEL", "owner/model")
    train = '[[train]]\nuse = "guess"\ndata = "r"\nmodel = { pretrained = "${API_MODEL}" }\n'
    loaded, _ = load(recipe(train))
    stage = stages_of(loaded, Runs(Path("runs")).store)[-1]
    assert "owner/model" not in json.dumps(stage.parts)
    key = stage.key
    monkeypatch.setenv("API_MODEL", "owner/other")
    assert stages_of(load(recipe(train))[0], Runs(Path("runs")).store)[-1].key != key


def test_a_prediction_takes_the_value_from_the_environment_again(work, monkeypatch):
    run = work(TRAIN).run
    assert Predictor(run)([{"text": "a"}])[0]["twice"] == 2 * (len(SECRET) + 1)
    with pytest.raises(LadleError, match=r"r.label.1 \(mark\): RuntimeError: \$\{API_TOKEN\} is at fault"):
        Predictor(run)([{"text": "fail"}])
    monkeypatch.delenv("API_TOKEN")
    with pytest.raises(RecipeError) as caught:
        Predictor(run)([{"text": "a"}])
    assert str(caught.value).startswith("error: the environment variable `API_TOKEN` is not set\n  help: ")


def test_a_path_from_the_environment_is_found_from_the_recipes_folder_and_locked_from_here(work, folder, monkeypatch):
    monkeypatch.setenv("API_FOLDER", "rows-of-today")
    (folder / "deep" / "rows-of-today").mkdir(parents=True)
    (folder / "rows.jsonl").rename(folder / "deep" / "rows-of-today" / "rows.jsonl")
    text = '[data.r.source]\nuse = "lines"\npath = "${API_FOLDER}/rows.jsonl"\n'
    (folder / "deep" / "recipe.toml").write_text(text)
    run = work(text, name="deep/recipe.toml", source=False).run
    [source] = run.lock["stages"]
    assert source["options"]["path"] == source["files"][0] == "deep/${API_FOLDER}/rows.jsonl"


def test_what_looks_like_a_variable_in_a_default_is_none(work):
    run = work(TRAIN).run
    assert run.lock["stages"][1]["options"]["shape"] == "$${column}"
    assert Predictor(run)([{"text": "a"}])


@pytest.mark.parametrize(
    ("value", "said", "told"),
    [
        ("abc", "abc abcd", "abc abcd"),
        ("abcd", "abcd: abcde, not-abcd.", "${V}: abcde, not-${V}."),
        ("abcdefgh", "xabcdefghx", "x${V}x"),
        ("p@ss wörd/1", "p%40ss%20w%C3%B6rd%2F1 p%40ss+w%C3%B6rd%2F1", "${V} ${V}"),
        ("two\nlines", "'two\\nlines'", "'${V}'"),
        ('quo"ted-value', '"quo\\"ted-value"', '"${V}"'),
        ("", "nothing", "nothing"),
    ],
)
def test_values_are_taken_out_of_texts(monkeypatch, value, said, told):
    monkeypatch.setenv("V", value)
    secrets = Secrets()
    assert secrets.expand("<${V}>") == f"<{value}>"
    assert secrets.redact({"a": [said, 1, None, {said: True}]}) == {"a": [told, 1, None, {told: True}]}


def test_a_component_can_know_which_of_its_options_came_from_the_environment(install, recipe, monkeypatch):
    monkeypatch.setenv("KEY", SECRET)
    install(
        "ladle-knowing",
        """
        from pydantic import PrivateAttr, ValidationInfo, model_validator
        from ladle import DataSource, hookimpl
        from ladle.options import secrets_of
        class Knowing(DataSource):
            key: str
            _told: tuple = PrivateAttr(default=())
            @model_validator(mode="after")
            def _look(self, info: ValidationInfo):
                secrets = secrets_of(info)
                self._told = (secrets.written(self.key), secrets.written("me:x"), secrets.redact(f"key={self.key}"))
                return self
        @hookimpl
        def ladle_data_sources():
            return {"knowing": Knowing}
        """,
    )
    path = recipe('[data.r.source]\nuse = "knowing"\nkey = "me:${KEY}"\n', source=False)
    read, _ = load(path)
    assert read.data["r"].sources[0].component._told == ("me:${KEY}", None, "key=me:${KEY}")


def test_of_values_within_each_other_the_longer_one_is_taken_out_first(monkeypatch):
    monkeypatch.setenv("SHORT", "secret-word")
    monkeypatch.setenv("LONG", "secret-word-and-more")
    secrets = Secrets()
    secrets.expand("${SHORT} ${LONG}")
    assert secrets.redact("secret-word-and-more, secret-word") == "${LONG}, ${SHORT}"


@given(st.text(st.sampled_from("${}aA_ \n")))
def test_an_escaped_text_expands_to_itself(text):
    assert expand_all({"a": [escaped(text)]}, Secrets()) == {"a": [text]}
