"""Made-up problems."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from ladle_reinforcement import gym
from ladle_reinforcement.arithmetic import Arithmetic


def test_problems_are_worked_out_and_none_comes_twice():
    source = Arithmetic(size=300, operations=["sum", "difference", "product"], digits=1, terms=2)
    rows = list(source.read())
    assert len({row["prompt"] for row in rows}) == len(rows) == 300  # all that there are
    for row in rows:
        one, sign, other, equals = row["prompt"].split()
        assert equals == "="
        found = {"+": int(one) + int(other), "-": int(one) - int(other), "*": int(one) * int(other)}[sign]
        assert row["answer"] == str(found)
    assert {row["prompt"].split()[1] for row in rows} == {"+", "-", "*"}


def test_problems_follow_from_the_seed():
    one, same, other = (list(Arithmetic(size=5, seed=seed).read()) for seed in (3, 3, 4))
    assert one == same != other
    assert list(Arithmetic(size=3, seed=3).read()) == one[:3]
    assert Arithmetic(size=5, seed=3).first_rows(2).rows == one[:2]


def test_several_terms_and_another_wording():
    [row] = Arithmetic(size=1, terms=4, digits=3, operations=["difference"], wording="Q: {problem}? A:").read()
    first, *others = row["prompt"].removeprefix("Q: ").removesuffix("? A:").split(" - ")
    assert len(others) == 3
    assert int(row["answer"]) == int(first) - sum(map(int, others))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"size": 101, "digits": 1}, "there are no more than 100 different problems like this"),
        ({"wording": "work it out"}, "the prompt does not say what is to be worked out"),
    ],
)
def test_what_cannot_be_made_is_told(options, told):
    with pytest.raises(ValidationError, match=told):
        Arithmetic(**options)


@pytest.fixture(scope="module")
def there():
    pytest.importorskip("cellpylib", reason="the packages that reasoning-gym needs are not all here")
    return pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed")


def test_tasks_of_reasoning_gym_with_their_scorers(there):
    source = gym.ReasoningGym(task="chain_sum", size=4, seed=3, options={"max_terms": 3})
    rows = list(source.read())
    assert rows == list(source.read())
    assert set(rows[0]) == set(source.peek()) == {"prompt", "answer", "metadata"}
    assert json.loads(rows[0]["metadata"])["source_dataset"] == "chain_sum"
    reward = gym.GymScore()
    assert reward.called() == "reasoning-gym"
    assert reward.score([], [f" {row['answer']}\n" for row in rows], rows) == [1.0] * 4
    assert max(reward.score([], ["no"] * 4, rows)) == 0
    tagged = [f"so <answer>{row['answer']}</answer>" for row in rows]
    assert gym.GymScore(take="tag").score([], tagged, rows) == [1.0] * 4
    assert gym.GymScore(take="tag").score([], ["5"] * 4, rows) == [0.0] * 4


@pytest.mark.slow
@pytest.mark.parametrize("task", ["arc_agi", "rearc", "sudoku", "prime_factorization"])
def test_scorers_see_what_they_made_themselves(there, task):
    rows = list(gym.ReasoningGym(task=task, size=2).read())
    reward = gym.GymScore()
    assert reward.score([], [row["answer"] for row in rows], rows) == [1.0, 1.0]
    assert max(reward.score([], ["hello", "3"], rows)) < 1


def test_all_tasks_are_found_without_the_import(there):
    from reasoning_gym.factory import DATASETS

    assert gym.tasks() == set(DATASETS) - {"composite"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"task": "chain_sums"}, "Reasoning Gym has no task `chain_sums`"),
        ({"task": "chain_sum", "options": {"seed": 3}}, "`seed` is an option of the source itself"),
    ],
)
def test_what_reasoning_gym_does_not_know_is_told(there, options, told):
    with pytest.raises(ValidationError, match=told):
        gym.ReasoningGym(**options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"min_term": 2}, "`chain_sum`: it knows no option 'min_term'"),
        ({"min_terms": -2}, "`chain_sum`: min_terms must be positive"),
    ],
)
def test_options_that_a_task_refuses_are_told(there, options, told):
    from ladle import OptionError

    with pytest.raises(OptionError) as error:
        list(gym.ReasoningGym(task="chain_sum", options=options).read())
    assert (str(error.value), error.value.path) == (told, ("options",))


def test_tasks_that_are_others_each_time_are_refused(there):
    code = """
from pydantic import ValidationError
from ladle_reinforcement.gym import ReasoningGym
try:
    print(ReasoningGym(task="word_ladder").task)
except ValidationError as error:
    print(error.errors()[0]["msg"])
"""

    def run(seed: str) -> str:
        environment = {"PYTHONHASHSEED": seed, "PATH": ""}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        return done.stdout.strip()

    assert "the problems of `word_ladder` would be others each time" in run("random")
    assert run("0") == "word_ladder"


def test_what_is_to_be_installed_is_told(monkeypatch):
    monkeypatch.setattr(gym.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValidationError) as error:
        gym.ReasoningGym(task="chain_sum")
    [told] = error.value.errors()
    assert "`reasoning_gym`, which Reasoning Gym needs, is not installed" in told["msg"]
    assert told["ctx"]["error"].help == 'pip install "ladle-reinforcement[reasoning-gym]"'
