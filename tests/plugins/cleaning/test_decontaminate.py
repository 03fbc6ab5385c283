"""Dropping rows that share text with what a model is tested on."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import Columns, OptionError
from ladle_cleaning.contamination import Decontaminate

QUESTION = "Which of the two rivers that meet at Koblenz is the longer one by far?"
LONG = "I was asked: “which of the TWO rivers, that meet at Koblenz   is the longer — one by far” and did not know."


def decontaminate(**options) -> Decontaminate:
    return Decontaminate.model_validate(options)


def test_rows_that_share_a_run_of_words_with_the_test_split_go(rows, clean):
    texts = [LONG, "Which of the two rivers that meet at Koblenz is long?", QUESTION, None, "", QUESTION]
    splits = ["train", "train", "test", "train", "train", "validation"]
    done = clean(decontaminate(), rows({"text": texts}, splits=splits))
    assert list(done.kept) == ["r1", "r2", "r3", "r4"]
    run = "which of the two rivers that meet at koblenz is the longer one by"
    reason = "of `text` {} runs of 13 words are tested on, the first in row r2 of the test split: "
    assert {id_: tuple(reject)[:2] for id_, reject in done.rejects.items()} == {
        "r0": ("contaminated", reason.format("3 of its 10") + f'"{run[:59]}…"'),
        "r5": ("contaminated", reason.format("3 of its 3") + f'"{run[:59]}…"'),
    }
    assert done.rejects["r0"].stays == "r2"
    assert done.columns.written == set()


def test_rows_that_share_it_with_another_data_set_go(rows, clean):
    data = rows({"text": [LONG, "nothing of it", QUESTION]})
    bench = rows({"question": ["What else?", QUESTION], "id": [1, 2]}, splits=["train", "train"])
    cleaner = decontaminate(against=["bench"], against_column="question", shingle={"words": 5})
    cleaner.check_beside({"bench": Columns({"question": "text"})})
    done = clean(cleaner.with_beside({"bench": bench}), data)
    assert list(done.kept) == ["r1"]
    assert done.rejects["r2"].reason == (
        "of `text` 11 of its 11 runs of 5 words are tested on, the first in row r1 of `bench`: "
        '"which of the two rivers"'
    )
    longer = decontaminate(against=["bench"], against_column="question", share=0.9)
    assert list(clean(longer.with_beside({"bench": bench}), data).kept) == ["r0", "r1"]


def test_of_a_short_text_only_another_that_is_all_of_it_counts(rows, clean):
    data = rows(
        {"text": ["The capital!", "It is the capital", "capital", "the  capital"]}, splits=["train"] * 3 + ["test"]
    )
    assert list(clean(decontaminate(), data).rejects) == ["r0"]


def test_scripts_without_spaces_are_cut_into_characters(rows, clean):
    verse = "元始に神天地を創造たまへり地は定形なく曠空くして黑暗淵の面にあり"
    data = rows({"text": [f"彼は言った、「{verse[3:20]}」と。", "光あれ", verse]}, splits=["train", "train", "test"])
    done = clean(decontaminate(shingle={"characters": 15}), data)
    assert list(done.rejects) == ["r0"]
    assert done.rejects["r0"].reason.endswith(f'of the test split: "{verse[3:18]}"')
    assert not clean(decontaminate(shingle={"characters": 18}), data).rejects


def test_the_validation_split_may_be_tested_on_as_well(rows, clean):
    splits = ["train", "validation", "test"]
    data = rows({"text": [LONG, QUESTION, "another one"]}, splits=splits)
    assert list(clean(decontaminate(), data).rejects) == []
    assert list(clean(decontaminate(splits=["validation", "test"]), data).rejects) == ["r0"]


def test_of_several_rows_that_have_it_the_one_with_the_lowest_id_is_told(rows, clean):
    bench = {"text": ["something else", QUESTION, QUESTION]}
    told = set()
    for per_batch in (1, 3):
        others = {"bench": rows(bench, per_batch=per_batch)}
        done = clean(decontaminate(against=["bench"]).with_beside(others), rows({"text": [LONG]}))
        told.add(done.rejects["r0"].stays)
    assert told == {"r1"}


def test_rows_to_predict_all_stay(rows, clean):
    assert list(clean(decontaminate(against=["bench"]), rows({"text": [QUESTION]}, splits=["predict"])).kept) == ["r0"]


def test_there_has_to_be_something_to_share(rows):
    data = rows({"text": ["a", "b"]})
    with pytest.raises(OptionError, match="there is no text that a model is tested on") as caught:
        list(decontaminate().work(data))
    assert (caught.value.option, caught.value.help) == (
        "splits",
        "split the data set, or name another one in `against`",
    )


def test_columns_have_to_be_there_in_both():
    with pytest.raises(OptionError, match="column `n` holds integer, expected text"):
        decontaminate(column="n").columns_after(Columns({"n": "integer"}))
    with pytest.raises(OptionError, match="no column `text` at this point") as caught:
        decontaminate(against=["b"]).check_beside({"b": Columns({"question": "text"})})
    assert caught.value.option == "column"
    with pytest.raises(OptionError, match="no column `txt`") as caught:
        decontaminate(against=["b"], against_column="txt").check_beside({"b": Columns({"text": "text"})})
    assert (caught.value.option, caught.value.help) == ("against_column", "did you mean `text`?")


TABLES = """
[data.reviews.split]
column = "split"

