from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ladle import Columns, OptionError
from ladle_labelling.keywords import Keywords


def keywords(*rules: dict, **options) -> Keywords:
    return Keywords.model_validate({"rules": list(rules), **options})


REFUND = {"label": "refund", "any": ["money back", "refund"]}
PRAISE = {"label": "praise", "any": ["great", "thanks"]}


def test_a_word_or_phrase_gives_the_label_of_its_rule(label):
    texts = ["I want my money back.", "Great work", "Refund? No, thanks!", "", "nothing", None]
    found = label(keywords(REFUND, PRAISE), text=texts)
    assert found == ["refund", "praise", None, None, None, None]  # two labels of one priority: none is given


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("refund", True),
        ("REFUND!", True),
        ("a refund, please", True),
        ("refunds", False),
        ("prerefund", False),
        ("money\n  back", True),
        ("moneyback", False),
        ("größe", True),
        ("größer", False),
        ("«größe»", True),
        ("एक हिन्दी फिल्म", True),
        ("हिन्दी। ", True),
        ("हिन्दीभाषी", False),
        ("हिन", True),
        ("हिना", False),  # a vowel sign goes on with the word
        ("cafe", True),
        ("cafe\u0301", False),
        ("e\u0301cafe", False),
        ("\u0301cafe", False),
        ("\U0001e944cafe", False),
        ("→ cafe", True),
        ("→cafe", True),
    ],
)
def test_words_are_whole_words_in_any_alphabet(label, text, found):
    labeler = keywords({"label": "yes", "any": ["refund", "money back", "größe", "हिन", "हिन्दी", "cafe"]})
    assert label(labeler, text=[text]) == ["yes" if found else None]


def test_case_counts_where_it_is_asked_for(label):
    assert label(keywords({"label": "land", "any": ["US"]}, ignore_case=False), text=["the US", "tell us"]) == [
        "land",
        None,
    ]
    assert label(keywords({"label": "land", "any": ["US"]}), text=["tell us"]) == ["land"]


def test_a_pattern_is_searched_as_it_is_written(label):
    labeler = keywords({"label": "code", "pattern": r"[A-Z]{2}\d+"}, {"label": "any", "pattern": "(?i)x[0-9]"})
    assert label(labeler, text=["see AB12", "see ab12", "X9", "-"]) == ["code", None, "any", None]


def test_the_highest_priority_decides(label):
    urgent = {"label": "urgent", "any": ["now"], "priority": 5}
    assert label(keywords(REFUND, urgent), text=["refund now", "refund", "now"]) == ["urgent", "refund", "urgent"]


def test_a_conflict_gives_no_label_unless_the_first_rule_decides(label):
    both = ["great, a refund"]
    assert label(keywords(PRAISE, REFUND), text=both) == [None]
    assert label(keywords(PRAISE, REFUND, on_conflict="first"), text=both) == ["praise"]
    assert label(keywords(REFUND, {"label": "refund", "any": ["great"]}), text=both) == ["refund"]  # no conflict


def test_a_conflict_is_not_passed_on_to_lower_priorities_nor_to_the_default(label):
    low = {"label": "low", "any": ["great"], "priority": -1}
    assert label(keywords(PRAISE, REFUND, low, default="other"), text=["great refund"]) == [None]


def test_the_default_is_for_texts_without_a_match_but_not_for_rows_without_a_text(label):
    assert label(keywords(REFUND, default="other"), text=["refund", "hello", None]) == ["refund", "other", None]


def test_labels_that_are_there_stay_unless_they_are_overwritten(label):
    given_columns = {"text": ["refund", "refund", "hello"], "label": ["mine", None, "mine"]}
    assert label(keywords(REFUND), **given_columns) == ["mine", "refund", "mine"]
    assert label(keywords(REFUND, overwrite=True), **given_columns) == ["refund", "refund", None]


@pytest.mark.parametrize("type_", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_texts_and_labels_may_be_of_other_arrow_types(label, type_):
    columns = {"text": ["refund", "refund", None], "label": ["mine", None, None]}
    typed = {name: pa.array(values).cast(type_) for name, values in columns.items()}
    assert label(keywords(REFUND), **typed) == ["mine", "refund", None]


def test_columns_without_any_value_give_no_label_but_take_one(label):
    assert label(keywords(REFUND, default="other"), text=pa.nulls(2)) == [None, None]
    assert label(keywords(REFUND), text=["refund"], label=pa.nulls(1)) == ["refund"]
    assert label(keywords(REFUND), text=pa.array([], pa.string())) == []


def test_other_columns_may_be_read_and_written(label):
    assert label(keywords(REFUND, column="body", into="topic"), body=["refund"]) == ["refund"]


@given(
    words=st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6), min_size=1, max_size=4),
    text=st.text(st.sampled_from("abAB .,é1_-\n"), max_size=40),
)
def test_a_word_is_found_just_where_it_stands_alone(words, text):
    [found] = keywords({"label": "yes", "any": words}, ignore_case=False).labels(pa.array([text])).to_pylist()
    pieces = re.split(r"\W+", text)
    assert (found == "yes") == any(word in pieces for word in words)


@pytest.mark.parametrize(
    ("rule", "message", "help"),
    [
        ({"label": "a"}, "the rule for `a` needs either words or a pattern", 'write any = ["refund"'),
        ({"label": "a", "any": ["x"], "pattern": "x"}, "needs either words or a pattern", "write any"),
        ({"label": "a", "any": ["x", " "]}, "the rule for `a` has an empty word, which every text holds", ""),
        ({"label": "a", "pattern": "("}, 'the rule for `a` has the pattern "(", which is no regular', "single quotes"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule, message, help):
    with pytest.raises(ValidationError) as caught:
        keywords(rule)
    error = caught.value.errors()[0]["ctx"]["error"]
    assert isinstance(error, OptionError)
    assert message in str(error)
    assert help in error.help


def test_the_column_has_to_hold_texts_and_the_labels_too():
    with pytest.raises(OptionError, match="column `text` holds number, expected text"):
        keywords(REFUND).columns_after(Columns({"text": "number"}))
    with pytest.raises(OptionError, match="column `label` holds integer, expected text") as caught:
        keywords(REFUND).columns_after(Columns({"text": "text", "label": "integer"}))
    assert caught.value.option == "into"
    assert dict(keywords(REFUND, overwrite=True).columns_after(Columns({"text": "text", "label": "integer"}))) == {
        "text": "text",
        "label": "text",
    }


def test_in_a_recipe_every_row_stays_and_labels_are_counted(run_recipe):
    rules = '[[data.rows.label]]\nuse = "keywords"\nrules = [{ label = "refund", any = ["refund"] }]\n'
    done = run_recipe("text\nrefund me\nhello\nno refund\n", rules)
    [stage] = [stage for stage in done.outcome["stages"] if stage["kind"] == "label"]
    assert (stage["rows_in"], stage["rows_out"], stage["rejects"]) == (3, 3, 0)
    assert "(none)" in done.report.read_text()
