"""Dropping texts that do not read like texts."""

from __future__ import annotations

import re
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import Columns, OptionError, Sample
from ladle_cleaning.heuristics import MEASURES, Looks
from ladle_cleaning.quality import GROUPS, RULES, Quality

STOP = ["the", "be", "to", "of", "and", "that", "have", "with"]
PROSE = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a "
    "wife. However little known the feelings or views of such a man may be on his first entering a neighbourhood, this "
    "truth is so well fixed in the minds of the surrounding families, that he is considered as the property of some "
    "one or other of their daughters.\nMy dear Mr. Bennet, said his lady to him one day, have you heard that "
    "Netherfield Park is let at last?"
)


def quality(**options) -> Quality:
    return Quality.model_validate(options)


def measured(name: str, *texts: str) -> list[float]:
    return MEASURES[name](Looks(pa.array(texts, pa.string()), STOP)).tolist()


def rule_of(text: str, **options) -> str | None:
    done = quality(**options).clean_batch(pa.record_batch({"_id": ["r0"], "text": [text]}))
    return done.rejects[0].rule if done.rejects else None


def test_prose_stays():
    assert rule_of(PROSE, rules=list(GROUPS)) is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Too short by far.", "words"),
        ("a b c d e of and to", "word-length"),
        (PROSE.replace("the", "#the #the"), "hashes"),
        (PROSE.replace(" a ", " a ... a … "), "ellipses"),
        ("\n".join(f"- {line}" for line in PROSE.splitlines()), "bullets"),
        (PROSE.replace(". ", "…\n").replace("?", "..."), "trailing-lines"),
        (PROSE + " 1 22 333 4444" * 9, "letters"),
        (re.sub(r"\b(the|be|to|of|and|that|have|with)\b", "xyz", PROSE), "stop-words"),
        (f"{PROSE}\n" + "all the same line to me\n" * 3, "repeated-lines"),
        (f"{PROSE}\n\n" * 3, "repeated-paragraphs"),
        ("a\nb\n" + f"{PROSE}\n" * 2, "repeated-line-characters"),
        ("a\n\nb\n\n" + f"{PROSE}\n\n" * 2, "repeated-paragraph-characters"),
        (PROSE + " very very very" * 9, "top-2-gram"),
        (PROSE + " on and on" * 29, "top-3-gram"),
        (PROSE + " over and over again" * 9, "top-4-gram"),
        *((f"{PROSE} {PROSE}", f"repeated-{size}-grams") for size in range(5, 11)),
    ],
)
def test_each_rule_drops_what_it_is_for(text, rule):
    assert rule_of(text, rules=[rule]) == rule
    assert rule_of(PROSE, rules=[rule]) is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("One sentence. Two sentences, and no more than that!", "sentences"),
        (PROSE + " function() { return; }", "braces"),
        (PROSE + " Lorem ipsum dolor sit amet.", "lorem-ipsum"),
    ],
)
def test_the_rules_of_c4_drop_what_they_are_for(text, rule):
    assert rule_of(text, rules=["c4"]) == rule


def test_a_reject_tells_how_much_there_is_and_what_is_usual(rows, clean):
    data = rows({"text": ["Too short.", PROSE, None, PROSE + " very very very" * 30], "n": [1, 2, 3, 4]})
    done = clean(quality(), data)
    assert list(done.kept) == ["r1"]
    assert {id_: tuple(reject[:2]) for id_, reject in done.rejects.items()} == {
        "r0": ("words", "`text` has 2 words, less than 50"),
        "r2": ("missing", "no value in `text`"),
        "r3": ("top-2-gram", "`text` has 96% of its characters in its commonest 2 words, more than 0.2"),
    }
    assert done.columns.written == set()


def test_limits_may_be_others():
    assert rule_of("the end of time", limits={"words": [3, 10]}) is None
    assert rule_of("the end of time", limits={"words": [3, 3.5]}) == "words"
    assert rule_of("Nur das Ende.", limits={"words": [3, 10]}, stop_words=["das", "nur"]) is None
    assert rule_of("the end of time", limits={"words": [3, 10], "stop-words": 3}) == "stop-words"
    assert rule_of("1 2 3 of the end", rules=["letters"]) == "letters"
    assert rule_of("1 2 3 of the end", rules=["letters"], limits={"letters": 0.5}) is None


def test_lines_that_are_no_sentences_may_be_taken_out(rows, clean):
    text = "Home | About\n  This line is a whole sentence. \nShort one.\nPlease accept our use of cookies first.\n"
    text += "He said “so be it then”"
    data = rows({"text": [text, "Menu", None]})
    done = clean(quality(rules=["words"], limits={"words": [1, 99]}, drop_lines=True), data)
    assert done.values("text") == ["This line is a whole sentence.\nHe said “so be it then”"]
    assert {id_: reject.rule for id_, reject in done.rejects.items()} == {"r1": "words", "r2": "missing"}
    assert done.columns.written == {"text"}


@pytest.mark.parametrize(
    ("options", "message", "option"),
    [
        ({"rules": ["gofer"]}, "there is no rule `gofer`", None),
        ({"limits": {"word": [1, 2]}}, "there is no rule `word`", ("limits", "word")),
        ({"limits": {"words": 20}}, "the rule `words` has two limits, such as [3, 10]", ("limits", "words")),
        ({"limits": {"words": [9, 2]}}, "the rule `words` has two limits, such as [3, 10]", ("limits", "words")),
        ({"limits": {"letters": [0.1, 0.2]}}, "the rule `letters` has one limit, such as 0.5", ("limits", "letters")),
    ],
)
def test_rules_and_limits_that_are_none_are_refused(refused, options, message, option):
    error = refused(Quality, **options)
    assert (str(error), error.option) == (message, option)


