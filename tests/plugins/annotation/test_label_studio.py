"""Label Studio's JSON: what goes out comes in again, and what others have labelled comes in too."""

from __future__ import annotations

import json

import pytest

from ladle.errors import RecipeError
from ladle_annotation.label_studio import export_tasks, import_tasks
from ladle_annotation.log import Event

TEXT = "👩‍🔬 Ada met Bob in London."
SPANS = [
    {"start": 4, "end": 7, "label": "PER", "text": "Ada"},
    {"start": 19, "end": 25, "label": "LOC", "text": "London"},
]
CASES = [
    ({"labels": ["good", "bad"]}, "good", {"choices": ["good"]}, "choices"),
    ({"labels": ["good", "bad"], "multiple": True}, ["good", "bad"], {"choices": ["good", "bad"]}, "choices"),
    ({"number": {"from": 0, "to": 5}}, 3, {"number": 3}, "number"),
    ({"text": True}, "two\nlines", {"text": ["two\nlines"]}, "textarea"),
    ({"pair": ["one", "two"]}, "two", {"selected": "right"}, "pairwise"),
    ({"spans": ["PER", "LOC"]}, SPANS, SPANS[0] | {"labels": ["PER"]}, "labels"),
]
COLUMNS = {"text": [TEXT, "Bob", "Eve"], "one": ["a", "b", "c"], "two": ["x", "y", "z"]}


def state(session):
    """All that holds, without the numbers of events."""
    found = {}
    for row in sorted(session.rows_with_labels()):
        labels = session.labels[row]
        answers = {
            who: (event.value, event.at, event.confidence, event.seconds) for who, event in labels.answers.items()
        }
        final = labels.final and (labels.final.annotator, labels.final.value)
        found[row] = (answers, final, labels.skipped, labels.flagged, labels.notes)
    return found


@pytest.mark.parametrize(("options", "value", "result", "type_"), CASES, ids=[case[3] for case in CASES])
def test_what_goes_out_comes_in_again(session_of, tmp_path, options, value, result, type_):
    session = session_of(COLUMNS, **options)
    at = "2026-01-02T03:04:05.678Z"
    session.say(Event("label", "r0", "ann", value, at, 0.5, 2.5))
    session.say(Event("label", "r0", "ben@b.org", value, at))
    session.say(Event("skip", "r1", "ann"))
    session.say(Event("note", "r1", "ann", "odd \u202e"))
    session.say(Event("flag", "r2", "ben@b.org", True))
    session.say(Event("final", "r0", "eve", value))
    file = tmp_path / "tasks.json"
    assert export_tasks(session, file) == 3

    first = json.loads(file.read_text())[0]
    assert first["data"] == {"text": TEXT, "one": "a", "two": "x", "_id": "r0"}
    said = first["annotations"][0]
    assert (said["completed_by"], said["created_at"], said["lead_time"]) == ({"email": "ann"}, at, 2.5)
    assert (said["result"][0]["type"], said["result"][0]["value"], said["result"][0]["from_name"]) == (
        type_,
        result,
        "label",
    )

    before = state(session)
    again = import_tasks(session, file, "nobody")
    assert (again.taken, again.refused) == (0, {})
    assert state(session) == before
    session.labeler.file.rename(tmp_path / "old.sqlite")
    fresh = session_of(COLUMNS, **options)
    found = import_tasks(fresh, file, "nobody")
    assert (found.taken, found.known, found.refused) == (3, 0, {})
    assert state(fresh) == before


def write(path, tasks):
    path.write_text(json.dumps(tasks))
    return path


def task(result, text=TEXT, **fields):
    annotation = {
        "result": [result] if result else [],
        "completed_by": 7,
        "created_at": "2026-01-02T03:04:05Z",
    } | fields
    return {"id": 1, "data": {"text": text}, "annotations": [annotation]}


