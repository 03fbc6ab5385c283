"""What labels by hand make of rows: columns of each kind, where they came from, which ones hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from ladle import OptionError
from ladle.rows import columns_of
from ladle_annotation.by_hand import ByHand
from ladle_annotation.log import Event, Log
from ladle_annotation.spans import words_of

AT = "2026-01-02T03:04:05Z"


@pytest.fixture
def labelled(tmp_path, rows_of):
    """The rows after labels were given: events are (row, annotator, value), or whole events."""

    def work(columns: dict[str, Any], said: list[Any], splits: Any = None, **options: Any) -> dict[str, list[Any]]:
        labeler = ByHand(file=tmp_path / "labels.sqlite", **{"enough": 0} | options)
        log = Log(labeler.file, labeler.into)
        with log.transaction():
            for event in said:
                log.add(event if isinstance(event, Event) else Event("label", *event, at=AT))
        log.close()
        rows = rows_of(columns, splits)
        done = pa.Table.from_batches(list(labeler.label_data(rows)))
        assert dict(columns_of(done.schema)) == dict(labeler.columns_after(columns_of(rows.schema)))
        return done.to_pydict()

    return work


TEXTS = {"text": [f"text {number}" for number in range(10)]}
LABELS = {"labels": ["good", "bad"]}


def test_rows_get_their_labels_and_where_these_came_from(labelled):
    done = labelled(TEXTS, [("r1", "ann", "good"), Event("label", "r8", "ben", "bad", AT, 0.5)], **LABELS)
    nothing = [None] * 6
    assert done["label"] == [None, "good", *nothing, "bad", None]
    assert done["label_origin"] == [None, "by-hand", *nothing, "by-hand", None]
    assert done["label_annotator"] == [None, "ann", *nothing, "ben", None]
    assert done["label_confidence"] == [None, None, *nothing, 0.5, None]
    assert done["label_time"][8] == datetime(2026, 1, 2, 3, 4, 5)


def test_a_label_that_a_row_has_brought_along_stays_where_nobody_gave_another(labelled):
    given = TEXTS | {"label": ["bad"] * 3 + [None] * 7, "label_origin": ["rule", None, "rule"] + [None] * 7}
    done = labelled(given, [("r0", "ann", "good"), ("r5", "ann", "good")], **LABELS)
    assert done["label"][:6] == ["good", "bad", "bad", None, None, "good"]
    assert done["label_origin"][:6] == ["by-hand", "given", "rule", None, None, "by-hand"]


def test_several_labels_are_a_list_and_none_is_one_too(labelled):
    said = [("r0", "ann", ["bad", "good"]), ("r1", "ann", [])]
    assert labelled(TEXTS, said, multiple=True, **LABELS)["label"][:3] == [["good", "bad"], [], None]


def test_numbers_are_numbers(labelled):
    said = [("r0", "ann", 3), ("r0", "ben", 4), ("r1", "ann", 5), ("r1", "ben", 5), ("r2", "ann", 1)]
    assert labelled(TEXTS, said, number={"from": 0, "to": 5}, annotators=2)["label"][:3] == [3.5, 5.0, None]


def test_the_better_answer_is_chosen_and_the_other_one_rejected(labelled):
    columns = {"one": ["a", "b", "c"], "two": ["x", "y", "z"]}
    done = labelled(columns, [("r0", "ann", "two"), ("r2", "ann", "one")], pair=["one", "two"])
    assert done["chosen"] == ["x", None, "c"]
    assert done["rejected"] == ["a", None, "z"]
    assert done["label"] == ["two", None, "one"]


def test_answers_can_be_conversations(labelled):
    def said(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

    columns = {"one": [said("a"), said("b")], "two": [said("x"), said("y")]}
    done = labelled(columns, [("r1", "ann", "two")], pair=["one", "two"])
    assert done["chosen"] == [None, said("y")]
    assert done["rejected"] == [None, said("b")]


def test_spans_are_tags_of_words(labelled):
    text = "Ada Lovelace (London) 👩‍🔬 spoke."
    spans = [
        {"start": 0, "end": 12, "label": "PER", "text": "Ada Lovelace"},
        {"start": 14, "end": 20, "label": "LOC", "text": "London"},
    ]
    done = labelled({"text": [text, "nobody", None]}, [("r0", "ann", spans), ("r1", "ann", [])], spans=["PER", "LOC"])
    assert done["tokens"][0] == ["Ada", "Lovelace", "(", "London", ")", "👩‍🔬", "spoke", "."]
    assert done["label"] == [["B-PER", "I-PER", "O", "B-LOC", "O", "O", "O", "O"], ["O"], None]
    assert done["tokens"][1:] == [["nobody"], None]


def test_spans_of_lists_of_words_are_tags_of_these(labelled):
    words = [["Ada", "", "spoke", None, "."], ["x"]]
    spans = [{"start": 0, "end": 4, "label": "PER", "text": "Ada "}]
    done = labelled({"words": words}, [("r0", "ann", spans)], spans=["PER"], column="words")
    assert done["label"] == [["B-PER", "I-PER", "O", "O", "O"], None]
    assert "tokens" not in done


def test_spans_of_a_text_that_is_another_now_do_not_count(labelled):
    spans = [{"start": 0, "end": 3, "label": "PER", "text": "Ada"}]
    said = [(row, "ann", spans) for row in ("r0", "r1")]
    with pytest.warns(UserWarning, match="1 of 2 labels .* are of rows that are not here, or are others now"):
        done = labelled({"text": ["Ada spoke", "Bob spoke"]}, said, spans=["PER"])
    assert done["label"] == [["B-PER", "O"], None]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's a U.S. e-mail: a@b.org, $5!", ["It's", "a", "U.S", ".", "e-mail", ":", "a@b.org", ",", "$", "5", "!"]),
        ("#tag @name", ["#tag", "@name"]),
        ("東京に、行く", ["東", "京", "に", "、", "行", "く"]),
        ("שלום, עולם", ["שלום", ",", "עולם"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        (" \n\t", []),
        ("...", [".", ".", "."]),
    ],
)
def test_words_are_apart_from_the_punctuation_around_them(text, words):
    assert words_of(text).texts == words


def test_labels_hold_once_as_many_as_are_wanted_have_said_the_same(labelled):
    said = [(f"r{row}", who, what) for row, what in ((0, "good"), (1, "bad")) for who in ("ann", "ben")]
    said += [("r2", "ann", "good"), ("r2", "ben", "bad"), ("r3", "ann", "good")]
    done = labelled(TEXTS, said, annotators=2, **LABELS)
    assert done["label"][:5] == ["good", "bad", None, None, None]
    assert done["label_annotator"][:2] == ["ann, ben", "ann, ben"]


def test_the_majority_makes_a_label_unless_all_have_to_agree(labelled):
    said = [("r0", who, what) for who, what in (("ann", "good"), ("ben", "bad"), ("eve", "good"))]
    done = labelled(TEXTS, said, annotators=3, **LABELS)
    assert (done["label"][0], done["label_confidence"][0]) == ("good", 0.6667)
    assert labelled(TEXTS, [], annotators=3, settle="unanimous", **LABELS)["label"][0] is None


def test_of_sets_each_item_is_voted_on(labelled):
    said = [("r0", "ann", ["a", "b"]), ("r0", "ben", ["b", "c"]), ("r0", "eve", ["b", "a"])]
    said += [("r1", "ann", ["a"]), ("r1", "ben", []), ("r1", "eve", ["b"])]
    options = {"labels": ["a", "b", "c"], "multiple": True}
    assert labelled(TEXTS, said, annotators=3, **options)["label"][:2] == [["a", "b"], []]
    assert labelled(TEXTS, [("r2", "ann", ["a"]), ("r2", "ben", ["b"])], annotators=2, **options)["label"][2] is None


def test_what_somebody_settled_on_goes_before_all_else(labelled):
    said = [("r0", "ann", "good"), ("r0", "ben", "good"), Event("final", "r0", "eve", "bad", AT)]
    done = labelled(TEXTS, said, annotators=2, **LABELS)
    assert (done["label"][0], done["label_annotator"][0], done["label_confidence"][0]) == ("bad", "eve", None)
    assert labelled(TEXTS, [Event("final", "r0", "eve", None, AT)], annotators=2, **LABELS)["label"][0] == "good"


def test_labels_that_are_no_answers_any_more_do_not_count(labelled):
    done = labelled(TEXTS, [("r0", "ann", "fine"), ("r1", "ann", "good")], **LABELS)
    assert done["label"][:2] == [None, "good"]


def test_too_few_labels_stop_the_run(labelled):
    with pytest.raises(OptionError) as caught:
        labelled(TEXTS, [("r0", "ann", "good")], enough=3, **LABELS)
    assert str(caught.value) == "1 row has a label in `label`, 3 are needed"
    assert caught.value.option == "enough"
    assert caught.value.help == "label rows, then run again: ladle label RECIPE"


def test_more_labels_than_rows_are_never_enough(labelled):
    with pytest.raises(
        OptionError, match="no row has a label in `label`, 30 are needed, and there are no more than 10"
    ):
        labelled(TEXTS, [], enough=30, **LABELS)


def test_rows_to_predict_need_no_labels(labelled):
    assert labelled(TEXTS, [], ["predict"] * 10, enough=3, **LABELS)["label"] == [None] * 10


def test_labels_of_rows_that_are_gone_are_told(labelled):
    with pytest.warns(UserWarning, match="1 of 2 labels in `label` are of rows that are not here, or are others now"):
        labelled(TEXTS, [("r0", "ann", "good"), ("gone", "ann", "bad")], **LABELS)


def test_a_label_that_was_undone_is_none(labelled):
    said = [("r0", "ann", "good"), ("r0", "ann", "bad"), Event("undo", "r0", "ann", undoes=2)]
    assert labelled(TEXTS, said, **LABELS)["label"][0] == "good"


def test_the_version_of_the_labels_is_another_when_labels_are_and_only_then(tmp_path):
    labeler = ByHand(file=tmp_path / "labels.sqlite", annotators=2, **LABELS)
    nothing = labeler.version_of_data()
    log = Log(labeler.file, "label")

    def after(*events: Event) -> Any:
        with log.transaction():
            for event in events:
                log.add(event)
        return labeler.version_of_data()

    assert after() == nothing
    assert (
        after(Event("skip", "r1", "ann"), Event("note", "r1", "ann", "odd"), Event("flag", "r1", "ann", True))
        == nothing
    )
    assert after(Event("label", "r1", "ann", "good")) == nothing  # two are wanted
    labelled = after(Event("label", "r1", "ben", "good"))
    assert labelled != nothing
    assert after(Event("note", "r1", "ben", "sure"), Event("label", "r2", "ben", "good")) == labelled
    assert after(Event("undo", "r1", "ben", undoes=5)) == nothing
    settled = after(Event("final", "r1", "eve", "bad"))
    assert settled not in (nothing, labelled)
    assert after(Event("same", "r9", "", "r1")) != settled
    other = Log(labeler.file, "other")
    before = labeler.version_of_data()
    with other.transaction():
        other.add(Event("label", "r1", "ann", "good"))
    assert labeler.version_of_data() == before
    log.close()
    other.close()