def test_the_first_rows_show_that_texts_are_short():
    sample = Sample([{"text": "A tweet of some words"}] * 3 + [{"text": PROSE}])
    [doubt] = quality().doubts(sample)
    assert str(doubt) == "3 of the first 4 rows have less than 50 words in `text`, and go"
    assert doubt.help == "for short texts set limits = { words = [5, 100000] }"
    assert not list(quality(limits={"words": [3, 100]}).doubts(sample))
    assert not list(quality(rules=["c4"]).doubts(sample))


def test_other_columns_than_texts_are_refused():
    with pytest.raises(OptionError, match="column `n` holds integer, expected text"):
        quality(column="n").columns_after(Columns({"n": "integer"}))


WORDS = st.sampled_from(
    ["the", "The,", "of", "a", "é", "1", "#", "...", "x…", "-", "•", "go.", "“so!”", "日本。", "{", "lorem ipsum"]
)
TEXTS = st.lists(st.one_of(WORDS, st.sampled_from(["\n", "\n\n", " \n ", "\t"])), max_size=40).map(" ".join)


def by_hand(text: str) -> dict[str, float]:
    """What a text looks like, word by word as the papers have it."""
    words = text.split()
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    characters = sum(map(len, words))

    def share(part, of):
        return part / of if of else 0

    def again(pieces):
        return [piece for at, piece in enumerate(pieces) if piece in pieces[:at]]

    def total(pieces):
        return sum(map(len, pieces))

    found = {
        "words": len(words),
        "word-length": share(characters, len(words)),
        "hashes": share(text.count("#"), len(words)),
        "ellipses": share(text.count("...") + text.count("…"), len(words)),
        "bullets": share(sum(line[0] in "-•*" for line in lines), len(lines)),
        "trailing-lines": share(sum(line.endswith(("...", "…")) for line in lines), len(lines)),
        "letters": share(sum(any(map(str.isalpha, word)) for word in words), len(words)),
        "stop-words": len({word.strip(",.").lower() for word in words} & set(STOP)),
        "repeated-lines": share(len(again(lines)), len(lines)),
        "repeated-paragraphs": share(len(again(paragraphs)), len(paragraphs)),
        "repeated-line-characters": share(total(again(lines)), total(lines)),
        "repeated-paragraph-characters": share(total(again(paragraphs)), total(paragraphs)),
        "sentences": len(re.findall(r"[.!?…][”]?(?=\s|$)|。", text)),
        "braces": text.count("{"),
        "lorem-ipsum": text.lower().count("lorem ipsum"),
    }
    for size in range(2, 11):
        runs = [tuple(words[at : at + size]) for at in range(len(words) - size + 1)]
        if size <= 4:
            times = Counter(runs)
            most = max(times.values(), default=0)
            longest = max((total(run) for run in times if times[run] == most), default=0)
            found[f"top-{size}-gram"] = min(share(most * longest, characters), 1) if most > 1 else 0
        else:
            covered = {at + step for at, run in enumerate(runs) if run in runs[:at] for step in range(size)}
            found[f"repeated-{size}-grams"] = share(sum(len(words[at]) for at in covered), characters)
    return found


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_many_texts_are_measured_as_each_would_be_by_hand(texts):
    expected = [by_hand(text) for text in texts]
    assert expected[0].keys() == MEASURES.keys() == RULES.keys()
    for name in MEASURES:
        assert measured(name, *texts) == pytest.approx([hand[name] for hand in expected]), name


@settings(max_examples=12, deadline=None)
@given(st.lists(st.one_of(st.none(), TEXTS), min_size=1, max_size=8), st.integers(1, 4), st.booleans(), st.randoms())
def test_neither_batches_nor_order_change_what_goes_and_what_is_kept_stays(rows, texts, per_batch, drop_lines, random):
    cleaner = quality(
        rules=["gopher", "repetition", "c4"],
        limits={"words": [2, 30], "word-length": [1, 9], "stop-words": 1, "sentences": 1},
        drop_lines=drop_lines,
    )

    def outcome(texts, per_batch):
        found = []
        for done in cleaner.work(rows({"text": texts}, {"text": "text"}, per_batch=per_batch)):
            kept = enumerate(done.batch["text"].to_pylist())
            found += [done.rejects[at].rule if at in done.rejects else (text,) for at, text in kept]
        return found

    once = outcome(texts, 9)
    assert outcome(texts, per_batch) == once
    order = random.sample(range(len(texts)), len(texts))
    assert outcome([texts[at] for at in order], per_batch) == [once[at] for at in order]
    if kept := [found[0] for found in once if isinstance(found, tuple)]:
        assert outcome(kept, per_batch) == [(text,) for text in kept]


@pytest.mark.parametrize("together", [1, 600, 1200])
def test_texts_may_be_looked_at_in_parts(monkeypatch, together):
    monkeypatch.setattr("ladle_cleaning.quality._MOST_BYTES", together)
    texts = [PROSE, "short", "", PROSE + PROSE, PROSE + " very very very" * 30, PROSE]
    done = quality().clean_batch(pa.record_batch({"_id": list("abcdef"), "text": texts}))
    assert {row: reject.rule for row, reject in done.rejects.items()} == {
        1: "words",
        2: "words",
        3: "repeated-5-grams",
        4: "top-2-gram",
    }
