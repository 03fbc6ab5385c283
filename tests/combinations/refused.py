"""What does not go together, and the words in which that is said."""

from __future__ import annotations

from collections.abc import Iterable

from .tables import TRAINERS

_TABULAR = {"tabular-classification", "tabular-regression"}
_WITH_TEXTS = {"text-classification", "text-regression", "sequence-to-sequence"}
_WITH_CLASSES = {"text-classification", "tabular-classification"}
_OF_ANSWERS = {"dpo", "reward-model", "grpo"}
_WITHOUT_LAYERS = {"needs layers": {*_TABULAR, "sequence-to-sequence"}}
_KEPT = "which `transfer` takes away as it is set"

_REASONS: dict[str, dict[str, set[str]]] = {
    "transfer": _WITHOUT_LAYERS,
    "transfer, kept": {
        **_WITHOUT_LAYERS,
        "does not tell which tokens a row has": _OF_ANSWERS,
        "whose hidden tokens are others each time": {"masked-language-model"},
    },
    "unfreeze": _WITHOUT_LAYERS,
    "layer-rates": _WITHOUT_LAYERS,
    "curriculum": {"both decide the order": {"multi-task"}},
    "curriculum, self-paced": {
        "both decide the order": {"multi-task"},
        "goes by the loss of single rows, which the trainer does not tell": _OF_ANSWERS,
    },
    "adversarial": {"needs embeddings": _TABULAR},
    "perturb": {"needs texts": {*TRAINERS} - _WITH_TEXTS},
    "robustness": {
        "this trainer's rows have no class": {*TRAINERS} - _WITH_CLASSES,
        "this trainer's rows are made of something else": {"tabular-classification"},
    },
    "consistency": {"labels": {*TRAINERS} - _WITH_CLASSES, "needs tokens": {"tabular-classification"}},
    "pcgrad": {"needs tasks": {*TRAINERS} - {"multi-task"}},
}

REFUSED = {
    (trainer, technique): words
    for technique, reasons in _REASONS.items()
    for words, trainers in reasons.items()
    for trainer in TRAINERS
    if trainer in trainers
}
"""With which trainer a technique is refused when a recipe is checked, and what is then said."""

REFUSED_PAIRS = {
    ("transfer", "transfer, kept"): "both decide the layers that stay fixed",
    ("curriculum", "curriculum, self-paced"): "both decide the order",
    ("transfer, kept", "adversarial"): f"`adversarial` needs embeddings, {_KEPT}",
    ("transfer, kept", "perturb"): f"`perturb` needs tokens, {_KEPT}",
    ("transfer, kept", "consistency"): f"`consistency` needs tokens, {_KEPT}",
}
"""Which techniques do not go together with each other, and what is said when a recipe is checked."""

REFUSED_ORDERS = {("pcgrad", "adversarial"): "`pcgrad` has to see the gradients that this technique leaves"}
"""Pairs that are refused in this order alone, and what is said once the training begins."""


def home_of(techniques: Iterable[str]) -> str | None:
    """The first trainer with which all of these go, each by itself; None if there is none."""
    return next(
        (trainer for trainer in TRAINERS if REFUSED.keys().isdisjoint((trainer, one) for one in techniques)), None
    )
