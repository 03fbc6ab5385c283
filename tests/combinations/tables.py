"""All trainers and all techniques, each with options for a tiny training."""

from __future__ import annotations

from typing import Any, NamedTuple

EPOCHS = 3
LAYERS = 3
DECAY = 2.0
FROZEN = 1
EPSILON = 0.1
RATIO = 2


class Of(NamedTuple):
    """How a trainer is used here."""

    start: str | None
    """The model that it begins with, as `saved` knows it."""
    options: dict[str, Any]
    loss_falls: bool = True
    """Whether there is a loss on the test split, which a training makes smaller."""
    data: tuple[str, ...] = ("rows",)


TRAINERS = {
    "text-classification": Of("bert", {"target": "label", "head": "own"}),
    "text-regression": Of("bert", {"target": "score", "head": "own"}),
    "token-classification": Of("bert", {"target": "tags"}),
    "question-answering": Of("bert", {}),
    "tabular-classification": Of(
        None, {"columns": ["x", "y"], "target": "label", "hidden": [96, 96], "dropout": 0.0, "learning_rate": 0.01}
    ),
    "tabular-regression": Of(
        None, {"columns": ["x", "y"], "target": "score", "hidden": [96, 96], "dropout": 0.0, "learning_rate": 0.01}
    ),
    "sequence-to-sequence": Of("bart", {"column": "text", "target": "word", "generated_rows": 0}),
    "instruction-tuning": Of("llama", {"prompt": "text", "target": "word", "template": "plain", "generated_rows": 0}),
    "causal-language-model": Of("llama", {"max_length": 32, "batch_size": 2}),
    "masked-language-model": Of("masked", {"max_length": 32, "batch_size": 1, "learning_rate": 0.01, "share": 0.4}),
    "dpo": Of("llama", {"prompt": "text"}),
    "reward-model": Of("llama", {"prompt": "text"}),
    "grpo": Of(
        "llama",
        {
            "prompt": "text",
            "group": 4,
            "max_new_tokens": 4,
            "batch_size": 6,
            "reward": [{"use": "length", "most": 4, "fall": 16}],
        },
        loss_falls=False,
    ),
    "multi-task": Of(
        "bert",
        {
            "data": None,
            "mixing": "equal",
            "accumulate": 2,
            "tasks": {
                "tags": {"use": "token-classification", "data": "rows", "target": "tags"},
                "class": {"use": "text-classification", "data": "few", "target": "label", "head": "own"},
            },
        },
        data=("rows", "few"),
    ),
}
"""A new trainer goes here; with which techniques it is refused is said in `refused`."""

TECHNIQUES = {
    "transfer": {"use": "transfer", "freeze": FROZEN, "reuse": False},
    "transfer, kept": {"use": "transfer", "freeze": FROZEN},
    "lora": {"use": "lora", "rank": 1, "alpha": 16.0},
    "unfreeze": {"use": "unfreeze"},
    "layer-rates": {"use": "layer-rates", "decay": DECAY},
    "curriculum": {"use": "curriculum", "schedule": "sorted", "difficulty": {"use": "column", "column": "hard"}},
    "curriculum, self-paced": {"use": "curriculum", "schedule": "self-paced", "start": 0.85, "growth": 2.0},
    "adversarial": {"use": "adversarial", "epsilon": EPSILON},
    "perturb": {"use": "perturb", "share": 0.5, "attacks": [{"use": "word-swaps", "share": 1.0, "changed": 1.0}]},
    "robustness": {"use": "robustness", "search": False, "attacks": [{"use": "word-swaps"}]},
    "consistency": {"use": "consistency", "ratio": RATIO, "threshold": 0.5},
    "pcgrad": {"use": "pcgrad"},
}
"""A new technique goes here, in the order in which a stage is to name them, and what it promises into `promises`."""