[[data.reviews.clean]]
use = "decontaminate"
against = ["bench"]

[data.bench.source]
use = "lines"
path = "bench.jsonl"

[[data.bench.clean]]
use = "filter"
column = "text"
length = true
min = 20
"""


def test_a_recipe_names_the_data_sets(run_recipe, tmp_path):
    lines = [
        json.dumps({"text": t, "stars": "1", "split": s})
        for t, s in ((LONG, "train"), ("fine", "train"), ("x", "test"))
    ]
    bench = [json.dumps({"text": text, "stars": "1", "split": "test"}) for text in ("short", QUESTION, "fine")]
    (tmp_path / "bench.jsonl").write_text("\n".join(bench), encoding="utf-8")
    done = run_recipe(lines, TABLES)
    assert [row["text"] for row in done.kept("reviews.clean.1")] == ["fine", "x"]
    [reject] = done.rejects("reviews.clean.1")
    [asked] = [row["_id"] for row in done.kept("bench.clean.1")]
    assert (reject["rule"], reject["line"], reject["stays"]) == ("contaminated", 1, asked)
    assert f"in row {asked} of `bench`" in reject["reason"]


WORDS = st.lists(st.sampled_from(["a", "b", "c", "A,", "é", "-"]), max_size=7).map(" ".join)


def bare(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(WORDS, st.sampled_from(["train", "test"])), min_size=1, max_size=8),
    st.integers(1, 3),
    st.integers(1, 4),
    st.sampled_from([0, 0.5]),
)
def test_it_does_what_plain_python_does(rows, clean, table, size, per_batch, share):
    def runs(text):
        words = bare(text)
        return [tuple(words[at : at + size]) for at in range(max(len(words) - size + 1, bool(words)))]

    tested = {run for text, split in table if split == "test" for run in runs(text)}
    shared = [sum(run in tested for run in runs(text)) for text, _ in table]
    expected = [
        f"r{at}" for at, (text, split) in enumerate(table) if split == "train" and shared[at] > share * len(runs(text))
    ]
    texts, splits = zip(*table, strict=True)
    cleaner = decontaminate(shingle={"words": size}, share=share)
    if not tested:
        return
    done = clean(cleaner, rows({"text": texts}, splits=splits, per_batch=per_batch))
    assert list(done.rejects) == expected
    kept = [(row["text"], splits[int(id_[1:])]) for id_, row in done.kept.items()]
    again = rows({"text": [text for text, _ in kept]}, splits=[split for _, split in kept], per_batch=2)
    assert not clean(cleaner, again).rejects
