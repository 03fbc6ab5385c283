"""Dropping near duplicates among texts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ladle import Columns, OptionError, Sample
from ladle_cleaning import near_texts
from ladle_cleaning.duplicates import Deduplicate


def near(**options) -> Deduplicate:
    return Deduplicate.model_validate({"columns": ["text"], "near": 0.8} | options)


def words(count: int, seed: int = 0) -> list[str]:
    chosen = random.Random(seed)
    return [f"w{chosen.randrange(10**6)}" for _ in range(count)]


def shingles(text: str, length: int = 5) -> set[tuple[str, ...]]:
    units = text.split()
    return {tuple(units[at : at + length]) for at in range(max(len(units) - length + 1, min(len(units), 1)))}


def jaccard(one: set, other: set) -> float:
    return len(one & other) / len(one | other) if one or other else 0.0


LONG = words(100)
TEXT = " ".join(LONG)
ONE_OTHER = " ".join([*LONG[:50], "other", *LONG[51:]])  # 91 of 101 shingles are shared
HALF = " ".join([*LONG[:50], *words(50, seed=1)])


def test_a_text_with_one_other_word_is_a_near_duplicate(rows, clean):
    done = clean(near(), rows({"text": [TEXT, "quite another text", ONE_OTHER, HALF]}))
    assert list(done.kept) == ["r0", "r1", "r3"]
    reject = done.rejects["r2"]
    assert (reject.rule, reject.stays) == ("near-duplicate", "r0")
    assert reject.reason == "similarity 0.90 in `text` to row r0"


def test_a_pair_is_near_if_it_is_just_as_alike_as_asked_for(rows, clean):
    data = rows({"text": [TEXT, ONE_OTHER]})
    similarity = jaccard(shingles(TEXT), shingles(ONE_OTHER))
    assert len(clean(near(near=similarity), data).kept) == 1
    assert len(clean(near(near=similarity + 1e-9), data).kept) == 2


def test_equal_texts_are_duplicates_as_ever(rows, clean):
    done = clean(near(), rows({"text": ["short", TEXT, "short", None, None, "", TEXT]}))
    assert {id_: (reject.rule, reject.stays) for id_, reject in done.rejects.items()} == {
        "r2": ("duplicate", "r0"),
        "r4": ("duplicate", "r3"),
        "r6": ("duplicate", "r1"),
    }


def test_texts_without_a_word_are_near_to_none(rows, clean):
    assert len(clean(near(), rows({"text": ["", " ", "\n", "\u3000", None]})).kept) == 5
    assert not clean(near(), rows({"text": []}, {"text": "text"})).kept


def test_white_space_between_words_does_not_count(rows, clean):
    spaced = TEXT.replace(" ", "\u00a0\u2028 \t\u3000")
    done = clean(near(near=1.0), rows({"text": [TEXT, f" {spaced}\u205f"]}))
    assert done.rejects["r1"].reason == "similarity 1.00 in `text` to row r0"


def test_a_cluster_holds_together_through_rows_between(rows, clean):
    far = " ".join([*LONG[:30], "one", *LONG[31:70], "two", *LONG[71:]])
    between = " ".join([*LONG[:30], "one", *LONG[31:]])
    limit = jaccard(shingles(TEXT), shingles(between)) - 0.02
    done = clean(near(near=limit), rows({"text": [TEXT, far, between]}))
    assert list(done.kept) == ["r0"]
    assert done.rejects["r1"].reason.startswith("similarity 0.81 in `text` to row r0, through rows between them")
    assert done.rejects["r2"].reason == "similarity 0.90 in `text` to row r0"


def test_case_counts_unless_told_otherwise(rows, clean):
    data = rows({"text": [TEXT, ONE_OTHER.upper()]})
    assert len(clean(near(), data).kept) == 2
    assert len(clean(near(ignore_case=True), data).kept) == 1


def test_several_columns_are_compared_as_one_text(rows, clean):
    data = rows(
        {"name": ["anna", "ana", "anna"], "street": ["long lane", "long lane", "elm road"], "number": [5, 5, 77]}
    )
    cleaner = near(columns=["name", "street", "number"], near=0.6, shingle={"characters": 2})
    done = clean(cleaner, data)
    assert list(done.kept) == ["r0", "r2"]
    one, other = (
        {text[at : at + 2] for at in range(len(text) - 1)} for text in ("anna long lane 5", "ana long lane 5")
    )
    assert done.rejects["r1"].reason == (
        f"similarity {jaccard(one, other):.2f} in `name`, `street`, `number` to row r0"
    )


def test_scripts_without_spaces_are_compared_by_characters(rows, clean):
    data = rows(
        {"text": ["元始に神天地を創造たまへり", "元始に神天地を創造たまへる", "光あれと言たまひければ光ありき"]}
    )
    assert len(clean(near(near=0.7), data).kept) == 3
    assert list(clean(near(near=0.7, shingle={"characters": 2}), data).kept) == ["r0", "r2"]


def variants(count: int = 3) -> list[str]:
    return [
        " ".join([*LONG[: 10 * at], f"other{at}", *LONG[10 * at + 1 :]]) + " more" * at for at in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("keep", "stays"),
    [("lowest-id", "r0"), ("first", "r0"), ("last", "r2"), ("longest", "r2"), ({"best": "score"}, "r1")],
)
def test_the_row_stays_that_is_asked_for(rows, clean, keep, stays):
    data = rows({"text": variants(), "score": [1.5, 2.5, None]})
    done = clean(near(keep=keep, near=0.6), data)
    assert list(done.kept) == [stays]
    assert {reject.stays for reject in done.rejects.values()} == {stays}


def test_a_value_that_is_no_number_is_the_worst_and_ties_go_to_the_lowest_id(rows, clean):
    data = rows({"text": [TEXT] * 4, "score": [float("nan"), 2.0, None, 2.0]})
    assert list(clean(near(keep={"best": "score"}), data).kept) == ["r1"]


@pytest.mark.parametrize("keep", ["lowest-id", "first", "last", "longest"])
@pytest.mark.parametrize("exact", [True, False])
def test_of_duplicates_in_two_splits_the_training_row_goes(rows, clean, keep, exact):
    texts = [TEXT] * 3 if exact else variants()
    cleaner = Deduplicate(columns=["text"], keep=keep, **({} if exact else {"near": 0.6}))
    for splits, stays in [
        (["train", "test", "validation"], "r1"),
        (["validation", "train", "train"], "r0"),
        (["train", "validation", "train"], "r1"),
    ]:
        assert list(clean(cleaner, rows({"text": texts}, splits=splits)).kept) == [stays]


def planted(seed: int, count: int = 250) -> tuple[list[str], list[tuple[int, int, float]]]:
    """Texts, half of them edited copies of others; and the pairs of these with their similarity."""
    chosen = random.Random(seed)
    texts, pairs = [], []
    for _ in range(count):
        text = words(chosen.randrange(20, 200), seed=chosen.random())
        rate = chosen.uniform(0, 0.03)
        edited = [word if chosen.random() > rate else chosen.choice(LONG) for word in text]
        texts += [" ".join(text), " ".join(edited[: chosen.randrange(len(edited) * 9 // 10, len(edited) + 1)])]
        pairs.append((len(texts) - 2, len(texts) - 1, jaccard(shingles(texts[-2]), shingles(texts[-1]))))
    return texts, pairs


def test_planted_copies_are_found_and_nothing_else(rows, clean):
    texts, pairs = planted(seed=3, count=1000)
    rejects = clean(near(), rows({"text": texts}, per_batch=300)).rejects
    near_ones = {(one, other): similarity for one, other, similarity in pairs if similarity >= 0.8}
    dropped = {(int(reject.stays[1:]), int(id_[1:])) for id_, reject in rejects.items()}
    dropped = {(min(pair), max(pair)) for pair in dropped}
    assert len(near_ones) > 300
    assert dropped <= set(near_ones)
    hard = [pair for pair, similarity in near_ones.items() if similarity < 0.9]
    assert len(hard) > 100
    assert sum(pair in dropped for pair in hard) >= 0.98 * len(hard)
    for id_, reject in rejects.items():
        if reject.rule == "near-duplicate":
            pair = sorted([int(id_[1:]), int(reject.stays[1:])])
            assert f"similarity {near_ones[tuple(pair)]:.2f} " in reject.reason


WORDS = st.lists(st.sampled_from("abcdefgh"), min_size=0, max_size=12).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(WORDS, min_size=1, max_size=25),
    st.randoms(),
    st.integers(1, 7),
    st.sampled_from([0.5, 0.8]),
    st.booleans(),
)
def test_neither_order_nor_batches_change_what_stays(rows, clean, texts, chosen, per_batch, limit, is_short):
    cleaner = near(near=limit, shingle={"words": 1 if is_short else 2}, keep={"best": "rank"})
    ranks = list(range(len(texts)))
    done = clean(cleaner, rows({"text": texts, "rank": ranks}))
    assert len(done.kept) + len(done.rejects) == len(texts)
    kept = done.values("rank")

    chosen.shuffle(ranks)
    shuffled = {"text": [texts[rank] for rank in ranks], "rank": ranks}
    assert sorted(clean(cleaner, rows(shuffled, per_batch=per_batch)).values("rank")) == kept

    sets = [shingles(text, 1 if is_short else 2) for text in texts]
    near_ones = [
        (one, other)
        for one in range(len(texts))
        for other in range(one)
        if texts[one] == texts[other] or jaccard(sets[one], sets[other]) >= limit
    ]
    clusters = together(len(texts), near_ones)
    for id_, reject in done.rejects.items():
        assert clusters[int(id_[1:])] is clusters[int(reject.stays[1:])]

    left = {"text": [texts[rank] for rank in kept], "rank": kept}
    assert not clean(cleaner, rows(left)).rejects


def together(count: int, pairs: list[tuple[int, int]]) -> list[set[int]]:
    """The cluster of each number up to `count`."""
    cluster = [{number} for number in range(count)]
    for one, other in pairs:
        if cluster[one] is not cluster[other]:
            cluster[one] |= cluster[other]
            for number in cluster[other]:
                cluster[number] = cluster[one]
    return cluster


def crowd(count: int = 150) -> list[str]:
    """Texts about as alike as asked for: few of them are, and they share bands with dozens that are not."""
    chosen = random.Random(8)
    return [" ".join(word if chosen.random() > 0.013 else f"x{chosen.random()}" for word in LONG) for _ in range(count)]


@pytest.mark.parametrize("window", [2, 32])
def test_cleaning_a_crowd_twice_is_cleaning_it_once_whatever_the_order(rows, clean, monkeypatch, window):
    monkeypatch.setattr(near_texts, "WINDOW", window)
    texts = {text: rank for rank, text in enumerate(crowd())}
    cleaner = near(keep={"best": "rank"})  # which goes with a text, as true ids do
    chosen = random.Random(1)
    expected = None
    for _ in range(3):
        once = clean(cleaner, rows({"text": list(texts), "rank": list(texts.values())}, per_batch=50))
        kept = {row["text"]: row["rank"] for row in once.kept.values()}
        assert 1 < len(kept) < len(texts)
        assert expected in (None, kept)
        expected = kept
        assert not clean(cleaner, rows({"text": list(kept), "rank": list(kept.values())}, per_batch=50)).rejects
        texts = dict(chosen.sample(list(texts.items()), len(texts)))


def test_copies_of_one_text_by_the_thousand_take_no_longer(rows, clean):
    chosen = random.Random(2)
    texts = [
        " ".join([*LONG[:at], f"x{number}", *LONG[at:]]) for number in range(3000) for at in [chosen.randrange(100)]
    ]
    assert len(clean(near(), rows({"text": texts}, per_batch=1000)).kept) == 1


def test_long_texts_are_compared_as_well(rows, clean):
    long = " ".join(words(60_000))
    done = clean(near(), rows({"text": [long, f"{long} and more", long[::-1]]}))
    assert list(done.rejects) == ["r1"]


def test_a_missing_column_is_found_by_the_check():
    given = Columns({"text": "text", "vector": "vector", "words": "list", "score": "text"})
    for options, message in [
        ({"columns": ["txet"]}, "no column `txet` at this point"),
        (
            {"columns": ["words"]},
            "column `words` holds list, expected text or integer or number or boolean or time or vector",
        ),
        ({"columns": ["text", "vector"]}, "near duplicates are found by texts, or by one column of vectors"),
        ({"columns": ["vector"], "shingle": {"words": 3}}, "`vector` holds vectors, which have no shingles"),
        ({"columns": ["vector"], "keep": "longest"}, "there is no text to be the longest"),
        ({"keep": {"best": "score"}}, "column `score` holds text, expected number or integer or boolean or time"),
        ({"keep": {"best": "other"}}, "no column `other` at this point"),
    ]:
        with pytest.raises(OptionError) as caught:
            near(**options).columns_after(given.fresh())
        assert str(caught.value) == message


def test_the_best_is_read_as_well():
    given = Columns({"text": "text", "score": "integer"})
    near(keep={"best": "score"}).columns_after(given)
    assert (given.read, given.written) == ({"text", "score"}, set())


def test_options_that_do_not_fit_each_other_are_refused(refused):
    error = refused(Deduplicate, near=0.8)
    assert (str(error), error.option, error.help) == (
        "`near` needs `columns`",
        "near",
        'name the text columns: columns = ["text"]',
    )
    error = refused(Deduplicate, shingle={"words": 3})
    assert (str(error), error.option) == ("equal rows need no `shingle`", "shingle")
    for shingle in ({}, {"words": 3, "characters": 3}):
        error = refused(Deduplicate, columns=["text"], near=0.8, shingle=shingle)
        assert str(error) == "shingles are runs of words or of characters"


def test_short_texts_cut_into_long_shingles_are_warned_of():
    sample = Sample([{"text": "one two three"}] * 5)
    [doubt] = near().doubts(sample)
    assert str(doubt) == (
        "half of the first 5 rows have at most 3 words: if one of them differs, so do most shingles of 5 words"
    )
    assert (doubt.option, doubt.help) == ("near", "short texts are better compared by shingle = { characters = 4 }")
    assert not list(near(shingle={"characters": 4}).doubts(sample))
    assert not list(near().doubts(Sample([{"text": TEXT}])))
    assert not list(near().doubts(Sample([{"other": "one"}])))
    assert not list(near(columns=["vector"]).doubts(Sample([{"vector": [1.0]}])))


@pytest.mark.parametrize(
    ("keep", "found"), [("frist", {"literal_error"}), ({"bets": "score"}, {"missing", "extra_forbidden"})]
)
def test_a_mistake_in_what_stays_is_told_once(keep, found):
    with pytest.raises(ValidationError) as caught:
        near(keep=keep)
    assert {error["type"] for error in caught.value.errors()} == found
