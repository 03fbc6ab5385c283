"""Who asks comes from the environment, and stands nowhere: in no message, origin, lock, event, store or kept page."""

from __future__ import annotations

import base64

import pytest

from ladle.errors import RecipeError, StageError

TOKEN, PASSWORD, KEY = "s3cret-t0ken/+=", "pass word&1", "k3y+for/all"


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("API_TOKEN", TOKEN)
    monkeypatch.setenv("API_PASSWORD", PASSWORD)
    monkeypatch.setenv("API_KEY", KEY)


def recipe(api, options, path="/films"):
    return f"""
[data.r.source]
use = "http"
url = "{api.url(path)}"
allow_private = true
back_off = 0.001
{options}
"""


WAYS = {
    "bearer": 'auth.bearer = "${API_TOKEN}"',
    "basic": 'auth.basic = "me:${API_PASSWORD}"',
    "header": 'auth.headers = { X-Api-Key = "${API_KEY}" }',
    "parameter": 'auth.parameters = { api_key = "${API_KEY}" }',
    "plain parameter": 'parameters = { api_key = "${API_KEY}" }',
    "plain header": 'headers = { X-Api-Key = "${API_KEY}" }',
}
BASIC = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
SENT = {
    "bearer": lambda asked: asked.headers["authorization"] == f"Bearer {TOKEN}",
    "basic": lambda asked: asked.headers["authorization"] == f"Basic {BASIC}",
    "header": lambda asked: asked.headers["x-api-key"] == KEY,
    "parameter": lambda asked: asked.query["api_key"] == KEY,
    "plain parameter": lambda asked: asked.query["api_key"] == KEY,
    "plain header": lambda asked: asked.headers["x-api-key"] == KEY,
}
FORMS = [TOKEN, PASSWORD, KEY, BASIC, "k3y%2Bfor%2Fall", "s3cret", "pass%20word", "pass+word"]


def echo(asked):
    """What some APIs put into their messages."""
    return [asked.headers.get("authorization"), asked.headers.get("x-api-key"), asked.query.get("api_key")]


@pytest.mark.parametrize("way", WAYS)
def test_an_api_is_told_who_asks_and_nobody_else(api, run_recipe, way, tmp_path, all_bytes):
    def respond(asked):
        place = int(asked.query.get("page", 1))
        rows = [{"n": place}, {"n": 7, "n2": 1}] if place < 3 else []
        next_ = f"{api.url()}?page={place + 1}&" + (f"api_key={asked.query.get('api_key')}".replace("+", "%2B"))
        return {"rows": rows, "next": next_ if rows else None}

    api.respond = respond
    run_recipe(recipe(api, WAYS[way] + '\nrows = "rows"\npages = { by = "next" }'))
    assert len(api.asked) == 3
    assert all(map(SENT[way], api.asked))
    kept = all_bytes(tmp_path / "runs")
    assert b"n2" in kept
    for form in FORMS:
        assert form.encode() not in kept


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [401, 403, 400, 404, 500, 200])
def test_messages_hold_no_secret_though_the_api_repeats_it(api, run_recipe, way, status, tmp_path, all_bytes):
    api.respond = lambda asked: api.reply(echo(asked) if status != 200 else f"{echo(asked)}".encode(), status)
    with pytest.raises(StageError) as caught:
        run_recipe(recipe(api, WAYS[way] + "\nretries = 1"))
    told = str(caught.value).encode() + all_bytes(tmp_path / "runs")
    for form in FORMS:
        assert form.encode() not in told


@pytest.mark.parametrize("way", WAYS)
def test_pages_that_were_kept_hold_no_secret_and_lead_on(api, run_recipe, way, tmp_path, all_bytes):
    is_down = True

    def respond(asked):
        place = int(asked.query.get("page", 1))
        if place == 3 and is_down:
            return api.reply(status=400)
        key = asked.query.get("api_key", "").replace("+", "%2B").replace("/", "%2f")
        return {
            "rows": [{"n": place}],
            "next": f"/films?page={place + 1}&api_key={key}&x=%24%7BHOME%7D" if place < 4 else None,
        }

    api.respond = respond
    text = recipe(api, WAYS[way] + '\nrows = "rows"\npages = { by = "next" }')
    with pytest.raises(StageError):
        run_recipe(text)
    pages = sorted((tmp_path / "runs").rglob("*.json.gz"))
    assert len(pages) == 2
    for form in [*FORMS, "%2f"]:
        assert form.encode() not in all_bytes(tmp_path / "runs")
    is_down = False
    ran = run_recipe(text)
    assert [row["n"] for row in ran.rows()] == [1, 2, 3, 4]
    assert [asked.query.get("page", "1") for asked in api.asked] == ["1", "2", "3", "3", "4"]
    assert all(map(SENT[way], api.asked))
    assert all(asked.query["x"] == "${HOME}" for asked in api.asked[1:])


def test_origins_and_rejects_name_variables(api, run_recipe):
    api.respond = lambda asked: [{"n": 1}, 7]
    ran = run_recipe(recipe(api, WAYS["plain parameter"], path="/films/${API_TOKEN}"))
    name = f"{api.url('/films/')}${{API_TOKEN}}?api_key=${{API_KEY}}"
    assert ran.rows()[0]["_origin"]["file"] == name
    assert ran.run.outcome["stages"][0]["rejects"] == 1
    assert api.asked[0].path == f"/films/{TOKEN}"


