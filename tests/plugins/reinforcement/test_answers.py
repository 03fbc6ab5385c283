"""Rewards that follow from the text of an answer."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ladle_reinforcement.exact_answer import ExactAnswer, number_of, numbers_in
from ladle_reinforcement.length import Length
from ladle_reinforcement.pattern import Pattern


def scores(reward, *answers, **row):
    return reward.score([""] * len(answers), list(answers), [row] * len(answers))


def test_texts_are_compared_letter_by_letter_unless_they_are_normalised():
    assert scores(ExactAnswer(), "  The  Cat. ", "cat", answer="the cat") == [1, 0]
    assert scores(ExactAnswer(normalise=False), "The cat", "the cat", answer="the cat") == [0, 1]


def test_numbers_are_compared_as_numbers():
    same = ["1000", "1,000", "1,000.00", " +1000. ", "$1,000", "1e3", "2000/2"]
    assert scores(ExactAnswer(), *same, "1001", "one", "", answer="1000") == [1] * 7 + [0] * 3
    assert scores(ExactAnswer(), "-3", "\N{MINUS SIGN}3", "3", answer=-3) == [1, 1, 0]
    assert scores(ExactAnswer(tolerance=0.1), "0.3", "0.31", answer=0.2) == [1, 0]


def test_any_answer_of_a_list_is_right_and_none_says_nothing():
    assert scores(ExactAnswer(), "a", "B", "c", answer=["a", "b", None]) == [1, 1, 0]
    assert scores(ExactAnswer(), "a", answer=None) == [None]
    assert scores(ExactAnswer(column="right"), "yes", right=True) == [0]


@pytest.mark.parametrize(
    ("take", "answer", "right"),
    [
        ("last-number", "3 + 4 is 7, not 8, so: 7.", 1),
        ("last-number", "12 - 5 = 7 = 7-0", 0),
        ("last-number", "nothing", 0),
        ("last-line", "it is 8\nno:\n7\n\n", 1),
        ("last-line", "7\nor so", 0),
        ("tag", "<answer>8</answer> no <answer> 7 </answer> done", 1),
        ("tag", "<answer>7", 0),
        ("tag", "7</answer>", 0),
        ("whole", "it is 7", 0),
    ],
)
def test_a_part_of_the_answer_is_taken(take, answer, right):
    assert scores(ExactAnswer(take=take), answer, answer="7") == [right]


def test_a_tag_by_another_name():
    assert scores(ExactAnswer(take="tag", tag="final"), "<final>7</final>", "<answer>7</answer>", answer="7") == [1, 0]
    with pytest.raises(ValidationError, match='`tag` has no effect where take = "whole"'):
        ExactAnswer(tag="final")
    assert ExactAnswer.model_validate(ExactAnswer(take="last-line").model_dump()).take == "last-line"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=3))
def test_numbers_are_found_however_they_are_written(number):
    for text in (f"{number}", f"{number:,}", f"${abs(number):,}"):
        assert abs(number_of(text)) == abs(Fraction(number))
    assert number_of(numbers_in(f"so a = {number:,}; done")[-1]) == Fraction(number)


@given(st.text())
def test_any_text_can_be_compared(text):
    assert scores(ExactAnswer(normalise=False), text, answer=text) in ([1], [1.0])
    for take in ("last-number", "last-line", "tag"):
        assert scores(ExactAnswer(take=take), text, answer="7")[0] in (0, 1)


def test_numbers_without_end_are_no_trap():
    started = time.monotonic()
    assert scores(ExactAnswer(), "9" * 10_000, "1e999999999", answer="1") == [0, 0]
    assert scores(ExactAnswer(take="last-number"), "1," * 20_000 + "7", answer="7") == [1]
    assert time.monotonic() - started < 2


def test_a_pattern_matches_somewhere_or_the_whole():
    assert scores(Pattern(pattern=r"b+"), "abbc", "ac") == [1, 0]
    assert scores(Pattern(pattern=r"b+", where="whole"), "abbc", "bb") == [0, 1]
    assert scores(Pattern(pattern=r"b+", ignore_case=True), "B") == [1]
    assert scores(Pattern(pattern=r"(?s)<think>.*</think>.+", where="whole"), "<think>a\nb</think>c", "c") == [1, 0]


def test_a_pattern_that_would_take_years_does_not_match(monkeypatch):
    monkeypatch.setattr("ladle_reinforcement.pattern._SECONDS", 0.05)
    started = time.monotonic()
    assert scores(Pattern(pattern=r"(.+)+\1x(.+)+y"), "a" * 200) == [0]
    assert time.monotonic() - started < 2


def test_a_wrong_pattern_is_told():
    with pytest.raises(ValidationError, match="this is no regular expression: missing \\)"):
        Pattern(pattern="(a")


def test_length_falls_in_a_straight_line_beyond_the_range():
    assert scores(Length(least=2, most=4, fall=4), "", "a", "ab", "abcd", "abcde", "abcdef", "a" * 8) == [
        0.5, 0.75, 1, 1, 0.75, 0.5, 0,
    ]  # fmt: skip
    assert scores(Length(most=2, unit="words"), "one two", "one two three") == [1, 0]
    with pytest.raises(ValidationError, match="no length is at least 5 and at most 4"):
        Length(least=5, most=4)
