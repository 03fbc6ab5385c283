"""Labelling under way: who gets which row, what is shown of it, and that nobody's label is lost to another's."""

from __future__ import annotations

import threading
import time

import pytest

from ladle_annotation import session as session_module
from ladle_annotation.log import Event
from ladle_annotation.question import AnswerError
from ladle_annotation.session import ConflictError

TEXTS = {"text": [f"text {number}" for number in range(10)]}
LABELS = {"labels": ["good", "bad"]}


def rows(found):
    return [item["row"] for item in found]


def say(session, row, value="good", who="ann", kind="label", seen=None, **fields):
    return session.say(Event(kind, row, who, value, **{"window": "one"} | fields), seen)


def test_rows_come_in_their_order_and_one_that_is_labelled_never_again(session_of):
    session = session_of(TEXTS, **LABELS)
    assert rows(session.next("ann", "one", 2)) == ["r0", "r1"]
    say(session, "r0")
    assert rows(session.next("ann", "one", 2, ["r1"])) == ["r2", "r3"]
    assert rows(session.next("ann", "one", 20)) == [f"r{number}" for number in range(1, 10)]


def test_what_one_window_shows_no_other_of_the_annotator_does(session_of):
    session = session_of(TEXTS, **LABELS)
    assert rows(session.next("ann", "one", 3)) == ["r0", "r1", "r2"]
    assert rows(session.next("ann", "two", 3)) == ["r3", "r4", "r5"]
    assert rows(session.next("ann", "one", 1, ["r2"])) == ["r0"]  # those it no longer has are free again
    session.release("ann", "two")
    assert rows(session.next("ann", "one", 20, ["r0"])) == [f"r{number}" for number in range(1, 10)]


def test_a_window_that_is_gone_keeps_its_rows_for_a_while_only(session_of, monkeypatch):
    session = session_of(TEXTS, **LABELS)
    session.next("ann", "one", 10)
    assert session.next("ann", "two", 1) == []
    later = time.monotonic() + session_module.LEASE + 1
    monkeypatch.setattr(session_module.time, "monotonic", lambda: later)
    assert rows(session.next("ann", "two", 1)) == ["r0"]


def test_two_annotators_share_the_work_unless_both_are_wanted(session_of):
    session = session_of(TEXTS, **LABELS)
    assert rows(session.next("ann", "one", 2)) == ["r0", "r1"]
    assert rows(session.next("ben", "two", 2)) == ["r2", "r3"]


def test_rows_that_another_has_begun_come_first_where_several_are_wanted(session_of):
    session = session_of(TEXTS, annotators=2, **LABELS)
    say(session, "r4", who="ben")
    say(session, "r7", who="ben")
    assert rows(session.next("ann", "one", 3)) == ["r4", "r7", "r0"]
    say(session, "r4")
    assert "r4" not in rows(session.next("eve", "three", 20))


def test_rows_that_were_passed_over_come_last_and_those_with_a_label_before_them(session_of):
    given = TEXTS | {"label": ["bad", None] * 5}
    session = session_of(given, **LABELS)
    say(session, "r1", None, kind="skip")
    assert rows(session.next("ann", "one", 20)) == ["r3", "r5", "r7", "r9", "r0", "r2", "r4", "r6", "r8", "r1"]
    assert session.item("r0", "ann")["given"] == "bad"


def test_a_row_on_which_somebody_settled_is_not_asked_for(session_of):
    session = session_of(TEXTS, **LABELS)
    say(session, "r0", "bad", who="eve", kind="final")
    assert "r0" not in rows(session.next("ann", "one", 20))


def test_a_label_that_another_window_gave_meanwhile_is_told_and_not_overwritten(session_of):
    session = session_of(TEXTS, **LABELS)
    shown = session.item("r0", "ann")
    there = say(session, "r0", "good", seen=shown["seen"], window="two")
    with pytest.raises(ConflictError) as caught:
        say(session, "r0", "bad", seen=shown["seen"])
    assert caught.value.event.value == "good"
    assert session.item("r0", "ann")["answer"] == "good"
    say(session, "r0", "bad", seen=there.number)
    assert session.item("r0", "ann")["answer"] == "bad"