@pytest.mark.parametrize(
    ("options", "place", "help"),
    [
        ('auth.bearer = "${API_TOKEN}"', 'auth.bearer = "${API_TOKEN}"', "the environment variable API_TOKEN has"),
        ('auth = { basic = "me:${API_PASSWORD}" }', "auth = {", "the environment variable API_PASSWORD has"),
        ('auth.headers.X-Key = "${API_KEY}"', "auth.headers.X-Key", "the environment variable API_KEY has"),
        ('auth.parameters.key = "${API_KEY}"', "auth.parameters.key", "the environment variable API_KEY has"),
        ("", "url =", 'say who asks, with a value from the environment, such as auth.bearer = "${API_TOKEN}"'),
    ],
)
@pytest.mark.parametrize("status", [401, 403])
def test_who_is_not_accepted_is_told_which_variable_to_look_at(api, run_recipe, options, place, help, status):
    api.respond = lambda asked: api.reply({"error": "who?"}, status)
    with pytest.raises(StageError) as caught:
        run_recipe(recipe(api, options))
    (problem,) = caught.value.problems
    phrase = "Unauthorized" if status == 401 else "Forbidden"
    expected = f'{api.url()} answers {status} ({phrase}): "{{"error": "who?"}}"'
    assert problem.message.replace("?key=${API_KEY}", "") == expected
    assert help in problem.help
    assert problem.span.text.startswith(place)
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    ("options", "line", "help"),
    [
        ('auth.bearer = "abcdef"', 'auth.bearer = "abcdef"', 'let it come from the environment: bearer = "${NAME}"'),
        (
            'auth.basic = "me:secret"',
            'auth.basic = "me:secret"',
            'let it come from the environment: basic = "USER:${NAME}"',
        ),
        ('auth.headers.X-Key = "x"', 'auth.headers.X-Key = "x"', 'let it come from the environment: X-Key = "${NAME}"'),
        ('auth.parameters.key = "x"', 'auth.parameters.key = "x"', 'let it come from the environment: key = "${NAME}"'),
    ],
)
def test_a_secret_in_the_recipe_itself_is_refused(api, run_recipe, options, line, help):
    with pytest.raises(RecipeError) as caught:
        run_recipe(recipe(api, options))
    (problem,) = caught.value.problems
    assert (problem.message, problem.help) == ("what stands in the recipe stands in the lock of every run too", help)
    assert problem.span.text == line


def test_the_lock_names_the_variables(api, run_recipe):
    api.respond = lambda asked: [{"n": 1}]
    ran = run_recipe(recipe(api, 'auth.basic = "me:${API_PASSWORD}"\nauth.headers = { X-Key = "${API_KEY}" }'))
    options = ran.run.lock["stages"][0]["options"]
    assert options["auth"] == {
        "bearer": None, "basic": "me:${API_PASSWORD}", "headers": {"X-Key": "${API_KEY}"}, "parameters": {},
    }  # fmt: skip


def test_who_asks_is_no_part_of_what_rows_are_kept_under(api, run_recipe, monkeypatch):
    """Tokens change by the hour: a new one goes on with what the old one got."""
    pages = {"1": [{"n": 1}], "2": [{"n": 2}], "3": []}
    api.respond = lambda asked: (
        pages[asked.query["page"]]
        if asked.query["page"] == "1" or "new" in asked.headers["authorization"]
        else api.reply(status=401)
    )
    text = recipe(api, 'auth.bearer = "${API_TOKEN}"\npages = { by = "page" }\nrequests_per_second = %s')
    with pytest.raises(StageError):
        run_recipe(text % 50)
    monkeypatch.setenv("API_TOKEN", "a new one")
    assert [row["n"] for row in run_recipe(text % 60).rows()] == [1, 2]
    monkeypatch.setenv("API_TOKEN", "yet another")
    run_recipe(text % 70)
    assert [asked.query["page"] for asked in api.asked] == ["1", "2", "2", "3"]


@pytest.mark.parametrize(
    ("options", "message", "option"),
    [
        ({"auth": {"bearer": "x", "basic": "a:b"}}, "`bearer` and `basic` are one header: it has one value", "basic"),
        ({"auth": {"basic": "x"}}, "the colon is missing between user and password", "basic"),
        ({"auth": {"bearer": "a\nX-Other: b"}}, "a header holds one line of ASCII characters", "bearer"),
        ({"auth": {"headers": {"X Key": "a"}}}, '"X Key" cannot be the name of a header', "X Key"),
        ({"headers": {"X-A": "é"}}, "a header holds one line of ASCII characters", "X-A"),
        ({"headers": {"authorization": "Bearer x"}}, "this says who asks", "authorization"),
        ({"headers": {"Cookie": "x=y"}}, "this says who asks", "Cookie"),
    ],
)
def test_what_cannot_be_sent_is_refused(refused, options, message, option):
    error = refused(**options)
    assert (str(error), error.option) == (message, option)


def test_a_password_in_the_address_is_refused(refused):
    error = refused(url="https://me:secret@api.example.org/films")
    assert str(error) == "an address with a password in it would be shown"
    assert error.help == 'write auth.basic = "USER:${PASSWORD}"'


def test_rows_may_hold_what_a_secret_is(api, run_recipe):
    """What an API says in its rows is data: it stays as it is, also where it was kept meanwhile."""
    fails = [True]

    def respond(asked):
        if asked.query["page"] == "2" and fails.pop():
            return api.reply(status=400)
        return [{"text": f"{KEY} of page {asked.query['page']}"}] if asked.query["page"] < "3" else []

    api.respond = respond
    fails = [False, True]
    text = recipe(api, WAYS["header"] + '\npages = { by = "page" }')
    with pytest.raises(StageError):
        run_recipe(text)
    assert [row["text"] for row in run_recipe(text).rows()] == [f"{KEY} of page 1", f"{KEY} of page 2"]
