"""Putting wrong values right."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import Columns, OptionError, Sample
from ladle_cleaning.correcting import Correct


def correct(folder=None, **options) -> Correct:
    return Correct.model_validate({"columns": ["x"]} | options, context={"folder": folder})


def reasons(done) -> dict[str, tuple[str, str]]:
    return {id_: (reject.rule, reject.reason) for id_, reject in done.rejects.items()}


CITIES = ["New York", "Boston", "Austin", "Houston"]


def test_a_table_tells_what_is_wrong(rows, clean):
    data = rows({"x": ["NYC", " nyc", "NYC!", "new  york", None], "y": ["NYC"] * 5})
    done = clean(correct(table={"NYC": "New York", "": "none"}), data)
    assert done.values("x") == ["New York", "New York", "NYC!", "New York", None]
    assert done.values("y") == ["NYC"] * 5
    assert done.columns.written == {"x"}


def test_beside_a_table_nothing_is_wrong_unless_the_recipe_says_so(rows, clean):
    data = rows({"x": ["NYC", "New York", "Oslo"]})
    done = clean(correct(table={"NYC": "New York"}, otherwise="reject"), data)
    assert done.values("x") == ["New York", "New York"]
    assert reasons(done) == {"r2": ("unknown", '`x` is "Oslo", which is near nothing that is right')}
    assert clean(correct(table={"NYC": "New York"}, otherwise="null"), data).values("x")[2] is None


def test_a_vocabulary_tells_what_is_right(rows, clean):
    texts = ["Boston", "boston ", "Bostn", "Nwe York", "Neww Yorck", "Xyz", "austonn", None]
    done = clean(correct(vocabulary=CITIES), rows({"x": texts}))
    assert done.values("x") == ["Boston", "Boston", "Boston", "New York", "New York", None]  # 0.8 is enough
    assert reasons(done) == {
        "r5": ("unknown", '`x` is "Xyz", which is near nothing that is right'),
        "r6": ("unknown", '`x` is "austonn", which is near nothing that is right'),
    }
    assert clean(correct(vocabulary=CITIES, otherwise="keep"), rows({"x": texts})).values("x")[5] == "Xyz"


def test_what_could_as_well_be_another_word_is_not_guessed(rows, clean):
    done = clean(correct(vocabulary=["Turin", "Tunis"]), rows({"x": ["Turn", "Tunin"]}))
    assert done.values("x") == ["Turin"]
    assert reasons(done) == {"r1": ("ambiguous", '`x` is "Tunin", which could be "Turin" or "Tunis"')}
    same = correct(vocabulary=["May", "may"], otherwise="null")
    assert clean(same, rows({"x": ["May", "may", "MAY"]})).values("x") == ["May", "may", None]


def test_table_and_vocabulary_go_together(rows, clean):
    cleaner = correct(table={"the Hub": "Boston"}, vocabulary=["New York", "the hub"])
    assert clean(cleaner, rows({"x": ["THE HUB", "Boston", "new yorj"]})).values("x") == [
        "Boston",
        "Boston",
        "New York",
    ]


def test_frequent_texts_of_the_train_split_are_right(rows, clean):
    texts = ["Rome"] * 3 + ["Roma", "Oslo", "Oslo", "Olso", "Paris", "Paris"]
    splits = ["train"] * 7 + ["test"] * 2
    data = rows({"x": texts, "y": ["Rome"] * 9}, splits=splits)
    cleaner = correct(frequent=2, similarity=0.7, columns=["x", "y"])
    assert cleaner.fit(data.of_split("train")) == {
        "table": [],
        "words": [],
        "frequent": {"x": ["Oslo", "Rome"], "y": ["Rome"]},
    }
    done = clean(cleaner, data)
    assert done.values("x") == ["Rome"] * 4 + ["Oslo"] * 3
    assert list(done.rejects) == ["r7", "r8"]


def test_what_a_table_calls_wrong_is_not_right_however_frequent(rows, clean):
    data = rows({"x": ["NYC", "NYC", "NYCC", "New York"]})
    cleaner = correct(frequent=2, table={"NYC": "New York"}, similarity=0.7, otherwise="keep")
    assert clean(cleaner, data).values("x") == ["New York", "New York", "NYCC", "New York"]


def test_files_may_hold_table_and_vocabulary(rows, clean, tmp_path):
    (tmp_path / "wrong.csv").write_text('wrong,note,right\n"NYC",city,"New York"\nthe Hub,,Boston\n', "utf-8")
    (tmp_path / "right.txt").write_text("\ufeffNew York\n\n  Austin \n", "utf-8")
    cleaner = correct(table_file="wrong.csv", vocabulary_file="right.txt", folder=tmp_path)
    assert [path.name for path in cleaner.files()] == ["wrong.csv", "right.txt"]
    data = rows({"x": ["nyc", "Asutin", "The Hub"]})
    assert clean(cleaner, data).values("x") == ["New York", "Austin", "Boston"]
    state = json.loads(json.dumps(cleaner.fit(data)))
    locked = cleaner.model_dump_json(by_alias=True)
    for path in cleaner.files():
        path.unlink()
    used_later = Correct.model_validate_json(locked, context={"learnt": True})
    assert clean_with(used_later, state, data) == ["New York", "Austin", "Boston"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("bad,good\na,b\n", "table.csv has no columns `wrong` and `right`, or no rows"),
        ("", "table.csv has no columns `wrong` and `right`, or no rows"),
        ("wrong,right\na,b\nc\n", "row 2 of table.csv does not say what is meant"),
        ("wrong,right\na,b\nA ,c\n", '"A " means both "b" and "c"'),
        ("wrong,right\na,b\nb,c\n", '"a" means "b", which is wrong itself and means "c"'),
        (b"wrong,right\n\xe9,b\n", "table.csv is no text: 'utf-8' codec can't decode byte 0xe9 in position 12"),
    ],
)
def test_a_file_that_is_no_table_is_refused(refused, tmp_path, content, message):
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    error = refused(Correct, columns=["x"], table_file=str(path))
    assert str(error).startswith(message)
    assert error.option == "table_file"


def test_numbers_have_a_range(rows, clean):
    data = rows({"x": [-1, 0, 120, 121, None], "y": [0.5, math.nan, -0.25, 7.0, None]})
    done = clean(correct(min=0, max=120), data)
    assert done.values("x") == [0, 120, None]
    assert reasons(done) == {
        "r0": ("min", "`x` is -1, less than min = 0"),
        "r3": ("max", "`x` is 121, more than max = 120"),
    }
    assert clean(correct(min=0, max=120, otherwise="null"), data).values("x") == [None, 0, 120, None, None]
    assert clean(correct(min=0.5, max=119.5, otherwise="clip"), data).values("x") == [1, 1, 119, 119, None]
    clipped = clean(correct(columns=["x", "y"], min=0.25, otherwise="clip"), data)
    assert repr(clipped.values("y")) == "[0.5, nan, 0.25, 7.0, None]"
    assert clipped.values("x") == [1, 1, 120, 121, None]


@pytest.mark.parametrize(
    ("column", "clipped"),
    [
        (pa.array([Decimal("1.50"), Decimal("9.00")], pa.decimal128(6, 2)), [Decimal("2.00"), Decimal("5.00")]),
        (pa.array([0, 200], pa.uint8()), [2, 5]),
        (pa.array([0.5, 7.5], pa.float32()), [2.0, 5.0]),
        (pa.array([1, 9]).dictionary_encode(), [2, 5]),
        (pa.nulls(2), [None, None]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_numbers_of_every_type_can_be_clipped(rows, clean, column, clipped):
    (done,) = correct(min=2, max=5, otherwise="clip").work(rows({"x": column}))
    assert (done.batch["x"].to_pylist(), done.rejects) == (clipped, {})


def test_a_bound_that_the_column_has_no_place_for_is_an_error(rows, clean):
    with pytest.raises(OptionError, match="column `x` holds int8, which has no place for the bounds of the range"):
        clean(correct(min=300, otherwise="clip"), rows({"x": pa.array([1], pa.int8())}))


@pytest.mark.parametrize(
    ("options", "message", "option"),
    [
        ({}, "nothing tells what is right", "columns"),
        ({"min": 1, "vocabulary": ["a"]}, "texts and numbers are corrected apart", "columns"),
        ({"min": 3, "max": 1.5}, "no number is at least 3 and at most 1.5", "min"),
        ({"table": {"a": "b"}, "otherwise": "clip"}, "a text has no nearest one in a range", "otherwise"),
        ({"min": 1, "otherwise": "keep"}, "then nothing would be corrected", "otherwise"),
        ({"table": {"a": "b", "A": "c"}}, '"A" means both "b" and "c"', "table"),
        ({"table": {"a": "b", "b": "a"}}, '"a" means "b", which is wrong itself and means "a"', "table"),
    ],
)
def test_options_that_contradict_each_other_are_refused(refused, options, message, option):
    error = refused(Correct, columns=["x"], **options)
    assert (str(error), error.option) == (message, option)


@pytest.mark.parametrize(
    ("options", "type_", "message", "option"),
    [
        ({"vocabulary": ["a"]}, "integer", "column `x` holds integer, expected text", "columns"),
        ({"min": 1}, "text", "column `x` holds text, expected integer or number", "columns"),
        ({"min": 0.25, "max": 0.75}, "integer", "there is no whole number from 0.25 to 0.75", "min"),
    ],
)
def test_columns_have_to_fit(options, type_, message, option):
    with pytest.raises(OptionError) as caught:
        correct(**options).columns_after(Columns({"x": type_}))
    assert (str(caught.value), caught.value.option) == (message, option)


def test_the_first_rows_show_a_word_that_the_vocabulary_lacks():
    sample = Sample([{"x": text} for text in ["Austria"] * 6 + ["Ausrtia", "australia"]])
    cleaner = correct(vocabulary=["Australia"], similarity=0.7)
    assert [(str(doubt), doubt.option, doubt.help) for doubt in cleaner.doubts(sample)] == [
        (
            'the first 8 rows have "Austria" for `x` 6 times, which becomes "Australia"',
            "vocabulary",
            'add "Austria" if it is right, or raise `similarity`',
        )
    ]
    assert not list(correct(vocabulary=["Australia", "Austria"], similarity=0.7).doubts(sample))


LETTERS = st.text("abAB ", max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.none(), LETTERS), min_size=1, max_size=8),
    st.dictionaries(LETTERS, LETTERS, max_size=3),
    st.lists(LETTERS, max_size=3),
    st.sampled_from([None, 2]),
    st.sampled_from([None, "reject", "null", "keep"]),
    st.integers(1, 4),
    st.randoms(),
)
def test_done_twice_nothing_more_changes_and_the_order_counts_for_nothing(
    rows, clean, texts, table, words, frequent, otherwise, per_batch, random
):
    options = {"table": table, "vocabulary": words, "frequent": frequent, "otherwise": otherwise, "similarity": 0.5}
    try:
        cleaner = correct(**options)
    except ValueError:
        return  # nothing to do, or a table that contradicts itself
    data = rows({"x": texts}, {"x": "text"}, per_batch=per_batch)
    state = cleaner.fit(data)
    once = clean_with(cleaner, state, data)
    assert len(once) == len(texts)
    kept = [text for text in once if text != "rejected"]
    if kept:
        assert clean_with(cleaner, state, rows({"x": kept}, {"x": "text"})) == kept
    order = list(range(len(texts)))
    random.shuffle(order)
    shuffled = rows({"x": [texts[at] for at in order]}, {"x": "text"}, per_batch=per_batch + 1)
    assert clean_with(cleaner, state, shuffled) == [once[at] for at in order]


def clean_with(cleaner, state, data) -> list:
    done = []
    for cleaned in cleaner.with_state(state).work(data):
        texts = cleaned.batch["x"].to_pylist()
        done += ["rejected" if at in cleaned.rejects else text for at, text in enumerate(texts)]
    return done
