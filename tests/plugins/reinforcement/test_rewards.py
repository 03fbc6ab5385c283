"""Rewards of plugins, and several of them together."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ladle import OptionError
from ladle_reinforcement.length import Length
from ladle_reinforcement.reward import Reward, asked, reward_of
from ladle_reinforcement.scoring import Scorer

GREETS = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}]


def short_answers(prompts, answers, rows):
    """Short answers are better.

    The shorter the better.
    """
    return [-len(answer) for answer in answers]


def test_a_function_becomes_a_reward_in_one_line():
    reward = reward_of(short_answers)
    assert issubclass(reward, Reward)
    assert (reward.__name__, reward.summary()) == ("ShortAnswers", "Short answers are better.")
    assert reward().score([""], ["abc"], [{}]) == [-3]
    assert (reward().called(), reward(name="brevity").called()) == ("short-answers", "brevity")
    assert reward(weight=-0.5).weight == -0.5


def test_a_reward_of_a_plugin_is_used_by_its_name(read, saved, questions, registry):
    recipe = read(questions, f'[[train]]\nuse = "grpo"\ndata = "rows"\nmodel = {{ pretrained = "{saved()}" }}\n'
                  'reward = ["red", { use = "red", weight = 0.5 }]\n')  # fmt: skip
    rewards = recipe.train[0].trainer.component.reward
    assert [reward.weight for reward in rewards] == [1.0, 0.5]


def test_names_of_curves_differ():
    assert Scorer([Length(most=1), Length(most=2), Length(most=3, name="brief")]).names == [
        "length",
        "length-2",
        "brief",
    ]


def test_rewards_are_weighted_and_summed_and_what_says_nothing_is_left_out():
    silent = reward_of(lambda prompts, answers, rows: [None if row["quiet"] else 1.0 for row in rows])
    scorer = Scorer([silent(weight=2), Length(most=1, weight=-1), silent()])
    scores = scorer(["", ""], ["a", "a"], [{"quiet": False}, {"quiet": True}])
    assert np.isnan(scores).tolist() == [[False] * 3, [True, False, True]]
    assert scorer.sums(scores).tolist() == [2 - 1 + 1, -1]
    assert math.isnan(Scorer([silent()]).sums(np.array([[math.nan]]))[0])


@pytest.mark.parametrize("found", [[1.0], [1.0, math.inf]])
def test_a_reward_that_does_not_score_each_answer_is_told(found):
    faulty = reward_of(lambda prompts, answers, rows: found)
    with pytest.raises(OptionError, match="gave no finite number for each of 2 answers") as told:
        Scorer([Length(most=1), faulty()])(["", ""], ["a", "b"], [{}, {}])
    assert told.value.path == ("reward", 1)


def test_errors_of_a_reward_are_told_at_its_place():
    def picky(prompts, answers, rows):
        raise OptionError("not so", option="column")

    with pytest.raises(OptionError) as told:
        Scorer([reward_of(picky)()])([""], [""], [{}])
    assert told.value.path == ("reward", 0, "column")


def test_what_was_asked():
    assert (asked("hello"), asked(GREETS)) == ("hello", "hello")


def test_a_column_that_a_reward_misses_is_told_at_its_option(read, saved, questions):
    from ladle.errors import RecipeError

    text = f'[[train]]\nuse = "grpo"\ndata = "rows"\nmodel = {{ pretrained = "{saved()}" }}\n'
    with pytest.raises(RecipeError) as told:
        read(questions, f'{text}[[train.reward]]\nuse = "exact-answer"\ncolumn = "answr"\n')
    [problem] = told.value.problems
    assert (problem.message, problem.help) == ("no column `answr` at this point", "did you mean `answer`?")
    assert problem.span.text == 'column = "answr"'
