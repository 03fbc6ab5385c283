"""Reinforcement learning for ladle: rewards, and trainers that learn from them and from preferences."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_kinds() -> dict[str, str]:
    return {"reward": "ladle_reinforcement.hookspecs:ladle_rewards"}


@hookimpl
def ladle_trainers() -> dict[str, str]:
    return {
        "grpo": "ladle_reinforcement.grpo:Grpo",
        "dpo": "ladle_reinforcement.dpo:Dpo",
        "reward-model": "ladle_reinforcement.reward_model:RewardModel",
    }


@hookimpl
def ladle_rewards() -> dict[str, str]:
    return {
        "exact-answer": "ladle_reinforcement.exact_answer:ExactAnswer",
        "pattern": "ladle_reinforcement.pattern:Pattern",
        "length": "ladle_reinforcement.length:Length",
        "classifier": "ladle_reinforcement.classifier:Classifier",
        "reasoning-gym": "ladle_reinforcement.gym:GymScore",
    }


@hookimpl
def ladle_data_sources() -> dict[str, str]:
    return {
        "arithmetic": "ladle_reinforcement.arithmetic:Arithmetic",
        "reasoning-gym": "ladle_reinforcement.gym:ReasoningGym",
    }