def test_rows_are_found_by_what_they_show(session_of, tmp_path):
    session = session_of({"text": [TEXT, "Bob"], "number": [1, 2]}, show=["text"], labels=["good", "bad"])
    choice = {"type": "choices", "from_name": "x", "to_name": "t", "value": {"choices": ["bad"]}}
    tasks = [task(choice, "Bob"), task(choice, "not here"), task(choice | {"value": {"choices": ["odd"]}})]
    found = import_tasks(session, write(tmp_path / "t.json", tasks), "ann")
    assert session.item("r1", "7")["answer"] == "bad"
    assert found.told() == (
        "1 label taken in\n1 not taken in: the task is none of the rows here\n"
        "1 not taken in: 'odd' is none of the labels good, bad"
    )


def test_offsets_in_units_of_utf16_are_understood(session_of, tmp_path):
    session = session_of({"text": [TEXT]}, spans=["PER", "LOC"])
    in_units = {"start": 6, "end": 9, "text": "Ada", "labels": ["PER"]}
    import_tasks(session, write(tmp_path / "t.json", [task({"type": "labels", "value": in_units})]), "ann")
    assert session.item("r0", "7")["answer"] == SPANS[:1]


def test_nothing_marked_is_a_label_and_nothing_chosen_of_one_is_none(session_of, tmp_path):
    session = session_of({"text": [TEXT]}, spans=["PER"])
    assert import_tasks(session, write(tmp_path / "t.json", [task(None)]), "ann").taken == 1
    assert session.item("r0", "7")["answer"] == []


@pytest.mark.parametrize(
    "result",
    [
        {"type": "rectanglelabels", "value": {"x": 1}},
        {"type": "choices", "value": {"choices": []}},
        {"type": "choices", "value": {}},
        {"type": "choices"},
        {},
        "text",
    ],
)
def test_what_is_of_another_form_is_told_and_the_rest_comes_in(session_of, tmp_path, result):
    session = session_of({"text": [TEXT, "Bob"]}, labels=["good", "bad"])
    right = task({"type": "choices", "value": {"choices": ["good"]}}, "Bob")
    wrong = task(None) | {"annotations": [{"result": [result], "completed_by": {"id": 3}}]}
    found = import_tasks(session, write(tmp_path / "t.json", [wrong, right]), "ann")
    assert found.taken == 1
    assert sum(found.refused.values()) == 1


@pytest.mark.parametrize(
    ("text", "why"), [("{", "is no JSON"), ("{}", "is no list of tasks"), ('[{"text": "x"}]', "is no list")]
)
def test_a_file_that_is_none_is_told(session_of, tmp_path, text, why):
    session = session_of({"text": [TEXT]}, labels=["good", "bad"])
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(RecipeError, match=why):
        import_tasks(session, tmp_path / "t.json", "ann")


def test_the_command_writes_and_reads_files(project):
    made = project([{"text": "one"}, {"text": "two"}])
    made.ladle("label", "reviews.toml", "--terminal", "--annotator", "ann", stdin="12")
    out = made.ladle("label", "reviews.toml", "--export", "tasks.json")
    assert out.stdout == "2 rows with labels, notes or flags are in tasks.json\n"
    made.labels.unlink()
    back = made.ladle("label", "reviews.toml", "--import", "tasks.json")
    assert back.stdout == "2 labels taken in\n"
    assert made.ladle("label", "reviews.toml", "--import", "tasks.json").stdout == (
        "0 labels taken in, 2 known already\n"
    )
    assert made.ladle("run", "reviews.toml").returncode == 0
    both = made.ladle("label", "reviews.toml", "--export", "a.json", "--import", "tasks.json")
    assert "give one of --terminal, --export and --import" in both.stderr


def test_times_and_numbers_that_are_none_are_left_out(session_of, tmp_path):
    session = session_of({"text": [TEXT]}, labels=["good", "bad"])
    choice = {"type": "choices", "value": {"choices": ["bad"]}}
    odd = task(choice, created_at="yesterday", lead_time="long", meta={"confidence": 7})
    import_tasks(session, write(tmp_path / "t.json", [odd]), "ann")
    event = session.labels["r0"].answers["7"]
    assert (event.seconds, event.confidence) == (None, None)
    assert event.at.endswith("Z")
    in_vienna = task(choice, created_at="2026-01-02T03:04:05+01:00", completed_by=None)
    import_tasks(session, write(tmp_path / "t.json", [in_vienna]), "ann")
    assert session.labels["r0"].answers["ann"].at == "2026-01-02T02:04:05.000Z"