def test_the_same_event_sent_twice_is_added_once(session_of):
    session = session_of(TEXTS, **LABELS)
    first = say(session, "r0", seen=0, token="token-1")
    again = say(session, "r0", seen=0, token="token-1")
    assert first.number == again.number
    session.undo("ann", "one", "token-2")
    with pytest.raises(AnswerError, match="undone already"):
        session.undo("ann", "one", "token-2")


def test_undo_takes_back_what_this_window_said_last(session_of):
    session = session_of(TEXTS, **LABELS)
    say(session, "r0")
    say(session, "r1", window="two")
    say(session, "r0", True, kind="flag")
    assert session.undo("ann", "one").kind == "flag"
    assert session.undo("ann", "one").row == "r0"
    assert session.item("r0", "ann")["answer"] is None
    with pytest.raises(AnswerError, match="nothing to undo in this window"):
        session.undo("ann", "one")
    assert session.item("r1", "ann")["answer"] == "good"


def test_what_is_no_answer_is_refused(session_of):
    session = session_of(TEXTS, **LABELS)
    with pytest.raises(AnswerError, match="'fine' is none of the labels good, bad"):
        say(session, "r0", "fine")
    with pytest.raises(AnswerError, match="no such row"):
        say(session, "r99")
    assert session.progress()["begun"] == 0


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([{"start": 1, "end": 3, "label": "PER"}], "from 1 to 3 there are no whole words"),
        ([{"start": 0, "end": 3, "label": "ORG"}], "'ORG' is none of the labels PER, LOC"),
        ([{"start": 0, "end": 9, "label": "PER"}, {"start": 4, "end": 9, "label": "LOC"}], "overlap"),
        ([{"start": 0, "end": 3, "label": "PER", "text": "Bob"}], "from 0 to 3 there is 'Ada', not 'Bob'"),
        ([[0, 3, "PER"]], "is no list of spans"),
        ("PER", "is no list of spans"),
    ],
)
def test_spans_that_are_none_are_refused(session_of, spans, message):
    session = session_of({"text": ["Ada spoke"]}, spans=["PER", "LOC"])
    with pytest.raises(AnswerError, match=message):
        say(session, "r0", spans)


@pytest.mark.parametrize(
    ("options", "wrong", "message"),
    [
        ({"number": {"from": 0, "to": 5}}, 2.5, "no whole number"),
        ({"number": {"from": 0, "to": 5}}, 6, "no number from 0 to 5"),
        ({"number": {"from": 0, "to": 5}}, True, "no number"),
        ({"number": {"from": 0.0, "to": 5.0}}, float("nan"), "no number"),
        ({"text": True}, " ", "the answer is empty"),
        ({"pair": ["one", "two"]}, "three", "none of the columns one and two"),
        ({"labels": ["a", "b"], "multiple": True}, ["c"], "'c' is none of the labels a, b"),
        ({"labels": ["a", "b"], "multiple": True}, "a", "no list of labels"),
    ],
)
def test_each_question_knows_its_answers(session_of, options, wrong, message):
    session = session_of({"one": ["x"], "two": ["y"]}, **options)
    with pytest.raises(AnswerError, match=message):
        say(session, "r0", wrong)


def test_rows_that_changed_are_found_again_by_what_they_show(session_of):
    before = session_of(TEXTS | {"number": list(range(10))}, show=["text"], **LABELS)
    say(before, "r3", "bad")
    say(before, "r4", "good", who="ben")
    again = session_of(TEXTS, prefix="s", show=["text"], **LABELS)
    assert again.found_again == 2
    assert again.item("s3", "ann")["answer"] == "bad"
    assert "s3" not in rows(again.next("ann", "one", 20))
    say(again, "s4", "good")
    assert again.progress()["annotators"] == {"ann": 2, "ben": 1}
    assert session_of(TEXTS, prefix="s", show=["text"], **LABELS).found_again == 0
    first = session_of(TEXTS, show=["text"], **LABELS)  # they have not been taken from where they were
    assert first.item("r3", "ann")["answer"] == "bad"


def test_long_values_are_cut_and_can_be_had_whole(session_of):
    long = "word " * 200_000
    session = session_of({"text": [long]}, **LABELS)
    (cell,) = session.next("ann", "one", 1)[0]["cells"]
    assert (len(cell["text"]), cell["length"], cell["cut"]) == (4000, 1_000_000, True)
    (cell,) = session.item("r0", "ann", None)["cells"]
    assert (cell["text"], cell["cut"]) == (long, False)


def test_long_texts_to_mark_are_cut_between_words(session_of):
    session = session_of({"text": ["word " * 2000]}, spans=["PER"])
    words = session.item("r0", "ann")["words"]
    assert words["words"][-1] == [" ", "word", 3995, 3999]
    assert words["cut"]
    assert not session.item("r0", "ann", None)["words"]["cut"]


def test_pairs_are_shown_in_an_order_that_does_not_depend_on_the_column(session_of):
    session = session_of({"one": ["x"] * 40, "two": ["y"] * 40}, pair=["one", "two"])
    first = [item["marked"][0]["name"] for item in session.next("ann", "one", 40)]
    assert 8 < first.count("one") < 32
    assert [session.item(f"r{n}", "ann")["marked"][0]["name"] for n in range(40)] == first


def test_progress_tells_what_there_is_and_where_annotators_disagree(session_of):
    session = session_of(TEXTS, annotators=2, enough=5, **LABELS)
    for row, (one, other) in {"r0": ("good", "good"), "r1": ("bad", "bad"), "r2": ("good", "bad")}.items():
        say(session, row, one)
        say(session, row, other, who="ben")
    say(session, "r3", True, kind="flag")
    progress = session.progress()
    assert {name: progress[name] for name in ("rows", "settled", "enough", "begun", "disputed", "flagged")} == {
        "rows": 10,
        "settled": 2,
        "enough": 5,
        "begun": 3,
        "disputed": 1,
        "flagged": 1,
    }
    assert progress["labels"] == {"good": 1, "bad": 1}
    assert session.agreement() == {
        "alpha": pytest.approx(1 - 5 * 2 / 18),
        "rows": 3,
        "pairs": [{"annotators": ["ann", "ben"], "rows": 3, "same": 2, "kappa": pytest.approx(0.4)}],
    }
    (dispute,) = session.disputes("eve")
    assert [(answer["annotator"], answer["value"]) for answer in dispute["answers"]] == [
        ("ann", "good"),
        ("ben", "bad"),
    ]
    say(session, "r2", "bad", who="eve", kind="final", seen=dispute["seen"])
    assert session.disputes("eve") == []
    assert session.progress()["settled"] == 3


def test_the_last_labels_can_be_looked_at(session_of):
    session = session_of(TEXTS, **LABELS)
    for row, value in (("r0", "good"), ("r1", "bad"), ("r0", "bad")):
        say(session, row, value)
    assert [(entry["row"], entry["value"], entry["text"]) for entry in session.history("ann")] == [
        ("r0", "bad", "text 0"),
        ("r1", "bad", "text 1"),
    ]


def test_threads_and_a_second_session_lose_nothing(session_of):
    columns = {"text": [f"text {number}" for number in range(60)]}
    sessions = [session_of(columns, **LABELS), session_of(columns, **LABELS)]

    def work(session, window):
        while found := session.next("ann", window, 2):
            for item in found:
                try:
                    say(session, item["row"], seen=item["seen"], window=window)
                except ConflictError:
                    conflicts.append(item["row"])

    conflicts: list[str] = []
    threads = [threading.Thread(target=work, args=(sessions[n % 2], f"window {n}")) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = sessions[0]._log.since(0)
    assert sorted(event.row for event in events) == sorted(f"r{number}" for number in range(60))
    assert all(session.next("ann", "last", 1) == [] for session in sessions)
